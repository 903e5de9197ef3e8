// Hostile expressions on real workerd, by one tenant, while another works: the neighbour is answered in time, the
// process stays the same and does not grow, and each expression ends as it should, in its stage alone. What is refused
// is refused wherever an expression is written. What conditions may name and see, over HTTP.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import {
  HOSTILE_DATA,
  HOSTILE_EXPRESSIONS,
  type HostileExpression,
} from "../../support/values/hostile-expressions.ts";
import { KEYED, KEYS } from "../../support/clients/keys.ts";
import { startAlone } from "../../support/servers/workerd.ts";

/** What a neighbour's run of one instant stage may take meanwhile. */
const NEIGHBOUR_MS = 500;
/** Other processes hold the machine up as well, but not each time. */
const MOST_TRIES = 3;
/** Starts of a run that finds no room, a second apart. */
const MOST_STARTS = 10;
/** What a few results of 1 MiB, their copies and the heap's own growth may add. */
const GROWTH_BYTES = 400 * 2 ** 20;

/** Answers of the stage that the conditions wait for, once their data is there. */
const gates: (() => void)[] = [];
let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;
let acme: Calls;
let globex: Calls;

const accepted = HOSTILE_EXPRESSIONS.filter(({ outcome }) => outcome !== "refused");
const refused = HOSTILE_EXPRESSIONS.filter(({ outcome }) => outcome === "refused");

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/instant", answers({ answer: "yes" }));
  for (const [name, data] of Object.entries(HOSTILE_DATA)) {
    // Written out once: this process also measures.
    const text = JSON.stringify({ data });
    agents.on(`/${name}`, (_call, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(text);
    });
  }
  agents.on("/gate", (_call, response) => {
    gates.push(() => response.writeHead(200, { "content-type": "application/json" }).end('{"data":{}}'));
  });
  server = await startAlone({
    ...KEYED,
    AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
    AGENT_COORDINATOR_CACHING: "false",
  });
  acme = callsTo(server.url, KEYS.acme);
  globex = callsTo(server.url, KEYS.globex);
  for (const calls of [acme, globex]) await calls.agent("instant", agents.url("/instant"));
  for (const name of [...Object.keys(HOSTILE_DATA), "gate"]) await acme.agent(name, agents.url(`/${name}`));
  await globex.pipeline("plain", [{ name: "only", agent_type: "instant" }]);
});

afterAll(() => closeAll(server, agents));

const dataStage = (name: string) => ({ name, agent_type: name, parallel: true });
const dataStages = Object.keys(HOSTILE_DATA).map(dataStage);

/** The data that an expression names. */
function dataOf({ when }: HostileExpression): string[] {
  return Object.keys(HOSTILE_DATA).filter((name) => when.includes(`results.${name}`));
}

function hostileStage(hostile: HostileExpression, at: number) {
  return {
    name: `hostile_${at}`,
    agent_type: "instant",
    parallel: true,
    required: false,
    depends_on: [...dataOf(hostile), "gate"],
    when: hostile.when,
  };
}

/** An execution that has ended, or is about to. */
async function ended(execution_id: string) {
  for (;;) {
    const execution = await acme.read(execution_id);
    if (execution.end_time !== null) return execution;
    await sleep(20);
  }
}

/** The least that a measurement gives in a few attempts, or the first below what is wanted. */
async function leastOf(measure: (attempt: number) => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < MOST_TRIES && least >= NEIGHBOUR_MS; attempt += 1) {
    least = Math.min(least, await measure(attempt));
  }
  return least;
}

/** Runs the neighbour's pipeline again and again until `done` settles; how long each run took, ms. */
async function neighbour(done: Promise<unknown>): Promise<number[]> {
  const work = { running: true };
  void done.finally(() => (work.running = false)).catch(() => {});
  const took: number[] = [];
  for (let at = 0; work.running || at < 3; at += 1) {
    const began = performance.now();
    const response = await globex.post({ pipeline: "plain", query: `question ${at}` });
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    expect(((await response.json()) as any).status).toBe("completed");
    took.push(performance.now() - began);
    await sleep(10);
  }
  return took;
}

/** One pipeline for those of the same data: no run carries more of it than its expressions need. */
const groups = [...Map.groupBy(accepted, (hostile) => dataOf(hostile).join("_"))].map(
  ([key, expressions]) => ({
    name: `hostile_${key}`,
    data: key === "" ? [] : key.split("_"),
    expressions,
  }),
);

