// npm run bench:cost: what a million runs cost on the platform, counted on local workerd and priced by its list. A run
// is the default configuration's: a chain of four stages and 3.2 s, read as a stream, every question and conversation
// new. Counted at several rates of one tenant, and for tenants that each run one a minute; then the clock is moved
// ahead, so that what is written to expire does. COST_SECONDS scales the time of each rate. Ends with code 0.
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { buildConsole } from "../../src/cli/console.ts";
import { startAgentServer } from "../support/agents/agent-server.ts";
import type { ClassCounts } from "../support/counting/tally.ts";
import { defineFourStages, FOUR_STAGES_MS, playFourStages } from "../support/counting/four-stages.ts";
import { type Counted, printBill } from "./workers/bill.ts";
import { closeConnections, pause, type Shot, shoot } from "./load.ts";
import { PRICED_ON, PRICES } from "./workers/prices.ts";
import { type BenchServer, bundle, COUNTING_FLAGS, startCounting } from "./servers.ts";
import { atMost, printVerdicts, type Verdict } from "./verdicts.ts";

const SCALE = Number(process.env["COST_SECONDS"] ?? 1);
/** Runs of one tenant a second, and for how many seconds. */
const RATES: readonly (readonly [rate: number, seconds: number])[] = [
  [0.3, 40],
  [1, 30],
  [5, 12],
];
const TENANTS = 12;
/** Each tenant runs once in this time: what it has in memory has left it by then. */
const MINUTE_MS = 60_000;
const MINUTES = 2;
/** Runs of each tenant before anything is counted, of no time: each shard of its objects is there by then. */
const WARMING = 20;
/** All that a run causes is over by then: the longest timer is that of the news to the monitor, 5 s. */
const SETTLE_MS = 9_000;
/** What expires: the cache's results after a day, runs and turns after seven, an index row a day after its run. */
const LATER_DAYS = [1.1, 7.1, 8.2];
const MOST = { alone: 17, many: 19 };

const started = performance.now();
let asked = 0;
await buildConsole();
const agents = await startAgentServer();
playFourStages(agents);
const idle = await bundle("test/bench/workers/agent-worker.ts");
const script = await bundle("test/support/workers/counting-worker.ts", COUNTING_FLAGS);

console.log(
  `a run: four stages, ${FOUR_STAGES_MS / 1_000} s, defaults, its question and its conversation new, one reader of its stream`,
);
console.log(`\n## Prices of ${PRICED_ON}, beyond what Workers Paid includes\n`);
for (const { usd, per, unit, source } of Object.values(PRICES)) {
  console.log(`- $${usd} for ${per === 1 ? "a" : `${per / 1e6} million`} ${unit} (${source})`);
}
const [alone, many] = await Promise.all([oneTenant(), manyTenants()]);
const verdicts: Verdict[] = [];
for (const counted of alone) {
  const usd = printBill(counted);
  if (counted.rate >= 1)
    verdicts.push(atMost(`at most $${MOST.alone} a million: ${counted.name}`, usd, MOST.alone));
}
const usd = printBill(many);
verdicts.push(atMost(`at most $${MOST.many} a million: ${many.name}`, usd, MOST.many));
printVerdicts(verdicts);
console.log(
  `\nNot counted: what the plan includes, whether deleteAll is billed by row (not documented), CPU of the Worker beyond 2 ms a run (assumed), Workers Logs. Time in memory is this machine's: its load lengthens it, also that of shared objects. ${((performance.now() - started) / 1_000).toFixed(0)} s`,
);
await agents.close();
closeConnections();

interface Tenant {
  key: string | null;
}

async function oneTenant(): Promise<Counted[]> {
  const server = await start({});
  const tenant = { key: null };
  await prepare(server, tenant);
  await settled(server);
  const found: Counted[] = [];
  let bytes = await stored(server);
  for (const [rate, seconds] of RATES) {
    const runs = Math.round(rate * seconds * SCALE);
    const took = await Promise.all(
      Array.from({ length: runs }, (_, at) => run(server, tenant, (at / rate) * 1_000)),
    );
    const counts = await settled(server);
    const after = await stored(server);
    const name = `one tenant, ${rate} runs a second`;
    found.push({ name, rate, runs, counts, later: {}, bytes: less(after, bytes), late_s: lateness(took) });
    bytes = after;
  }
  const later = await timePassed(server);
  await server.close();
  // The warm-up's runs have stored as much, and expire with the others.
  const all = found.reduce((sum, { runs }) => sum + runs, WARMING);
  return found.map((counted) => ({ ...counted, later: share(later, counted.runs / all) }));
}

