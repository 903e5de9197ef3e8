// npm run bench:limits: calls of an agent with `limits` through its object, on workerd: how many a second, what the agent
// sees of them, and how many requests to the object each costs. The callers are objects that ask for places as a run's
// driver does; each makes one call after another. LIMITS_SECONDS is how long each load lasts. Ends with code 0.
import { tmpdir } from "node:os";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import { temporaryState } from "../../support/servers/workerd.ts";
import { closeConnections, shoot } from "../load.ts";
import { startServer, writeConfig } from "../raw-workerd.ts";
import { bundle, OBJECTS } from "../servers.ts";
import { atLeast, atMost, printTable, printVerdicts } from "../verdicts.ts";
import type { CallerJob } from "../workers/limits-worker.ts";

const SECONDS = Number(process.env["LIMITS_SECONDS"] ?? 5);
/** The agent: it answers after so many ms as its path says, and knows when it was called and how often at once. */
const AGENT = `
let now = 0, most = 0, times = [];
export default { async fetch(request) {
  const path = new URL(request.url).pathname.slice(1);
  if (path === "seen") { const seen = { most, times }; most = 0; times = []; return Response.json(seen); }
  times.push(Date.now()); now += 1; most = Math.max(most, now);
  await new Promise((resolve) => setTimeout(resolve, Number(path)));
  now -= 1;
  return new Response("{}");
} };`;

interface Load {
  name: string;
  limits: AgentLimits;
  callers: number;
  pause_ms: number;
  takes_ms: number;
}

const RATE = { rate: { calls: 1_000, per_seconds: 1 } };
const HUNDRED = { concurrency: 100 };
const LOADS: readonly Load[] = [
  { name: "1,000 a second, half used", limits: RATE, callers: 50, pause_ms: 80, takes_ms: 10 },
  { name: "1,000 a second, more wanted", limits: RATE, callers: 200, pause_ms: 20, takes_ms: 10 },
  { name: "100 at once, half used", limits: HUNDRED, callers: 50, pause_ms: 10, takes_ms: 100 },
  { name: "100 at once, more wanted", limits: HUNDRED, callers: 200, pause_ms: 10, takes_ms: 100 },
  { name: "2 at once, more wanted", limits: { concurrency: 2 }, callers: 50, pause_ms: 1, takes_ms: 20 },
  { name: "both", limits: { ...RATE, ...HUNDRED }, callers: 50, pause_ms: 10, takes_ms: 100 },
];

interface Measured {
  /** Requests to the agent's object for each call, and in a second. */
  hops: number;
  hopsEach: number;
  /** In a second, while callers began calls. */
  calls: number;
  /** Calls at once, and in any second, as the agent saw them. */
  most: number;
  seen: number;
  /** Calls that got a place in any second. */
  given: number;
}

const state = await temporaryState();
const script = await bundle("test/bench/workers/limits-worker.ts");
const server = await startServer(await writeConfig(state.path, "limits", script, AGENT, OBJECTS));

async function ask<T>(path: string): Promise<T> {
  const { status, text } = await shoot({ url: `${server.url}${path}`, method: "GET" });
  if (status !== 200) throw new Error(`${path}: ${status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}

async function measure({ name, limits, callers, pause_ms, takes_ms }: Load): Promise<Measured> {
  const job: CallerJob = {
    agent_type: name.replaceAll(/\W+/g, "-"),
    limits,
    run_ms: SECONDS * 1_000,
    pause_ms,
    takes_ms,
  };
  const began = performance.now();
  const { calls, hops, uses } = await ask<{ calls: number; hops: number; uses: number[] }>(
    `/load?callers=${callers}&job=${encodeURIComponent(JSON.stringify(job))}`,
  );
  const seconds = (performance.now() - began) / 1_000;
  const first = Math.min(...uses);
  const within = uses.filter((at) => at < first + SECONDS * 1_000).length;
  const { most, times } = await ask<{ most: number; times: number[] }>("/seen");
  return {
    calls: within / SECONDS,
    hops: hops / seconds,
    hopsEach: hops / calls,
    most,
    seen: mostWithin(times),
    given: mostWithin(uses),
  };
}

function mostWithin(times: readonly number[]): number {
  const ms = 1_000;
  const sorted = times.toSorted((a, b) => a - b);
  let first = 0;
  let most = 0;
  for (const [at, time] of sorted.entries()) {
    while ((sorted[first] as number) <= time - ms) first += 1;
    most = Math.max(most, at - first + 1);
  }
  return most;
}

console.log(`# Limits of agents, ${SECONDS} s each, storage in ${tmpdir()}\n`);
const measured = new Map<string, Measured>();
const of = (name: string) => measured.get(name) as Measured;
for (const load of LOADS) measured.set(load.name, await measure(load));
printTable(
  [
    "limit",
    "callers",
    "calls/s",
    "places in any second",
    "as the agent sees it",
    "at once",
    "requests/call",
    "requests/s",
  ],
  LOADS.map(({ name, callers }) => {
    const { calls, hops, hopsEach, most, seen, given } = of(name);
    const figures = [calls.toFixed(0), given, seen, most, hopsEach.toFixed(3), hops.toFixed(0)];
    return [name, callers, ...figures].map(String);
  }),
);

const rate = of("1,000 a second, half used");
const full = of("1,000 a second, more wanted");
const places = of("100 at once, more wanted");
printVerdicts([
  atMost("requests a second, half of 1,000 calls a second", rate.hops, 100, 0),
  atMost("requests a second, more than 1,000 calls a second wanted", full.hops, 100, 0),
  atLeast("share of 1,000 calls a second that is used where more are wanted", full.calls / 1_000, 0.8),
  atMost("places in any second, of 1,000", full.given, 1_000, 0),
  atMost("calls at once, of 100", places.most, 100, 0),
  atMost("calls at once, of 2", of("2 at once, more wanted").most, 2, 0),
]);

closeConnections();
await server.kill();
await state.remove();