describe("hostile conditions", () => {
  beforeAll(async () => {
    for (const { name, data, expressions } of groups) {
      await acme.pipeline(name, [
        ...data.map(dataStage),
        { name: "gate", agent_type: "gate", depends_on: data },
        ...expressions.map(hostileStage),
        { name: "end", agent_type: "instant", depends_on: expressions.map((_, at) => `hostile_${at}`) },
      ]);
    }
  });

  /**
   * Starts a run of a group; resolves with its id once nothing but its conditions is left to decide. A run of 10 MB may
   * find the earlier groups' runs still in memory, where their ends are being reported: then another one is started.
   */
  async function loaded(name: string, first: string): Promise<string> {
    for (let tries = 0; ; tries += 1) {
      const execution_id = tries === 0 ? first : `${first}_${tries}`;
      const waiting = gates.length;
      await acme.begin(execution_id, name);
      let end: string | null = null;
      while (gates.length === waiting && end === null) {
        await sleep(20);
        ({ end_time: end } = await acme.read(execution_id));
      }
      if (gates.length > waiting) return execution_id;
      const { error_info } = await acme.read(execution_id);
      if (error_info?.code !== "RESOURCE_EXHAUSTED" || tries === MOST_STARTS) {
        throw new Error(`${execution_id} ended before its conditions: ${JSON.stringify(error_info)}`);
      }
      await sleep(1_000);
    }
  }

  /** Lets the conditions of those that wait be decided; resolves when all of them are. */
  async function decided(runs: number): Promise<void> {
    const ends = () => agents.callsOf("/instant").filter(({ body }) => body.stage === "end").length;
    const before = ends();
    for (const open of gates.splice(0)) open();
    while (ends() < before + runs) await sleep(5);
  }

  test("there are 40 and more of them", () => {
    expect(accepted.length + refused.length).toBeGreaterThan(80);
  });

  test.each(groups)(
    "another tenant is answered while $name are evaluated, and each ends in its stage",
    async (group) => {
      const before = await server.memory();
      let last = "";
      const slowest = await leastOf(async (attempt) => {
        last = await loaded(group.name, `${group.name}_${attempt}`);
        const took = await neighbour(decided(1));
        await ended(last);
        return Math.max(...took);
      });
      expect(slowest, "the neighbour's slowest run, ms").toBeLessThan(NEIGHBOUR_MS);
      const execution = await ended(last);
      expect(execution.status, JSON.stringify(execution.error_info)).toBe("completed");
      for (const [index, { name, outcome }] of group.expressions.entries()) {
        const { status, error } = execution.stage_results[`hostile_${index}`];
        if (outcome === "ends") {
          expect(["completed", "skipped"], name).toContain(status);
          continue;
        }
        expect({ status, code: error?.code }, name).toEqual({
          status: "failed",
          code: "INVALID_PIPELINE_CONFIG",
        });
        expect(error.message.includes("cost limit of an expression"), name).toBe(outcome === "limit");
      }
      expect((await server.memory()) - before).toBeLessThan(GROWTH_BYTES);
    },
  );

  test("several runs of them at once do not stop it either", async () => {
    const before = await server.memory();
    const largest = groups.reduce((a, b) => (a.expressions.length < b.expressions.length ? b : a));
    const slowest = await leastOf(async (attempt) => {
      const names: string[] = [];
      // A tenant's share of an isolate holds two that large.
      for (const name of ["a", "b"]) names.push(await loaded(largest.name, `several_${name}_${attempt}`));
      const took = await neighbour(decided(names.length));
      for (const name of names) expect((await ended(name)).status).toBe("completed");
      return Math.max(...took);
    });
    expect(slowest, "the neighbour's slowest run, ms").toBeLessThan(NEIGHBOUR_MS);
    expect((await server.memory()) - before).toBeLessThan(GROWTH_BYTES);
  });

  test.each(refused)("refused wherever it is written: $name", async (hostile) => {
    const stage = { ...hostileStage(hostile, 0), name: "bad", depends_on: dataOf(hostile) };
    const expectRefused = async (response: Response) => {
      const body = (await response.json()) as { code: string; detail: string };
      expect({ status: response.status, code: body.code }).toEqual({
        status: 422,
        code: "INVALID_PIPELINE_CONFIG",
      });
      expect(body.detail).toContain("bad");
    };
    const began = performance.now();
    await expectRefused(await acme.send("PUT", "/v1/pipelines/bad", { stages: [...dataStages, stage] }));
    await expectRefused(await acme.send("POST", "/v1/pipelines/good/stages", stage));
    await expectRefused(
      await acme.post({ pipeline: "good", pipeline_config: { bad: { when: hostile.when } } }),
    );
    await expectRefused(
      await acme.send("POST", "/v1/stages/execute", { stage, query: "q", inputs: HOSTILE_INPUTS }),
    );
    const response = await acme.send("POST", "/v1/pipelines/validate", { stages: [...dataStages, stage] });
    expect(await response.json()).toMatchObject({
      valid: false,
      errors: [{ code: "INVALID_PIPELINE_CONFIG", stage: "bad" }],
    });
    expect(performance.now() - began).toBeLessThan(5 * NEIGHBOUR_MS);
  });

  const HOSTILE_INPUTS = Object.fromEntries(Object.keys(HOSTILE_DATA).map((name) => [name, {}]));
  beforeAll(async () => {
    await acme.pipeline("good", [
      ...dataStages,
      { name: "bad", agent_type: "instant", depends_on: Object.keys(HOSTILE_DATA) },
    ]);
  });

  test("afterwards it is the same process, and every rejection was caught", () => {
    expect(() => process.kill(server.pid, 0)).not.toThrow();
    expect(server.output().match(/UNHANDLED.*|out of memory.*/gi) ?? []).toEqual([]);
  });
});

