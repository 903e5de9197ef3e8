// What a run writes: rows as the platform bills them and fsyncs as this machine makes them, of the execution's own
// object and, apart from it, of everything else that a run causes. One caller, one run after another, so that nothing
// is shared with a neighbour's writes: under load the objects that runs share write for several at a time.
import { tmpdir } from "node:os";
import { findTracer, type Tracer } from "./fsyncs.ts";
import { fire, pause, send } from "./load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "./runs.ts";
import { type BenchServer, bundle, startBoth } from "./servers.ts";
import { chain } from "./shapes-of-runs.ts";
import { type Bench, printTable, type Verdict } from "./verdicts.ts";

/** Until all that a run causes has been written: its index, figures and alerts, a cached result, the alarm. */
const SETTLE_MS = 2_500;
const OWN = ["ExecutionObject", "FloorObject"];
const PIPELINES = { four: chain(4), five: chain(5), slow: chain(4, 100) };

type Counts = Record<string, number>;
interface Written {
  rows: Counts;
  fsyncs: Counts | null;
}

export async function compareStorage({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const tracer = await findTracer();
  const script = await bundle("test/bench/counting-worker.ts");
  const start = () => startBoth(script, scripts.agents, tmpdir());
  const server = tracer === null ? await start() : await tracer.during(start);
  try {
    await define(server, PIPELINES);
    await send(`${server.url}/v1/pipelines/cached`, {
      stages: Array.from({ length: 4 }, (_, at) => ({
        name: `s${at}`,
        agent_type: "instant",
        depends_on: at === 0 ? [] : [`s${at - 1}`],
      })),
    });
    return await count(server, tracer, Math.max(5, Math.ceil((rounds * shots) / 50)));
  } finally {
    await server.close();
    await tracer?.remove();
  }
}

async function count(server: BenchServer, tracer: Tracer | null, runs: number): Promise<Verdict[]> {
  let asked = 0;
  const another = () => `question ${(asked += 1)}`;
  const kinds: [string, Caller, Record<string, unknown>?][] = [
    ["(b) four instant stages", floorRun(server, "durable", PIPELINES.four)],
    ["(d) four instant stages", coordinatorRun(server, "four")],
    ["(e) four instant stages", coordinatorRun(server, "four", "stream")],
    ["(f) four instant stages", coordinatorRun(server, "four"), { context_storage_backend: "memory" }],
    ["(g) four instant stages", coordinatorRun(server, "cached", "json", another)],
    ["(b) five instant stages", floorRun(server, "durable", PIPELINES.five)],
    ["(d) five instant stages", coordinatorRun(server, "five")],
    ["(e) five instant stages", coordinatorRun(server, "five", "stream")],
    ["(d) four stages of 100 ms", coordinatorRun(server, "slow")],
    ["(e) four stages of 100 ms", coordinatorRun(server, "slow", "stream")],
  ];
  console.log(`\n## What a run writes: ${runs} runs, one after another, storage on the machine's disk\n`);
  if (tracer === null) console.log("fsyncs were not counted: there is no strace that may trace here\n");
  const table: string[][] = [];
  const written = new Map<string, Written>();
  for (const [name, shot, config] of kinds) {
    if (config !== undefined) await configure(server, config);
    await fire(1, 3, shot);
    await pause(SETTLE_MS);
    await take(server, tracer);
    await fire(1, runs, shot);
    await pause(SETTLE_MS);
    const perRun = await take(server, tracer, runs);
    written.set(name, perRun);
    table.push([name, ...cells(perRun)]);
    if (config !== undefined) {
      await configure(server, Object.fromEntries(Object.keys(config).map((key) => [key, null])));
    }
  }
  printTable(
    [
      "a run of",
      "rows, its object",
      "fsyncs, its object",
      "rows, all else",
      "fsyncs, all else",
      "all else: rows/fsyncs",
    ],
    table,
  );
  return judge(written);
}

/** What was written since it was last taken, as shares of `runs`. */
async function take(server: BenchServer, tracer: Tracer | null, runs = 1): Promise<Written> {
  const rows = JSON.parse(await send(`${server.url}/rows`, {}, "POST")) as Counts;
  const fsyncs = tracer === null ? null : await tracer.take();
  const share = (counts: Counts) =>
    Object.fromEntries(Object.entries(counts).map(([owner, of]) => [owner, of / runs]));
  return { rows: share(rows), fsyncs: fsyncs === null ? null : share(fsyncs) };
}

function own(counts: Counts | null): number {
  return counts === null ? Number.NaN : OWN.reduce((sum, owner) => sum + (counts[owner] ?? 0), 0);
}

function cells({ rows, fsyncs }: Written): string[] {
  const text = (n: number) => (Number.isNaN(n) ? "–" : n.toFixed(1));
  const sum = (counts: Counts | null) =>
    counts === null ? Number.NaN : Object.values(counts).reduce((all, of) => all + of, 0) - own(counts);
  const others = [...new Set([...Object.keys(rows), ...Object.keys(fsyncs ?? {})])]
    .filter((owner) => !OWN.includes(owner))
    .map((owner) => {
      const name = owner.replace(/Object$/, "");
      return `${name} ${text(rows[owner] ?? 0)}/${text(fsyncs === null ? Number.NaN : (fsyncs[owner] ?? 0))}`;
    });
  return [text(own(rows)), text(own(fsyncs)), text(sum(rows)), text(sum(fsyncs)), others.join(", ")];
}

function judge(written: ReadonlyMap<string, Written>): Verdict[] {
  const of = (name: string) => written.get(name) as Written;
  const verdict = (target: string, value: number, most: number): Verdict => ({
    target,
    measured: Number.isNaN(value) ? "no strace" : value.toFixed(1),
    met: Number.isNaN(value) ? null : value <= most,
  });
  const five = of("(d) five instant stages");
  return [
    verdict("four slow stages (100 ms): at most 8 rows", own(of("(d) four stages of 100 ms").rows), 8),
    verdict("five instant stages: at most 5 rows", own(five.rows), 5),
    verdict("five instant stages: at most 9 fsyncs", own(five.fsyncs), 9),
  ];
}
