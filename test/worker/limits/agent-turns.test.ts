// Whole runs at an agent with limits, in real workerd, as their callers see them: the order of their turns, what their
// events say, and what happens to them while they wait.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  type Behaviour,
  hangs,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

type Body = Record<string, unknown>;

/** An agent with limits, and a pipeline of one stage. */
async function limited(limits: object, behaviour: Behaviour, fields: Body = {}) {
  names += 1;
  const name = `turns${names}`;
  const register = async (those: object) =>
    coordinator.api("PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`), limits: those });
  await register(limits);
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, ...fields }]);
  agents.on(`/${name}`, behaviour);
  return {
    register,
    calls: () => agents.callsOf(`/${name}`),
    start: async (body: Body = {}): Promise<string> =>
      (await coordinator.run({ pipeline: name, ...body }, { prefer: "respond-async" })).body.execution_id,
  };
}

interface Event {
  type: string;
  attempt?: number;
  data: { reason?: string; until?: string };
}

async function eventsOf(id: string): Promise<Event[]> {
  const accept = { accept: "application/json" };
  return (await coordinator.api("GET", `/v1/executions/${id}/events`, undefined, accept)).body.data;
}

async function queued(id: string): Promise<void> {
  await eventually(
    () => eventsOf(id),
    (events) => events.some(({ type }) => type === "stage.queued"),
  );
}

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
async function ended(id: string): Promise<any> {
  const read = async () => (await coordinator.api("GET", `/v1/executions/${id}`)).body;
  return eventually(read, ({ status }) => ["completed", "failed", "cancelled"].includes(status), 30_000);
}

test.concurrent("a run that waits says so before its call, and has used one try", async () => {
  const { start, calls } = await limited({ concurrency: 1 }, after(600, answers({ n: 1 })));
  const first = await start();
  await eventually(
    async () => calls().length,
    (count) => count === 1,
  );
  const second = await start();
  await queued(second);
  const waiting = (await coordinator.api("GET", `/v1/executions/${second}`)).body;
  expect(waiting).toMatchObject({
    status: "running",
    stage_results: { only: { status: "pending", attempts: 0, start_time: null } },
  });
  const { stage_results, performance_metrics } = await ended(second);
  expect(stage_results.only).toMatchObject({ status: "completed", attempts: 1 });
  expect((await eventsOf(second)).map(({ type }) => type)).toEqual([
    "execution.started",
    "stage.queued",
    "stage.started",
    "stage.completed",
    "execution.completed",
  ]);
  expect((await eventsOf(second))[1]).toMatchObject({ attempt: 1, data: { reason: "concurrency" } });
  const kinds = performance_metrics.critical_path_links.map(({ kind }: { kind: string }) => kind);
  expect(kinds).toContain("agent_wait");
  // One that has its place at once says nothing of it.
  expect((await eventsOf((await ended(first)).execution_id)).map(({ type }) => type)).not.toContain(
    "stage.queued",
  );
});

test.concurrent("a higher priority goes first, a lower one last", async () => {
  const { start, calls } = await limited({ concurrency: 1 }, after(250, answers({ n: 1 })));
  const ids = [await start({ conversation_id: "c0" })];
  await eventually(
    async () => calls().length,
    (count) => count === 1,
  );
  for (const [conversation_id, priority] of [
    ["low", -10],
    ["a", 0],
    ["b", 0],
    ["high", 10],
  ] as const) {
    const id = await start({ conversation_id, priority });
    await queued(id);
    ids.push(id);
  }
  for (const id of ids) await ended(id);
  const order = calls().map(({ body }) => body.conversation_id);
  expect(order).toEqual(["c0", "high", "a", "b", "low"]);
});

test.concurrent("a rate is kept, and a run that waits says until when", async () => {
  const { start, calls } = await limited({ rate: { calls: 3, per_seconds: 1 } }, answers({ n: 1 }));
  const ids = await Promise.all(Array.from({ length: 8 }, (_, at) => start({ conversation_id: `c${at}` })));
  for (const id of ids) await ended(id);
  const times = calls()
    .map(({ at }) => at)
    .toSorted((a, b) => a - b);
  expect(times).toHaveLength(8);
  // What the network takes between two calls may bring them nearer to each other.
  for (const [at, time] of times.entries())
    expect((times[at + 3] ?? Number.POSITIVE_INFINITY) - time).toBeGreaterThan(900);
  const all = (await Promise.all(ids.map((id) => eventsOf(id)))).flat();
  const waits = all.filter(({ type }) => type === "stage.queued");
  expect(waits.length).toBeGreaterThanOrEqual(5);
  for (const { data } of waits) expect(data.reason).toBe("rate");
});

