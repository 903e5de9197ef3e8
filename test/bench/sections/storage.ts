// What a run writes: rows as the platform bills them and fsyncs as this machine makes them, of the execution's own
// object and, apart from it, of everything else that a run causes. One caller, one run after another, so that nothing
// is shared with a neighbour's writes: under load the objects that runs share write for several at a time.
import { tmpdir } from "node:os";
import { findTracer, type Fsyncs, type Tracer } from "./fsyncs.ts";
import { fire, pause, send } from "../load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "../runs.ts";
import type { ClassCounts } from "../../support/counting/tally.ts";
import { type BenchServer, bundle, COUNTING_FLAGS, startBoth } from "../servers.ts";
import { chain, INSTANT_FIVE, pipelineOf } from "../shapes-of-runs.ts";
import { atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

/** Until all that a run causes has been written: its index, metrics and alerts, a cached result, the alarm. */
const SETTLE_MS = 2_500;
/** The same with the news to the monitor, which waits for 5 s. */
const SETTLE_ALL_MS = 7_000;
const TRACED_RUNS = 12;
const PIPELINES = { four: chain(4), five: chain(5), slow: chain(4, 100) };

/** Of one class, a run. */
interface Written extends Fsyncs {
  rows: number;
}
interface Kind {
  name: string;
  /** The floor's object is the run's, and not the coordinator's. */
  isFloor?: true;
  shot: Caller;
  config?: Record<string, unknown>;
}

export async function compareStorage({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const tracer = await findTracer();
  const script = await bundle("test/bench/workers/counting-worker.ts", COUNTING_FLAGS);
  const start = () => startBoth(script, scripts.agents, tmpdir());
  const server = tracer === null ? await start() : await tracer.during(start);
  try {
    await define(server, PIPELINES);
    await send(`${server.url}/v1/pipelines/cached`, pipelineOf(PIPELINES.four, true));
    return await count(server, tracer, Math.max(5, Math.ceil((rounds * shots) / 50)));
  } finally {
    await server.close();
    await tracer?.remove();
  }
}

/** Fsyncs of a run of five instant stages, of all objects: (b)'s, and the coordinator's with its defaults. */
export async function fsyncsOfRuns({ scripts }: Bench): Promise<Record<"floor" | "defaults", number> | null> {
  const tracer = await findTracer();
  if (tracer === null) return null;
  const script = await bundle("test/bench/workers/counting-worker.ts", COUNTING_FLAGS);
  const server = await tracer.during(() => startBoth(script, scripts.agents, tmpdir()));
  try {
    await define(server, { instant: INSTANT_FIVE }, true);
    let made = 0;
    const another = (what: string) => () => `${what} ${(made += 1)}`;
    const question = another("question");
    const defaults = coordinatorRun(server, "instant", "json", question, another("conversation"));
    const floor = floorRun(server, "durable", INSTANT_FIVE);
    const measure = async (shot: Caller) => {
      await fire(1, TRACED_RUNS, shot);
      await pause(SETTLE_ALL_MS);
      await take(server, tracer);
      await fire(1, TRACED_RUNS, shot);
      await pause(SETTLE_ALL_MS);
      const written = Object.values(await take(server, tracer, TRACED_RUNS));
      return written.reduce((sum, { own, alarms }) => sum + own + alarms, 0);
    };
    return { floor: await measure(floor), defaults: await measure(defaults) };
  } finally {
    await server.close();
    await tracer.remove();
  }
}

async function count(server: BenchServer, tracer: Tracer | null, runs: number): Promise<Verdict[]> {
  const all = kinds(server);
  console.log(`\n## What a run writes: ${runs} runs, one after another, storage on the machine's disk\n`);
  console.log(
    "(d), (e) and (f) without result cache, (g) with it and new questions; all in one conversation that exists\n",
  );
  if (tracer === null) console.log("fsyncs were not counted: there is no strace that may trace here\n");
  else {
    console.log(
      "fsyncs: of the object's own file; + of the file in which local workerd keeps when the alarms of all objects of a class are due. Two more come as a file is closed, ten seconds after its last use.\n",
    );
  }
  for (const { shot } of all) await fire(1, 1, shot);
  await pause(SETTLE_MS);
  const table: string[][] = [];
  const own = new Map<string, Written>();
  for (const { name, shot, config, isFloor } of all) {
    if (config !== undefined) await configure(server, config);
    await take(server, tracer);
    await fire(1, runs, shot);
    await pause(SETTLE_MS);
    const { ExecutionObject, FloorObject, ...others } = await take(server, tracer, runs);
    const object = (isFloor ? FloorObject : ExecutionObject) ?? NOTHING;
    own.set(name, object);
    table.push([name, ...cells(object, Object.entries(others), tracer !== null)]);
    if (config !== undefined) {
      await configure(server, Object.fromEntries(Object.keys(config).map((key) => [key, null])));
    }
  }
  printTable(
    ["a run of", "rows, its object", "fsyncs", "rows, all else", "fsyncs", "all else: rows/fsyncs"],
    table,
  );
  return judge(own, tracer !== null);
}

function kinds(server: BenchServer): Kind[] {
  let asked = 0;
  const another = () => `question ${(asked += 1)}`;
  const memory = { context_storage_backend: "memory" };
  return [
    { name: "(b) four instant stages", isFloor: true, shot: floorRun(server, "durable", PIPELINES.four) },
    { name: "(d) four instant stages", shot: coordinatorRun(server, "four") },
    { name: "(e) four instant stages", shot: coordinatorRun(server, "four", "stream") },
    { name: "(f) four instant stages", shot: coordinatorRun(server, "four"), config: memory },
    { name: "(g) four instant stages", shot: coordinatorRun(server, "cached", "json", another) },
    { name: "(b) five instant stages", isFloor: true, shot: floorRun(server, "durable", PIPELINES.five) },
    { name: "(d) five instant stages", shot: coordinatorRun(server, "five") },
    { name: "(e) five instant stages", shot: coordinatorRun(server, "five", "stream") },
    { name: "(b) four stages of 100 ms", isFloor: true, shot: floorRun(server, "durable", PIPELINES.slow) },
    { name: "(d) four stages of 100 ms", shot: coordinatorRun(server, "slow") },
    { name: "(e) four stages of 100 ms", shot: coordinatorRun(server, "slow", "stream") },
  ];
}

const NOTHING: Written = { rows: 0, own: 0, alarms: 0, closing: 0 };

/** What each class wrote since it was last asked, as shares of `runs`. */
async function take(server: BenchServer, tracer: Tracer | null, runs = 1): Promise<Record<string, Written>> {
  const counts = JSON.parse(await send(`${server.url}/counts`, {}, "POST")) as Record<string, ClassCounts>;
  const fsyncs = (await tracer?.take()) ?? {};
  const written: Record<string, Written> = {};
  for (const owner of new Set([...Object.keys(counts), ...Object.keys(fsyncs)])) {
    const { own, alarms, closing } = fsyncs[owner] ?? NOTHING;
    written[owner] = {
      rows: (counts[owner]?.rows ?? 0) / runs,
      own: own / runs,
      alarms: alarms / runs,
      closing: closing / runs,
    };
  }
  return written;
}

function cells(object: Written, others: readonly [string, Written][], traced: boolean): string[] {
  const syncs = ({ own, alarms }: Written) => (traced ? `${own.toFixed(1)} + ${alarms.toFixed(1)}` : "–");
  const all = others.reduce(
    (sum, [, { rows, own, alarms }]) => ({
      ...sum,
      rows: sum.rows + rows,
      own: sum.own + own,
      alarms: sum.alarms + alarms,
    }),
    NOTHING,
  );
  // An object that was only closed meanwhile has written nothing for these runs.
  const named = others
    .filter(([, { rows, own, alarms }]) => rows + own + alarms > 0)
    .map(([owner, of]) => `${owner.replace(/Object$/, "")} ${of.rows.toFixed(1)}/${syncs(of)}`);
  return [object.rows.toFixed(1), syncs(object), all.rows.toFixed(1), syncs(all), named.join(", ")];
}

function judge(own: ReadonlyMap<string, Written>, traced: boolean): Verdict[] {
  const slow = own.get("(d) four stages of 100 ms") ?? NOTHING;
  const five = own.get("(d) five instant stages") ?? NOTHING;
  const syncs = (target: string, count: number): Verdict =>
    traced ? atMost(target, count, 9, 1) : { target, measured: "no strace", met: null };
  return [
    atMost("four slow stages (100 ms): at most 8 rows", slow.rows, 8, 1),
    atMost("five instant stages: at most 5 rows", five.rows, 5, 1),
    syncs("five instant stages: at most 9 fsyncs, of its own file", five.own),
    syncs("the same with local workerd's file of all alarms", five.own + five.alarms),
  ];
}