describe("over HTTP", () => {
  let coordinator: Coordinator;
  const stage = (name: string, more: object = {}) => ({
    name,
    agent_type: "instant",
    parallel: true,
    ...more,
  });

  beforeAll(async () => {
    coordinator = await startCoordinator([agents]);
    await coordinator.agent("instant", agents.url("/instant"));
    await coordinator.agent("numbers", agents.url("/numbers"));
  });
  afterAll(() => closeAll(coordinator));

  test("an expression that poisons a second stage fails that stage, and crashes nothing", async () => {
    const when = "results.numbers.items.exists(x, x > 2.0)";
    await coordinator.pipeline("poisoned", [
      { name: "numbers", agent_type: "numbers" },
      stage("second", { depends_on: ["numbers"], when }),
    ]);
    const execution_id = "poisoned_1";
    const begun = await coordinator.run({ pipeline: "poisoned", execution_id }, { prefer: "respond-async" });
    expect(begun.status).toBe(202);
    await coordinator.abort(execution_id);
    const ended = await coordinator.run({ pipeline: "poisoned", execution_id });
    expect(ended.body).toMatchObject({
      status: "failed",
      error_info: { code: "INVALID_PIPELINE_CONFIG", failed_stage: "second", retry_attempts: 0 },
    });
    expect(ended.body.error_info.message).toContain("cost limit of an expression");
    expect(ended.body.execution_metadata.recoveries).toBeLessThanOrEqual(1);
  });

  test("a stage that is disabled is null to a condition", async () => {
    await coordinator.pipeline("disabled", [
      stage("a"),
      stage("m", { depends_on: ["a"] }),
      stage("z", { depends_on: ["m"], when: "results.m == null || results.m.score > 3.0" }),
    ]);
    const config = { m: { enabled: false } };
    const { body } = await coordinator.run({ pipeline: "disabled", pipeline_config: config });
    expect(body).toMatchObject({ status: "completed", stage_results: { z: { status: "completed" } } });
    expect(Object.keys(body.stage_results)).toEqual(["a", "z"]);
  });

  test("a name that no stage has, or that the stage does not depend on, is refused with what it could be", async () => {
    const written = (when: string) => [stage("a"), stage("b"), stage("c", { depends_on: ["a"], when })];
    const put = (when: string) => coordinator.api("PUT", "/v1/pipelines/names", { stages: written(when) });
    expect(await put("results.x == null")).toMatchObject({
      status: 422,
      body: {
        code: "INVALID_PIPELINE_CONFIG",
        detail: expect.stringMatching(/c: when: names results\.x, .*not a stage.*it may name a/),
      },
    });
    expect((await put("results.b == null")).body.detail).toMatch(/results\.b, on which c does not depend/);
    expect((await put("results.a == null")).status).toBe(201);
    const run = (c: object) => coordinator.run({ pipeline: "names", pipeline_config: { c } });
    expect((await run({ when: "results.b == null" })).status).toBe(422);
    expect((await run({ depends_on: [] })).status).toBe(422);
    expect((await run({ when: "results.b == null", depends_on: ["b"] })).status).toBe(200);
  });

  test("stages/execute: inputs may be named, and what it depends on is null where it is not given", async () => {
    const execute = async (when: string, inputs: object = {}) => {
      const one = stage("c", { depends_on: ["a"], when });
      return coordinator.api("POST", "/v1/stages/execute", { stage: one, query: "q", inputs });
    };
    expect((await execute("results.b.n == 1.0", { b: { n: 1 } })).body.status).toBe("completed");
    expect((await execute("results.a == null")).body.status).toBe("completed");
    expect((await execute("results.a != null", { a: {} })).body.status).toBe("completed");
    expect(await execute("results.b == null")).toMatchObject({ status: 422 });
  });
});