async function manyTenants(): Promise<Counted> {
  const tenants = Array.from({ length: TENANTS }, (_, at) => ({ key: `key-of-tenant-${at}-0123456789` }));
  const keys = tenants.map(({ key }, at) => ({
    tenant: `tenant${at}`,
    key_sha256: createHash("sha256").update(key).digest("hex"),
    scopes: ["execute", "admin"],
  }));
  const server = await start({
    AGENT_COORDINATOR_AUTH: "keys",
    AGENT_COORDINATOR_API_KEYS: JSON.stringify(keys),
  });
  for (const tenant of tenants) await prepare(server, tenant);
  await settled(server);
  const before = await stored(server);
  const minutes = Math.max(1, Math.round(MINUTES * SCALE));
  const took = await Promise.all(
    tenants.flatMap((tenant, at) =>
      Array.from({ length: minutes }, (_, minute) =>
        run(server, tenant, (minute + at / TENANTS) * MINUTE_MS),
      ),
    ),
  );
  const counts = await settled(server);
  const bytes = less(await stored(server), before);
  const expired = await timePassed(server);
  await server.close();
  const runs = TENANTS * minutes;
  const later = share(expired, runs / (runs + TENANTS * WARMING));
  const name = "tenants of one run a minute each";
  return { name, rate: 1 / 60, runs, counts, later, bytes, late_s: lateness(took) };
}

/** Seconds, on average. */
function lateness(took: readonly number[]): number {
  return took.reduce((sum, ms) => sum + ms - FOUR_STAGES_MS, 0) / took.length / 1_000;
}

function start(vars: Record<string, string>): Promise<BenchServer> {
  return startCounting(script, idle, tmpdir(), { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, ...vars });
}

async function prepare(server: BenchServer, tenant: Tenant): Promise<void> {
  const api = (method: string, path: string, body: unknown) =>
    shoot({ ...shotOf(server, tenant, path), method, body: JSON.stringify(body) });
  await defineFourStages(api, agents);
  for (let at = 0; at < WARMING; at += 1) await ask(server, tenant, "quick");
}

/** How long it took, in ms. */
async function run(server: BenchServer, tenant: Tenant, afterMs: number): Promise<number> {
  await pause(afterMs);
  const began = performance.now();
  await ask(server, tenant, "four");
  return performance.now() - began;
}

async function ask(server: BenchServer, tenant: Tenant, pipeline: string): Promise<void> {
  asked += 1;
  const body = { query: `question ${asked}`, conversation_id: `conversation ${asked}`, pipeline };
  const { url, headers } = shotOf(server, tenant, "/v1/executions");
  const stream = { ...headers, accept: "text/event-stream" };
  const { status, text } = await shoot({ url, headers: stream, body: JSON.stringify(body) });
  if (!text.includes("event: execution.completed"))
    throw new Error(`${status} ${/"error_info":\{[^}]*/.exec(text)?.[0] ?? text.slice(-300)}`);
}

function shotOf(
  { url }: BenchServer,
  { key }: Tenant,
  path: string,
): Shot & { headers: Record<string, string> } {
  return { url: `${url}${path}`, headers: key === null ? {} : { authorization: `Bearer ${key}` } };
}

async function door<T>({ url }: BenchServer, path: string): Promise<T> {
  return JSON.parse((await shoot({ url: `${url}/${path}`, method: "GET" })).text) as T;
}

/** What was counted since this was last asked, once nothing goes on. */
async function settled(server: BenchServer): Promise<Record<string, ClassCounts>> {
  await pause(SETTLE_MS);
  return door(server, "counts");
}

async function timePassed(server: BenchServer): Promise<Record<string, ClassCounts>> {
  let days = 0;
  for (const until of LATER_DAYS) {
    await shoot({ url: `${server.url}/later/${Math.round((until - days) * 86_400)}`, method: "GET" });
    days = until;
    await pause(1_000);
  }
  return door(server, "counts");
}

type Bytes = Record<string, number>;

async function stored(server: BenchServer): Promise<Bytes> {
  const of = await door<Record<string, { bytes: number }>>(server, "stored");
  return Object.fromEntries(Object.entries(of).map(([kind, { bytes }]) => [kind, bytes]));
}

function less(after: Bytes, before: Bytes): Bytes {
  return Object.fromEntries(
    Object.entries(after).map(([kind, bytes]) => [kind, bytes - (before[kind] ?? 0)]),
  );
}

function share(counts: Record<string, ClassCounts>, of: number): Record<string, ClassCounts> {
  return Object.fromEntries(
    Object.entries(counts).map(([kind, { requests, rows, held_ms, details }]) => [
      kind,
      {
        requests: requests * of,
        rows: rows * of,
        held_ms: held_ms * of,
        details: Object.fromEntries(Object.entries(details).map(([what, count]) => [what, count * of])),
      },
    ]),
  );
}
