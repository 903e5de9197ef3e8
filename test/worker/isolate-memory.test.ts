// What an isolate holds, over a real workerd whose heap is as small as the platform's: a process that needed more would
// be ended by V8, with all that runs in it. Large runs of one tenant are refused before, typed, and other tenants' small
// runs go on; reading and waking what is large is bounded alike.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type AgentServer, answers, hangs, startAgentServer } from "../support/agent-server.ts";
import { type Calls, callsTo } from "../support/calls.ts";
import { eventually } from "../support/eventually.ts";
import { KEYED, KEYS } from "../support/keys.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/workerd.ts";

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
  agents.on("/large", (call, response, count) => {
    agents.calls.length = 0;
    return answers({ pad: "x".repeat(1_000_000) })(call, response, count);
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
  const large = names.map((name) => ({ name, agent_type: "large", parallel: true }));
  await acme.pipeline("large", large);
  // Its 15 MB stay in memory until somebody ends it.
  const held = { name: "held", agent_type: "hangs", depends_on: [names[0]], parallel: true };
  await acme.pipeline("held", [...large, held]);
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

test("12 runs of 15 MB each: those that fit hold theirs, the others fail typed, and small runs go on", async () => {
  const { server, acme, globex } = await (await world()).boot();
  const stop = smallRuns(globex);
  const ids = Array.from({ length: 12 }, (_, at) => `large-${at}`);
  const peak_mb = await peakOf(server, async () => {
    await Promise.all(ids.map((id) => acme.begin(id, "held")));
    const open = async () => {
      const { data } = (await (await acme.fetch("/v1/executions?status=running")).json()) as {
        data: unknown[];
      };
      return data.length;
    };
    await eventually(open, (count) => count <= 2, 60_000);
    await sleep(2_000);
  });
  const took = await stop();
  let held = 0;
  for (const id of ids) {
    const { status, error_info, stage_results } = await acme.read(id);
    if (status === "running") held += 1;
    else expect({ status, code: error_info.code }).toEqual({ status: "failed", code: "RESOURCE_EXHAUSTED" });
    const failed = Object.values(stage_results).filter(
      (stage) => (stage as { status: string }).status === "failed",
    );
    for (const { error } of failed as { error: object }[]) {
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", retryable: false });
    }
  }
  expect(held).toBeGreaterThan(0);
  // The same tenant's small runs go on, too.
  expect(await (await acme.post({ pipeline: "small" })).json()).toMatchObject({ status: "completed" });
  // What ends gives its room back.
  for (const id of ids) await acme.send("POST", `/v1/executions/${id}/cancel`, {});
  await acme.begin("later", "large");
  await eventually(
    async () => (await acme.read("later")).status,
    (status) => status !== "running",
    30_000,
  );
  expect((await acme.read("later")).status).toBe("completed");
  console.log(JSON.stringify({ peak_mb, held, small: took.length, slowest_small_ms: Math.max(...took) }));
  expect(peak_mb).toBeLessThan(600);
  expect(took.length).toBeGreaterThan(10);
}, 180_000);

test("reading many large executions at once: none stays in memory", async () => {
  const { server, acme } = await (await world()).boot();
  const ids = Array.from({ length: 8 }, (_, at) => `read-${at}`);
  for (const id of ids) {
    await acme.begin(id, "large");
    await eventually(
      async () => (await (await acme.fetch(`/v1/executions/${id}/events?after=1000`)).text()).length,
      () => true,
    );
    await eventually(
      async () => (await acme.fetch(`/v1/executions?status=completed`)).text(),
      (text) => text.includes(`"${id}"`),
      30_000,
    );
  }
  const peak_mb = await peakOf(server, async () => {
    for (let round = 0; round < 3; round += 1) {
      for (const id of ids) {
        const read = await acme.read(id);
        expect(read.status).toBe("completed");
        expect(Object.keys(read.stage_results)).toHaveLength(STAGES);
      }
    }
  });
  console.log(JSON.stringify({ peak_mb }));
}, 180_000);

test("large runs that wait come up after a restart one beside the other as far as there is room", async () => {
  const of = await world();
  const first = await of.boot();
  const ids = Array.from({ length: 6 }, (_, at) => `woken-${at}`);
  for (const id of ids) {
    await first.acme.begin(id, "held");
    await eventually(
      async () => {
        const { stage_results } = await first.acme.read(id);
        return Object.values(stage_results).filter(
          (stage) => (stage as { status: string }).status === "completed",
        );
      },
      (completed) => completed.length === STAGES,
      30_000,
    );
    await first.acme.send("POST", `/v1/executions/${id}/pause`, { mode: "abort" });
  }
  const { server, acme } = await of.boot();
  // Paused, each is let go of once it is read: all can be.
  for (const id of ids) expect((await acme.read(id)).status).toBe("paused");
  // Resumed, each stays: the third has no room, and says so.
  const answered = [];
  for (const id of ids) answered.push(await acme.send("POST", `/v1/executions/${id}/resume`, {}));
  const refused = answered.filter(({ status }) => status === 503);
  expect(answered.map(({ status }) => status).slice(0, 2)).toEqual([200, 200]);
  expect(refused.length).toBeGreaterThan(0);
  for (const response of refused) {
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  }
  for (const id of ids.slice(0, 2)) await acme.send("POST", `/v1/executions/${id}/cancel`, {});
  const last = ids.at(-1) ?? "";
  await eventually(
    async () => (await acme.send("POST", `/v1/executions/${last}/resume`, {})).status,
    (status) => status !== 503,
  );
  expect((await acme.read(last)).status).toBe("running");
  expect(await server.memory()).toBeGreaterThan(0);
}, 180_000);
