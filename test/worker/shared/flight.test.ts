// Executions that ask the same at once, in real workerd: what becomes of those that follow a call when it fails, when
// its answer is not kept, when it or one of them is cancelled, and when the object or the whole server dies.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  type Behaviour,
  failsWith,
  hangs,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { callsTo } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { startWorkerd, temporaryState } from "../../support/servers/workerd.ts";

/** How long a call takes, and how long a follower may wait for a call that is gone, ms. */
const CALL_MS = 1_000;
const BOUND_MS = 1_000;
/** What a busy machine may add. */
const SLACK_MS = 700;

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;
let name = "";

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_CACHING: "true",
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
});

afterAll(() => closeAll(coordinator, agents));

beforeEach(() => {
  names += 1;
  name = `f${names}`;
});

afterEach(() => {
  expect(coordinator.output()).not.toContain("UNHANDLED");
});

async function define(behaviour: Behaviour, fields: Record<string, unknown> = {}): Promise<void> {
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, retry_attempts: 1, ...fields }]);
  agents.on(`/${name}`, behaviour);
}

/** A run of the one question that all ask, and how long it took. */
async function ask(at: number | string) {
  const began = Date.now();
  const id = `${name}-${at}`;
  const { body } = await coordinator.run({ pipeline: name, conversation_id: id, execution_id: id });
  return { status: body.status as string, result: body.stage_results?.only, ms: Date.now() - began };
}

async function begin(at: number | string): Promise<string> {
  const execution_id = `${name}-${at}`;
  const body = { pipeline: name, query: "a question", conversation_id: execution_id, execution_id };
  const { status } = await coordinator.api("POST", "/v1/executions", body, { prefer: "respond-async" });
  expect(status).toBe(202);
  return execution_id;
}

const calls = () => agents.callsOf(`/${name}`);
const large = answers({ much: "x".repeat(600_000) });

test.each([
  ["fails", failsWith(400)],
  ["is not reachable", failsWith(503)],
  ["answers more than is kept", large],
] as const)("eight runs whose agent %s end together", async (_how, behaviour) => {
  await define(after(CALL_MS, behaviour));
  const runs = await Promise.all(Array.from({ length: 8 }, (_, at) => ask(at)));
  expect(calls()).toHaveLength(8);
  // One after another they take 8 s; in two rounds 2 s, and what the machine takes for large answers.
  expect(Math.max(...runs.map(({ ms }) => ms))).toBeLessThan(5 * CALL_MS);
});

test("eight runs whose agent fails in each of three tries end together", async () => {
  await define(after(CALL_MS / 2, failsWith(503)), { retry_attempts: 3 });
  const runs = await Promise.all(Array.from({ length: 8 }, (_, at) => ask(at)));
  expect(runs.every(({ result }) => result.attempts === 3)).toBe(true);
  expect(Math.max(...runs.map(({ ms }) => ms))).toBeLessThan(4 * (CALL_MS / 2) + SLACK_MS);
});

test("those that follow call after all, all at once, where the first has failed", async () => {
  await define((call, response, count) =>
    after(300, count === 1 ? failsWith(400) : answers({ mended: true }))(call, response, count),
  );
  const runs = await Promise.all([ask(1), ask(2), ask(3)]);
  expect(runs.filter(({ status }) => status === "completed")).toHaveLength(2);
  expect(calls()).toHaveLength(3);
});

test("a follower that was cancelled holds up neither another one nor a newcomer", async () => {
  await define((call, response, count) =>
    after(CALL_MS, count === 1 ? failsWith(400) : answers({ well: true }))(call, response, count),
  );
  const lead = ask("lead");
  await sleep(200);
  const cancelled = await begin("cancelled");
  await sleep(100);
  const follower = ask("follower");
  await sleep(200);
  expect((await coordinator.api("POST", `/v1/executions/${cancelled}/cancel`)).body.status).toBe("cancelled");
  expect((await lead).status).toBe("failed");
  const newcomer = await ask("newcomer");
  expect((await follower).status).toBe("completed");
  expect(newcomer.ms).toBeLessThan(CALL_MS + SLACK_MS);
});

