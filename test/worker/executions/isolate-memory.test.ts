// What an isolate holds, over a real workerd whose heap is as small as the platform's: a process that needed more would
// be ended by V8, with all that runs in it. Large runs of one tenant are refused before, typed, and other tenants' small
// runs go on; reading and waking what is large is bounded alike.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  failsWith,
  hangs,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { KEYED, KEYS } from "../../support/clients/keys.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

/** The platform's 128 MB, less what is not V8's heap. */
const HEAP_MB = 100;
const STAGES = 15;

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

interface World {
  agents: AgentServer;
  /** A process on the same storage; the one before it is killed. */
  boot: () => Promise<{ server: WorkerdServer; acme: Calls; globex: Calls }>;
}

async function world(): Promise<World> {
  const [agents, state] = await Promise.all([startAgentServer(), temporaryState()]);
  end.push(state.remove, () => agents.close());
  const large = answers({ pad: "x".repeat(1_000_000) });
  agents.on("/large", (call, response, count) => {
    agents.calls.length = 0;
    return large(call, response, count);
  });
  agents.on("/small", answers({ answer: "small" }));
  agents.on("/hangs", hangs);
  let running: WorkerdServer | null = null;
  const boot = async () => {
    await running?.kill();
    const vars = {
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
      AGENT_COORDINATOR_CACHING: "false",
      AGENT_COORDINATOR_STAGE_TIMEOUT: "300",
      AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
      ...KEYED,
    };
    const server = await startWorkerd({ state: state.path, vars, heapMb: HEAP_MB });
    running = server;
    end.push(server.kill);
    const [acme, globex] = [callsTo(server.url, KEYS.acme), callsTo(server.url, KEYS.globex)];
    return { server, acme, globex };
  };
  const { acme, globex } = await boot();
  for (const calls of [acme, globex]) {
    for (const name of ["large", "small", "hangs"]) await calls.agent(name, agents.url(`/${name}`));
    await calls.pipeline("small", [{ name: "only", agent_type: "small" }]);
  }
  const names = Array.from({ length: STAGES }, (_, at) => `s${at}`);
  const stages = names.map((name) => ({ name, agent_type: "large", parallel: true }));
  await acme.pipeline("large", stages);
  // Its 15 MB stay in memory until somebody ends it.
  const held = { name: "held", agent_type: "hangs", depends_on: [names[0]], parallel: true };
  await acme.pipeline("held", [...stages, held]);
  return { agents, boot };
}

/** The most that the process had resident meanwhile, in MB. */
async function peakOf(server: WorkerdServer, work: () => Promise<void>): Promise<number> {
  let most = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      most = Math.max(most, await server.memory());
      await sleep(10);
    }
  })();
  try {
    await work();
  } finally {
    over.abort();
    await watching;
  }
  return Math.round(most / 1e6);
}

/** Runs that answer small things, one after another, until told to stop; how long each took, ms. */
function smallRuns(calls: Calls): () => Promise<number[]> {
  const took: number[] = [];
  const over = new AbortController();
  const running = (async () => {
    while (!over.signal.aborted) {
      const began = Date.now();
      const response = await calls.post({ pipeline: "small" });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: "completed" });
      took.push(Date.now() - began);
    }
  })();
  return async () => {
    over.abort();
    await running;
    return took;
  };
}

interface Read {
  status: string;
  error_info: { code: string } | null;
  stage_results: Record<string, { status: string; error: object | null }>;
}

/** True once all of its large stages are done: by its last events, for to read all of it takes megabytes. */
async function isFilled(calls: Calls, id: string, pipeline: string): Promise<boolean> {
  const stages = pipeline === "held" ? STAGES + 1 : STAGES;
  const path = `/v1/executions/${id}/events?after=${stages + STAGES}`;
  const response = await calls.fetch(path, { headers: { accept: "application/json" } });
  const { data = [] } = (await response.json()) as { data?: unknown[] };
  return data.length > 0;
}

/** Starts a run, and resolves when its large stages are done. */
async function filled(calls: Calls, id: string, pipeline: string): Promise<void> {
  await calls.begin(id, pipeline);
  await eventually(
    () => isFilled(calls, id, pipeline),
    (is) => is,
    90_000,
  );
}

/** A verb's status and answer; who does not read a large answer keeps its run in memory. */
async function verb(calls: Calls, id: string, name: string): Promise<{ response: Response; body: string }> {
  const response = await calls.send(
    "POST",
    `/v1/executions/${id}/${name}`,
    name === "pause" ? { mode: "abort" } : {},
  );
  return { response, body: await response.text() };
}

async function isRunning(calls: Calls, id: string): Promise<boolean> {
  const response = await calls.fetch("/v1/executions?status=running&limit=100");
  return (await response.text()).includes(`"${id}"`);
}

