// npm run bench:scale: which object melts first, and which is full first. A deterministic simulation of the load of
// shared objects, by the coordinator's own clients, timings and splits; and what a run stores in each kind of object,
// measured on local workerd. SCALE_SECONDS is the length of each simulated window. Ends with code 0.
import { tmpdir } from "node:os";
import { buildConsole } from "../../src/cli/console.ts";
import { startAgentServer } from "../support/agents/agent-server.ts";
import { SHARD_BYTES, type ShardBytes } from "../../src/core/monitoring/shard-load.ts";
import type { ShardKind } from "../../src/core/monitoring/shards.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import { defineFourStages, playFourStages } from "../support/counting/four-stages.ts";
import { closeConnections, fire, pause, shoot } from "./load.ts";
import { bundle, COUNTING_FLAGS, startCounting } from "./servers.ts";
import { grow, growthText, type Grown } from "./scale/grown-shards.ts";
import { type Profile, simulate } from "./scale/simulated-runs.ts";
import { atMost, printTable, printVerdicts, type Verdict } from "./verdicts.ts";

const SECONDS = Number(process.env["SCALE_SECONDS"] ?? 2);
const PROFILES: readonly (Omit<Profile, "shards"> & { scale: number })[] = [
  { name: "one tenant, 1 run a second", tenants: 1, rate: 1, seconds: 60 * SECONDS, scale: 1 },
  { name: "one tenant, 100 runs a second", tenants: 1, rate: 100, seconds: 10 * SECONDS, scale: 1 },
  { name: "one tenant, 1,000 runs a second", tenants: 1, rate: 1_000, seconds: 2 * SECONDS, scale: 1 },
  { name: "one tenant, 10,000 runs a second", tenants: 1, rate: 10_000, seconds: SECONDS, scale: 1 },
  // Tenants share no object: a hundred of them stand for all.
  {
    name: "10,000 tenants, a run a minute each",
    tenants: 100,
    rate: 1 / 60,
    seconds: 200 * SECONDS,
    scale: 100,
  },
];
/** The platform advises at most 1,000 simple requests a second of one object; half of it leaves room for bursts. */
const MOST_REQUESTS = 500;
/** An object holds 10 GB at most. */
const MOST_GB = 8;
/** How long what a run stores is kept there. */
const KEPT: Record<ShardKind, { kind: string; object: string; days: number; bounds: ShardBytes }> = {
  index: {
    kind: "execution index",
    object: "LedgerObject",
    days: 7,
    bounds: SHARD_BYTES.index,
  },
  cache: {
    kind: "result cache",
    object: "CacheObject",
    days: 1,
    bounds: SHARD_BYTES.cache,
  },
};
/** Of a run shorter than OUTBOX_FIRST_MS, to index and to cache: one before it and one after. */
const REQUESTS = 2;
const DAY_SECONDS = 86_400;
/** Runs by which stored bytes are measured: rows of eight shards then fill pages. */
const MEASURED_RUNS = 400;
const CALLERS = 8;

const bytes = await bytesOfARun();
console.log(`\n## Stored of a run of four stages, measured with ${MEASURED_RUNS} runs\n`);
printTable(
  ["", "bytes a run", "kept, days"],
  Object.values(KEPT).map(({ kind, object, days }) => [kind, (bytes[object] ?? 0).toFixed(0), String(days)]),
);