test.each(["cancel", "abort"] as const)("a leader's %s delays no other run", async (how) => {
  await define((call, response, count) =>
    count === 1 ? hangs(call, response, count) : answers({ well: true })(call, response, count),
  );
  const lead = await begin("lead");
  await sleep(300);
  const follower = ask("follower");
  await sleep(600);
  const gone = Date.now();
  if (how === "cancel") await coordinator.api("POST", `/v1/executions/${lead}/cancel`);
  // The run comes up again and repeats its call: it leads again, or its call is the one that answers.
  else await coordinator.abort(lead);
  const newcomer = await ask("newcomer");
  expect(newcomer.status).toBe("completed");
  expect((await follower).status).toBe("completed");
  expect(Date.now() - gone).toBeLessThan(BOUND_MS + SLACK_MS);
});

test("a call of a slow agent is followed for as long as it runs", async () => {
  await define(after(2_500, answers({ slow: true })));
  const lead = ask("lead");
  await sleep(100);
  const follower = await ask("follower");
  expect(follower.result).toMatchObject({ cached: true, data: { slow: true } });
  expect((await lead).status).toBe("completed");
  expect(calls()).toHaveLength(1);
});

test("a follower's wait is inside its own try, and it calls its agent", async () => {
  await define(hangs, { timeout_seconds: 2 });
  const lead = ask("lead");
  await sleep(300);
  const follower = await ask("follower");
  await lead;
  expect(follower.result.error.code).toBe("STAGE_TIMEOUT");
  expect(follower.ms).toBeLessThan(2_000 + SLACK_MS);
  expect(calls()).toHaveLength(2);
  const { body, headers } = calls()[1] as ReturnType<typeof calls>[number];
  expect(body.timeout_ms).toBeLessThanOrEqual(1_000);
  expect(Number(headers["coordinator-timeout-ms"])).toBe(Math.round(body.timeout_ms));
});

test("after the server's death its runs go on, and a deleted run's results stay deleted", async () => {
  const state = await temporaryState();
  const vars = { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, AGENT_COORDINATOR_CACHING: "true" };
  let server = await startWorkerd({ state: state.path, vars });
  try {
    let api = callsTo(server.url);
    await api.agent(name, agents.url(`/${name}`));
    await api.pipeline(name, [{ name: "only", agent_type: name, retry_attempts: 1 }]);
    agents.on(`/${name}`, answers({ well: true }));
    const run = async (query: string, execution_id: string) => {
      const response = await api.post({ pipeline: name, query, conversation_id: execution_id, execution_id });
      return (await response.json()) as { status: string; stage_results: { only: { cached: boolean } } };
    };
    await run("kept", "one");
    expect((await run("kept", "two")).stage_results.only.cached).toBe(true);
    // Until it is written.
    await sleep(700);
    const removed = await fetch(`${server.url}/v1/executions/one`, { method: "DELETE" });
    expect(removed.status).toBe(204);
    await server.kill();
    server = await startWorkerd({ state: state.path, vars });
    api = callsTo(server.url);
    expect((await run("kept", "three")).stage_results.only.cached).toBe(false);
    agents.on(`/${name}`, hangs);
    void run("lost", "lost").catch(() => {});
    await sleep(500);
    await server.kill();
    server = await startWorkerd({ state: state.path, vars });
    api = callsTo(server.url);
    agents.on(`/${name}`, answers({ well: true }));
    const began = Date.now();
    expect((await run("lost", "newcomer")).status).toBe("completed");
    expect(Date.now() - began).toBeLessThan(BOUND_MS + SLACK_MS);
  } finally {
    await server.kill();
    await state.remove();
  }
});
