// An agent that answers 429 or 503 with Retry-After, in real workerd: it is loaded, and not out of order. Its calls of
// all runs are held back, come back one after another, and lose no try.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  type Behaviour,
  failsWith,
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
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
});

afterAll(() => closeAll(coordinator, agents));

/** An agent and a pipeline of its own. */
async function stage(behaviour: Behaviour) {
  names += 1;
  const name = `held${names}`;
  await coordinator.alone(name, agents.url(`/${name}`));
  agents.on(`/${name}`, behaviour);
  return {
    name,
    calls: () => agents.callsOf(`/${name}`),
    run: async (conversation_id = "c") => (await coordinator.run({ pipeline: name, conversation_id })).body,
    start: async (conversation_id: string): Promise<string> => {
      const body = { pipeline: name, conversation_id };
      return (await coordinator.run(body, { prefer: "respond-async" })).body.execution_id;
    },
    breaker: async () => (await coordinator.api("GET", `/v1/agents/${name}`)).body.breaker,
  };
}

interface Event {
  type: string;
  attempt?: number;
  timestamp: string;
  data: Record<string, string>;
}

async function eventsOf(execution_id: string): Promise<Event[]> {
  const { body } = await coordinator.api("GET", `/v1/executions/${execution_id}/events`, undefined, {
    accept: "application/json",
  });
  return body.data;
}

async function ended(execution_id: string) {
  const read = async () => (await coordinator.api("GET", `/v1/executions/${execution_id}`)).body;
  return eventually(read, ({ status }) => status === "completed", 20_000);
}

/** Resolves once the last event is a delay before a further try. */
async function delayed(execution_id: string): Promise<void> {
  await eventually(
    () => eventsOf(execution_id),
    (events) => events.at(-1)?.type === "stage.retrying",
  );
}

/** Busy once, for so many seconds, and then well. */
const busyOnce =
  (status: number, seconds: number): Behaviour =>
  (call, response, count) =>
    (count === 1 ? failsWith(status, {}, { "retry-after": String(seconds) }) : answers({ n: 1 }))(
      call,
      response,
      count,
    );

test.concurrent.each([429, 503])(
  "a %i with Retry-After holds back the calls of all runs until then",
  async (status) => {
    const { calls, start, breaker } = await stage(busyOnce(status, 2));
    const first = await start("c1");
    await delayed(first);
    const said_at = calls()[0]?.at ?? 0;
    const second = await start("c2");
    const queued = (await eventsOf(second)).find(({ type }) => type === "stage.queued");
    expect(queued).toMatchObject({ attempt: 1, data: { reason: "retry_after" } });
    const until = Date.parse(queued?.data["until"] ?? "");
    expect(until - said_at).toBeGreaterThan(1_500);
    expect((await coordinator.api("GET", `/v1/executions/${second}`)).body).toMatchObject({
      status: "running",
      stage_results: { only: { status: "pending", attempts: 0 } },
    });
    expect(await breaker()).toMatchObject({ state: "closed", failures: 0, held_until: expect.any(String) });
    const [one, other] = [await ended(first), await ended(second)];
    // The run that got it has used a try, the other none.
    expect(one.stage_results.only.attempts).toBe(2);
    expect(other.stage_results.only.attempts).toBe(1);
    for (const { at } of calls().slice(1)) expect(at - said_at).toBeGreaterThanOrEqual(1_990);
    const started = (await eventsOf(second)).filter(({ type }) => type === "stage.started");
    expect(Date.parse(started.at(-1)?.timestamp ?? "")).toBeGreaterThanOrEqual(until);
    expect(started.at(-1)?.attempt).toBe(1);
  },
);

test.concurrent("runs that were held back come back one after another", async () => {
  const { calls, start } = await stage(busyOnce(429, 2));
  const first = await start("c0");
  await delayed(first);
  const others = await Promise.all(["c1", "c2", "c3"].map((conversation) => start(conversation)));
  for (const id of [first, ...others]) await ended(id);
  const times = calls()
    .slice(1)
    .map(({ at }) => at)
    .toSorted((a, b) => a - b);
  expect(times).toHaveLength(4);
  // An agent that has answered nothing before gets one a second: the last one is two further than the first of them.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1_900);
});

test.concurrent("five answers 429 with Retry-After in a row open no breaker", async () => {
  const { calls, run, breaker } = await stage((call, response, count) =>
    (count <= 6 ? failsWith(429, {}, { "retry-after": "0" }) : answers({ n: 1 }))(call, response, count),
  );
  await run();
  await run();
  expect((await run()).status).toBe("completed");
  expect(calls()).toHaveLength(7);
  expect(await breaker()).toEqual({ state: "closed", failures: 0, opened_at: null, retry_at: null });
});

test.concurrent.each(["soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"])(
  "a Retry-After of %s holds nothing back",
  async (value) => {
    const { run, start } = await stage((call, response, count) =>
      (count === 1 ? failsWith(429, {}, { "retry-after": value }) : answers({ n: 1 }))(call, response, count),
    );
    await run();
    const other = await start("other");
    await ended(other);
    expect((await eventsOf(other)).map(({ type }) => type)).not.toContain("stage.queued");
  },
);

test.concurrent("another registration of the agent ends it", async () => {
  const { name, start } = await stage(busyOnce(429, 20));
  const began = Date.now();
  await delayed(await start("c1"));
  const second = await start("c2");
  await eventually(
    () => eventsOf(second),
    (events) => events.some(({ type }) => type === "stage.queued"),
  );
  await coordinator.agent(name, agents.url(`/${name}`));
  // Runs that are pinned to the registration before go on waiting.
  await ended(await start("c3"));
  expect(Date.now() - began).toBeLessThan(10_000);
  expect((await coordinator.api("GET", `/v1/agents/${name}`)).body.breaker).not.toHaveProperty("held_until");
});