const verdicts: Verdict[] = [];
const notes: string[] = [];
for (const { scale, ...profile } of PROFILES) {
  const index = grown("index", profile.rate);
  const cache = grown("cache", profile.rate);
  // The last split was made long before the simulation begins.
  const past = ({ generations }: Grown) =>
    generations.map((of, at) => ({ ...of, from: at - generations.length }));
  const kinds = await simulate({ ...profile, shards: { index: past(index), cache: past(cache) } });
  console.log(`\n## ${profile.name}\n`);
  printTable(
    [
      "",
      "shards of a tenant",
      "objects reached",
      "requests/s, all",
      "of the hottest, p99",
      "GB of the fullest",
    ],
    kinds.map(({ kind, objects, all, hottest }) => [
      kind,
      kind === KEPT.index.kind
        ? growthText(index.generations)
        : kind === KEPT.cache.kind
          ? growthText(cache.generations)
          : "–",
      // Those of a conversation are as many as its runs.
      String(objects * scale),
      (all * scale).toFixed(1),
      String(hottest),
      kind === KEPT.index.kind
        ? (index.fullest / 1e9).toFixed(2)
        : kind === KEPT.cache.kind
          ? (Math.min(cache.fullest, TIMINGS.CACHE_SHARD_BYTES) / 1e9).toFixed(2)
          : "–",
    ]),
  );
  const hottest = kinds.reduce((a, b) => (b.hottest > a.hottest ? b : a));
  verdicts.push(
    atMost(
      `${profile.name}: no object above ${MOST_REQUESTS} requests a second (hottest: ${hottest.kind})`,
      hottest.hottest,
      MOST_REQUESTS,
      0,
    ),
  );
  verdicts.push(
    atMost(
      `${profile.name}: no shard of the execution index above ${MOST_GB} GB in 7 days`,
      index.fullest / 1e9,
      MOST_GB,
      2,
      " GB",
    ),
  );
  const needed = Math.ceil(
    (profile.rate * KEPT.index.days * DAY_SECONDS * bytesOf("index")) / (MOST_GB * 1e9),
  );
  if (needed > TIMINGS.SHARDS_MOST) {
    const most = (TIMINGS.SHARDS_MOST * MOST_GB * 1e9) / (KEPT.index.days * DAY_SECONDS * bytesOf("index"));
    notes.push(
      `${profile.name}: ${needed} shards of the index would hold 7 days at ${MOST_GB} GB each, and ${TIMINGS.SHARDS_MOST} are the most: they hold 7 days of ${most.toFixed(0)} runs a second, or ${((most / profile.rate) * KEPT.index.days).toFixed(1)} days of these.`,
    );
  }
}
printVerdicts(verdicts);
for (const note of notes) console.log(`\n${note}`);
console.log(
  `\nResults beyond ${(TIMINGS.CACHE_SHARD_BYTES / 1e9).toFixed(2)} GB of a shard of the cache are dropped, the oldest first.`,
);
console.log(
  "\nNot simulated: the rate limit (an object a caller, one request a call where a limit is set), agents that fail (their breakers), webhooks and traces, callers that read lists and metrics.",
);
closeConnections();

function bytesOf(kind: ShardKind): number {
  return bytes[KEPT[kind].object] ?? 0;
}

/** A tenant's shards, and the fullest one, where it has had this load for weeks. */
function grown(kind: ShardKind, rate: number): Grown {
  const { days, bounds } = KEPT[kind];
  return grow({ requests: REQUESTS * rate, bytes: rate * bytesOf(kind), days, bounds });
}

async function bytesOfARun(): Promise<Record<string, number>> {
  await buildConsole();
  const agents = await startAgentServer();
  playFourStages(agents);
  const server = await startCounting(
    await bundle("test/support/workers/counting-worker.ts", COUNTING_FLAGS),
    await bundle("test/bench/workers/agent-worker.ts"),
    tmpdir(),
    { AGENT_COORDINATOR_AGENT_HOSTS: agents.host },
  );
  const stored = async () => {
    // The last run's reports arrive after its answer.
    await pause(1_000);
    const { text } = await shoot({ url: `${server.url}/stored`, method: "GET" });
    return JSON.parse(text) as Record<string, { bytes: number }>;
  };
  await defineFourStages(
    (method, path, body) => shoot({ url: `${server.url}${path}`, method, body: JSON.stringify(body) }),
    agents,
  );
  let asked = 0;
  const runs = (count: number) =>
    fire(CALLERS, count, () => {
      asked += 1;
      const body = { query: `question ${asked}`, conversation_id: `c${asked % CALLERS}`, pipeline: "quick" };
      return { url: `${server.url}/v1/executions`, body: JSON.stringify(body), expect: '"error_info":null' };
    });
  await runs(MEASURED_RUNS / 4);
  const before = await stored();
  await runs(MEASURED_RUNS);
  const after = await stored();
  await server.close();
  await agents.close();
  return Object.fromEntries(
    Object.entries(after).map(([kind, of]) => [
      kind,
      (of.bytes - (before[kind]?.bytes ?? 0)) / MEASURED_RUNS,
    ]),
  );
}