test("12 runs of 15 MB each: those that fit hold theirs, the others fail typed, and small runs go on", async () => {
  const { server, acme, globex } = await (await world()).boot();
  const stop = smallRuns(globex);
  const ids = Array.from({ length: 12 }, (_, at) => `large-${at}`);
  const peak_mb = await peakOf(server, async () => {
    await Promise.all(ids.map((id) => acme.begin(id, "held")));
    for (const id of ids) {
      await eventually(
        async () => (await isFilled(acme, id, "held")) || !(await isRunning(acme, id)),
        (over) => over,
        60_000,
      );
    }
  });
  const took = await stop();
  let held = 0;
  let most = 0;
  for (const id of ids) {
    const { status, error_info, stage_results } = (await acme.read(id)) as Read;
    if (status === "running") held += 1;
    else expect({ status, code: error_info?.code }).toEqual({ status: "failed", code: "RESOURCE_EXHAUSTED" });
    const results = Object.values(stage_results);
    most = Math.max(most, results.filter((stage) => stage.status === "completed").length);
    for (const stage of results) {
      if (stage.status !== "failed") continue;
      expect(stage.error).toMatchObject({ code: "RESOURCE_EXHAUSTED", retryable: false });
    }
  }
  // The same tenant's small runs go on, too.
  expect(await (await acme.post({ pipeline: "small" })).json()).toMatchObject({ status: "completed" });
  // What ends gives its room back.
  for (const id of ids) await verb(acme, id, "cancel");
  await filled(acme, "later", "large");
  console.log(
    JSON.stringify({ peak_mb, held, most, small: took.length, slowest_small_ms: Math.max(...took) }),
  );
  expect(held).toBeGreaterThan(0);
  expect(peak_mb).toBeLessThan(600);
  expect(took.length).toBeGreaterThan(3);
}, 180_000);

test("large executions that have ended are read at once, and none stays in memory", async () => {
  const { server, acme } = await (await world()).boot();
  const ids = Array.from({ length: 8 }, (_, at) => `read-${at}`);
  for (const id of ids) await filled(acme, id, "large");
  const peak_mb = await peakOf(server, async () => {
    for (let round = 0; round < 3; round += 1) {
      const read = async (id: string) => {
        // Of those that are read in the same moment some may have no room: they say when to come again.
        const response = await eventually(
          () => acme.fetch(`/v1/executions/${id}`),
          ({ status }) => status !== 503,
          30_000,
        );
        const { status, stage_results } = (await response.json()) as Read;
        expect([status, Object.keys(stage_results).length]).toEqual(["completed", STAGES]);
      };
      await Promise.all(ids.map(read));
    }
  });
  console.log(JSON.stringify({ peak_mb }));
}, 180_000);

test("large runs that wait come up after a restart as far as there is room", async () => {
  const of = await world();
  const first = await of.boot();
  const ids = Array.from({ length: 5 }, (_, at) => `woken-${at}`);
  for (const id of ids) {
    await filled(first.acme, id, "held");
    await verb(first.acme, id, "pause");
  }
  const { acme } = await of.boot();
  // Paused, each is let go of once it is read: all can be.
  for (const id of ids) expect((await acme.read(id)).status).toBe("paused");
  // Resumed, each stays: the fourth has no room, and says so.
  const answered = [];
  for (const id of ids) answered.push(await verb(acme, id, "resume"));
  expect(answered.map(({ response }) => response.status)).toEqual([200, 200, 200, 503, 503]);
  for (const { response, body } of answered.slice(3)) {
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(JSON.parse(body)).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  }
  for (const id of ids.slice(0, 2)) await verb(acme, id, "cancel");
  const last = ids.at(-1) ?? "";
  await eventually(
    async () => (await verb(acme, last, "resume")).response.status,
    (status) => status === 200,
  );
  expect((await acme.read(last)).status).toBe("running");
}, 180_000);

test("large runs that wait for their agent leave memory, and come up again one beside the other", async () => {
  const of = await world();
  const calledBy = new Map<string, number>();
  of.agents.on("/later", async (call, response, count) => {
    const { execution_id } = call.body;
    calledBy.set(execution_id, (calledBy.get(execution_id) ?? 0) + 1);
    // It holds back the calls of all: the first run waits for its retry, the others for their turn.
    if (calledBy.size === 1 && calledBy.get(execution_id) === 1)
      return failsWith(503, {}, { "retry-after": "25" })(call, response, count);
    // Long enough for the others to find no room.
    await sleep(3_000);
    return answers({ answer: "late" })(call, response, count);
  });
  const { acme } = await of.boot();
  await acme.agent("later", of.agents.url("/later"));
  const names = Array.from({ length: STAGES }, (_, at) => `s${at}`);
  // Exclusive: it is called when all the others have ended.
  const later = { name: "later", agent_type: "later", depends_on: [names.at(-1)] };
  await acme.pipeline("later", [
    ...names.map((name) => ({ name, agent_type: "large", parallel: true })),
    later,
  ]);
  const ids = Array.from({ length: 5 }, (_, at) => `later-${at}`);
  // Were they to stay in memory, the third could not be filled.
  for (const id of ids) await filled(acme, id, "later");
  expect(await isRunning(acme, ids[0] ?? "")).toBe(true);
  for (const id of ids) {
    await eventually(
      () => isRunning(acme, id),
      (is) => !is,
      90_000,
    );
  }
  const ended = await acme.fetch("/v1/executions?status=completed&limit=100");
  const { data } = (await ended.json()) as { data: { execution_id: string }[] };
  expect(data.map(({ execution_id }) => execution_id).toSorted()).toEqual(ids);
  expect([...calledBy.values()]).toEqual([2, 1, 1, 1, 1]);
}, 240_000);
