// Questions and later answers while the whole server is killed again and again: agents that answer 202 and call back, and
// two people who answer one question differently, all of whom send again until they have a response. What was
// acknowledged is what the run has, no question has two answers, and the agent of a committed 202 is not called again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";
import { sizeOf } from "../../support/sizes.ts";
import { seeded } from "../../support/values/chance.ts";

const KILLS = sizeOf("WAIT_KILLS");
const RUNS = 6 * KILLS;
const BETWEEN_KILLS_MS = 700;
const WORK_MS = 600;
const PEOPLE = [1, 2];
const JSON_TYPE = { "content-type": "application/json" };

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;
let calls: Calls;
const chance = seeded(11);
/** What was acknowledged, by execution: of callbacks their number, of people who they are. */
const callbacks = new Map<string, Set<number>>();
const answered = new Map<string, Set<number>>();
/** How often the agent had been called when its 202 was seen to be committed. */
const committed = new Map<string, number>();
/** Requests that had no response: each kill is to interrupt some. */
let lost = 0;

const boot = async () => {
  server = await startWorkerd({
    state: state.path,
    vars: {
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
      AGENT_COORDINATOR_CACHING: "false",
      AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
      AGENT_COORDINATOR_TOKEN_SECRET: "a secret of this test alone, long enough",
    },
  });
  calls = callsTo(server.url);
};
const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const add = (to: Map<string, Set<number>>, id: string, value: number) =>
  to.set(id, (to.get(id) ?? new Set()).add(value));
const callsOf = (id: string) =>
  agents.callsOf("/later").filter(({ body }) => body.execution_id === id).length;

/** Sends until there is a response that is not of a server that is down or starting. */
async function persist(send: () => Promise<Response>): Promise<{ status: number; text: string }> {
  for (;;) {
    const response = await send().catch(() => null);
    const text = await response?.text().catch(() => null);
    if (response !== null && typeof text === "string" && response.status < 500)
      return { status: response.status, text };
    lost += 1;
    await sleep(50);
  }
}

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/publish", answers({ published: true }));
  agents.on("/later", async ({ body, headers }, response, count) => {
    response.writeHead(202).end();
    const path = new URL(String(headers["coordinator-callback"])).pathname;
    const sent = JSON.stringify({ data: { count } });
    await sleep(chance.below(WORK_MS));
    const { status } = await persist(() =>
      calls.fetch(path, { method: "POST", body: sent, headers: JSON_TYPE }),
    );
    expect([200, 409]).toContain(status);
    if (status === 200) add(callbacks, body.execution_id, count);
  });
  state = await temporaryState();
  await boot();
  await calls.agent("later", agents.url("/later"));
  await calls.agent("publish", agents.url("/publish"));
  await calls.pipeline("p", [
    { name: "job", agent_type: "later", callback_timeout_seconds: 600, parallel: true },
    { name: "ask", wait: { schema: { required: ["by"] }, timeout_seconds: 600 }, parallel: true },
    { name: "publish", agent_type: "publish", depends_on: ["job", "ask"] },
  ]);
});
afterAll(async () => {
  await server.kill();
  await closeAll(agents);
  await state.remove();
});

async function person(id: string, by: number): Promise<void> {
  await sleep(chance.below(WORK_MS));
  const read = await persist(() => calls.fetch(`/v1/executions/${id}`));
  const { job } = JSON.parse(read.text).stage_results;
  if (job.status === "waiting" && !committed.has(id)) committed.set(id, callsOf(id));
  const path = `/v1/executions/${id}/stages/ask/complete`;
  const { status } = await persist(() => calls.send("POST", path, { data: { by } }));
  expect([200, 202, 409]).toContain(status);
  if (status !== 409) add(answered, id, by);
}

test(
  `${KILLS} kills under questions and callbacks: what was acknowledged is what the runs have`,
  async () => {
    const ids = Array.from({ length: RUNS }, (_, at) => `waits-${at}`);
    const all = ids.map(async (execution_id) => {
      await sleep(chance.below(KILLS * BETWEEN_KILLS_MS));
      const run = { execution_id, pipeline: "p" };
      const { status } = await persist(() => calls.post(run, { prefer: "respond-async" }));
      expect([200, 202]).toContain(status);
      await Promise.all(PEOPLE.map((by) => person(execution_id, by)));
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(BETWEEN_KILLS_MS);
      await server.kill();
      await boot();
    }
    await Promise.all(all);
    const runs = await eventually(
      () => Promise.all(ids.map((id) => calls.read(id))),
      (found) => found.every(({ status }) => status === "completed"),
      60_000,
    );
    await eventually(
      async () => callbacks.size,
      (size) => size === RUNS,
    );
    for (const { execution_id, stage_results } of runs) {
      expect([...(answered.get(execution_id) ?? [])], execution_id).toEqual([stage_results.ask.data.by]);
      expect([...(callbacks.get(execution_id) ?? [])], execution_id).toEqual([stage_results.job.data.count]);
      const then = committed.get(execution_id);
      if (then !== undefined) expect(callsOf(execution_id), execution_id).toBe(then);
    }
    expect(committed.size).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
  },
  90_000 + KILLS * 5_000,
);