test.concurrent("one that waits is cancelled, paused and resumed, and leaves its turn to others", async () => {
  let free = () => {};
  const isFree = new Promise<void>((resolve) => (free = resolve));
  const { start, calls } = await limited({ concurrency: 1 }, async (call, response, count) => {
    if (count === 1) await isFree;
    return answers({ n: count })(call, response, count);
  });
  const first = await start({ conversation_id: "c1" });
  await eventually(
    async () => calls().length,
    (count) => count === 1,
  );
  const ids: Record<string, string> = {};
  for (const name of ["cancelled", "paused", "last"]) {
    ids[name] = await start({ conversation_id: name });
    await queued(ids[name]);
  }
  await coordinator.api("POST", `/v1/executions/${ids["cancelled"]}/cancel`);
  await coordinator.api("POST", `/v1/executions/${ids["paused"]}/pause`);
  free();
  expect((await ended(first)).status).toBe("completed");
  expect((await ended(ids["last"] as string)).status).toBe("completed");
  expect((await ended(ids["cancelled"] as string)).stage_results.only.attempts).toBe(0);
  await coordinator.api("POST", `/v1/executions/${ids["paused"]}/resume`);
  expect((await ended(ids["paused"] as string)).status).toBe("completed");
  expect(calls().map(({ body }) => body.conversation_id)).toEqual(["c1", "last", "paused"]);
});

test.concurrent("a try that times out frees its place, and the next try takes one of its own", async () => {
  const { start, calls } = await limited({ concurrency: 1 }, hangs, {
    timeout_seconds: 0.5,
    retry_attempts: 1,
  });
  const ids = [await start({ conversation_id: "a" }), await start({ conversation_id: "b" })];
  for (const id of ids)
    expect((await ended(id)).stage_results.only).toMatchObject({
      attempts: 1,
      error: { code: "STAGE_TIMEOUT" },
    });
  const [one, other] = calls().map(({ at }) => at);
  expect((other ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(450);
});

test.concurrent("a crash of a run's object loses no place, and makes no further one", async () => {
  let open = 0;
  let most = 0;
  const { start, calls } = await limited({ concurrency: 2 }, async (call, response, count) => {
    open += 1;
    most = Math.max(most, open);
    let isOpen = true;
    const over = () => {
      if (isOpen) open -= 1;
      isOpen = false;
    };
    response.on("close", over);
    await after(700, answers({ n: 1 }))(call, response, count);
    over();
  });
  const ids = await Promise.all(Array.from({ length: 6 }, (_, at) => start({ conversation_id: `c${at}` })));
  await eventually(
    async () => calls().length,
    (count) => count === 2,
  );
  const crashed = calls()[0]?.body.execution_id ?? "";
  await coordinator.abort(crashed);
  for (const id of ids) expect((await ended(id)).status).toBe("completed");
  expect(most).toBe(2);
  expect(calls().filter(({ body }) => body.execution_id === crashed)).toHaveLength(2);
  expect((await ended(crashed)).stage_results.only.attempts).toBe(1);
});

test.concurrent("limits that are raised hold for runs that wait", async () => {
  const { start, calls, register } = await limited({ concurrency: 1 }, after(1_500, answers({ n: 1 })));
  const ids = [await start({ conversation_id: "a" })];
  await eventually(
    async () => calls().length,
    (count) => count === 1,
  );
  for (const conversation_id of ["b", "c"]) {
    const id = await start({ conversation_id });
    await queued(id);
    ids.push(id);
  }
  await register({ concurrency: 3 });
  // One of the new registration says so to what counts the calls.
  ids.push(await start({ conversation_id: "d" }));
  await eventually(
    async () => calls().length,
    (count) => count >= 3,
    1_300,
  );
  for (const id of ids) await ended(id);
});
