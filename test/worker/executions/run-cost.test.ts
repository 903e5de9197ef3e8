// What a default run costs, in real workerd: the rows and the requests of each class of objects stay within their
// bounds, nothing is written that the bounds do not know, and nothing stays in memory once a run is over.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { COST_BOUND, COST_BOUNDS, EXPIRY_BOUND } from "../../support/counting/cost-bounds.ts";
import type { ClassCounts } from "../../support/counting/tally.ts";
import { defineFourStages, playFourStages } from "../../support/counting/four-stages.ts";
import { callWith } from "../../support/clients/keys.ts";
import { startAlone } from "../../support/servers/workerd.ts";

const RUNS = 12;
const EACH_MS = 300;
/** Longer than any timer of an object: the news to the monitor is sent after 5 s, and judged after one more. */
const SETTLE_MS = 8_500;
const DAYS = [1.1, 7.1, 8.2];

let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;
let running: Record<string, ClassCounts>;
let expiring: Record<string, ClassCounts>;
/** Runs that had been made by then. */
let expired = 0;
/** Of runs that do not run beside others. */
let placed: Record<string, ClassCounts>;
/** Of a while in which nothing runs. */
let resting: Record<string, ClassCounts>;

const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const at = { fetch: (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init) };
const counts = async () => (await (await at.fetch("/counts")).json()) as Record<string, ClassCounts>;

let asked = 0;
async function run(pipeline: string, more = {}): Promise<void> {
  asked += 1;
  const body = { query: `question ${asked}`, conversation_id: `conversation ${asked}`, pipeline, ...more };
  const { body: text } = await callWith(at, null, "POST", "/v1/executions", body, {
    accept: "text/event-stream",
  });
  expect(text).toContain("event: execution.completed");
}

beforeAll(async () => {
  agents = await startAgentServer();
  playFourStages(agents);
  server = await startAlone({ AGENT_COORDINATOR_AGENT_HOSTS: agents.host }, { worker: "counting-worker" });
  await defineFourStages((method, path, body) => callWith(at, null, method, path, body), agents);
  // So that every shard is there, whose first use writes its schema.
  for (let made = 0; made < 24; made += 1) await run("quick");
  await sleep(SETTLE_MS);
  await counts();
  await Promise.all(Array.from({ length: RUNS }, (_, n) => sleep(n * EACH_MS).then(() => run("four"))));
  await sleep(SETTLE_MS);
  running = await counts();
  await sleep(2_000);
  resting = await counts();
  let days = 0;
  for (const until of DAYS) {
    await at.fetch(`/later/${Math.round((until - days) * 86_400)}`);
    days = until;
    await sleep(500);
  }
  expiring = await counts();
  expired = asked;
  for (let made = 0; made < RUNS; made += 1) await run("quick", { on_busy: "reject" });
  await sleep(SETTLE_MS);
  placed = await counts();
  const shown = Object.entries(running).map(
    ([kind, { rows, requests }]) => `${kind} ${(rows / RUNS).toFixed(2)}, ${(requests / RUNS).toFixed(2)}`,
  );
  console.log(`rows, requests a run: ${shown.join("; ")}`);
  console.log(
    `when it expires: ${aRun(expiring, "rows", expired).toFixed(2)}, ${aRun(expiring, "requests", expired).toFixed(2)}`,
  );
}, 120_000);

afterAll(async () => {
  await server?.close();
  await closeAll(agents);
});

function aRun(of: Record<string, ClassCounts>, key: "rows" | "requests", runs: number): number {
  return Object.values(of).reduce((sum, counted) => sum + counted[key], 0) / runs;
}

describe.each(Object.entries(COST_BOUNDS))("%s", (kind, bound) => {
  test("writes and is asked no more than its bound", () => {
    const { rows, requests, details } = running[kind] ?? { rows: 0, requests: 0, details: {} };
    const found = JSON.stringify(details);
    expect(rows / RUNS, found).toBeLessThanOrEqual(bound.rows);
    expect(requests / RUNS, found).toBeLessThanOrEqual(bound.requests);
  });
});

test("no other class of objects has a part in it", () => {
  expect(Object.keys(running).filter((kind) => COST_BOUNDS[kind] === undefined)).toEqual([]);
});

test("all of it together is within its bound", () => {
  expect(aRun(running, "rows", RUNS)).toBeLessThanOrEqual(COST_BOUND.rows);
  expect(aRun(running, "requests", RUNS)).toBeLessThanOrEqual(COST_BOUND.requests);
  // What counts nothing would be within every bound.
  expect(running["ExecutionObject"]?.rows).toBeGreaterThan(RUNS);
});

test("when it expires it is deleted within its bound", () => {
  const { ExecutionObject } = expiring;
  // The warm-up's runs, which store as much, expire with the others.
  const runs = expired;
  // Each is emptied by its shard of the index, and none has an alarm for it.
  expect(ExecutionObject?.details["expire"]).toBe(runs);
  expect(ExecutionObject?.details["alarm"]).toBeUndefined();
  expect(aRun(expiring, "rows", runs), JSON.stringify(expiring)).toBeLessThanOrEqual(EXPIRY_BOUND.rows);
  expect(aRun(expiring, "requests", runs), JSON.stringify(expiring)).toBeLessThanOrEqual(
    EXPIRY_BOUND.requests,
  );
});

test("an object without work is not kept in memory", () => {
  const held = Object.entries(resting).filter(([, { held_ms }]) => held_ms > 0);
  expect(held).toEqual([]);
});

test("a place in a conversation costs no request, and two rows", () => {
  const { rows, requests, details } = placed["LedgerObject"] as ClassCounts;
  const bound = COST_BOUNDS["LedgerObject"] as { rows: number; requests: number };
  const found = JSON.stringify(details);
  expect(requests / RUNS, found).toBeLessThanOrEqual(bound.requests);
  expect(rows / RUNS, found).toBeLessThanOrEqual(bound.rows + 2);
});
