// What users get first: every default on, every question and every conversation new, the specification's five stages;
// beside the least that a durable run costs, (b), in the same rounds. Instant stages for throughput, processor time and
// latency alone; stage times scaled by ten for what a run adds to its critical path; a stream for its first event; and,
// in a server of their own, the fsyncs of one run after another.
import { tmpdir } from "node:os";
import { fire, median, pause } from "../load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "../runs.ts";
import { type BenchServer, startCoordinator, startFloor } from "../servers.ts";
import { criticalPath, INSTANT_FIVE, SPECIFIED } from "../shapes-of-runs.ts";
import { fsyncsOfRuns } from "./storage.ts";
import { firstEvent } from "./streams.ts";
import { atLeast, atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

const CALLERS = 32;
const CROWD = 16;
/** What a run causes after its end belongs to its cost, the news to the monitor after 5 s excepted. */
const SETTLE_MS = 1_000;

interface Variant {
  name: string;
  server: BenchServer;
  instant: Caller;
  specified: Caller;
  /** Null where it has no events. */
  stream: Caller | null;
  perSecond: number[];
  cpu: number[];
  alone: number[];
  /** Beyond the critical path, ms. */
  beyondAlone: number[];
  beyondCrowd: number[];
  first: number[];
}

export async function compareDefaults(bench: Bench): Promise<Verdict[]> {
  const variants = await startAll(bench);
  const { rounds, shots } = bench;
  for (const { instant } of variants) await fire(4, 24, instant);
  for (let round = 0; round < rounds; round += 1) {
    // The first of a round is the last of the next.
    const order = round % 2 === 0 ? variants : variants.toReversed();
    for (const variant of order) await measure(variant, shots);
  }
  for (const { server } of variants) await server.close();
  const fsyncs = await fsyncsOfRuns(bench);
  print(variants, fsyncs, rounds);
  return judge(variants, fsyncs);
}

async function startAll({ scripts }: Bench): Promise<Variant[]> {
  const nothing = () => ({
    perSecond: [],
    cpu: [],
    alone: [],
    beyondAlone: [],
    beyondCrowd: [],
    first: [],
  });
  const floor = async (name: string, path: string, streams: string | null): Promise<Variant> => {
    const server = await startFloor(scripts.floor, scripts.agents, tmpdir());
    return {
      name,
      server,
      instant: floorRun(server, path, INSTANT_FIVE),
      specified: floorRun(server, path, SPECIFIED),
      stream: streams === null ? null : floorRun(server, streams, INSTANT_FIVE),
      ...nothing(),
    };
  };
  let made = 0;
  const another = (what: string) => () => `${what} ${(made += 1)}`;
  const coordinator = async (name: string, config: object | null, conversation: () => string) => {
    const server = await startCoordinator(scripts.coordinator, scripts.agents, tmpdir());
    await define(server, { instant: INSTANT_FIVE, specified: SPECIFIED }, true);
    if (config !== null) await configure(server, config);
    const run = (pipeline: string, as: "json" | "stream") =>
      coordinatorRun(server, pipeline, as, another("question"), conversation);
    return {
      name,
      server,
      instant: run("instant", "json"),
      specified: run("specified", "json"),
      stream: run("instant", "stream"),
      ...nothing(),
    } satisfies Variant;
  };
  const fresh = another("conversation");
  return [
    await floor("(a) bare Worker", "bare", null),
    await floor("(b) new object, a record a stage", "durable", "first"),
    await coordinator("**coordinator, defaults**", null, fresh),
    await coordinator(
      "coordinator without result cache and log",
      { enable_caching: false, enable_detailed_logging: false },
      fresh,
    ),
    await coordinator("coordinator, defaults, one conversation for all", null, () => "the conversation"),
  ];
}

async function measure(variant: Variant, shots: number): Promise<void> {
  const { server, instant, specified, stream, perSecond, cpu, alone, beyondAlone, beyondCrowd, first } =
    variant;
  alone.push(...(await fire(1, Math.ceil(shots / 4), instant)).latencies);
  await pause(SETTLE_MS);
  const before = await server.cpu();
  const { elapsed_ms } = await fire(CALLERS, shots, instant);
  perSecond.push((shots * 1_000) / elapsed_ms);
  await pause(SETTLE_MS);
  cpu.push(((await server.cpu()) - before) / shots);
  const path = criticalPath(SPECIFIED);
  const beyond = async (callers: number, count: number) =>
    (await fire(callers, count, specified)).latencies.map((ms) => ms - path);
  beyondAlone.push(...(await beyond(1, Math.ceil(shots / 40))));
  beyondCrowd.push(...(await beyond(CROWD, Math.ceil(shots / 4))));
  if (stream === null) return;
  for (let shot = 0; shot < Math.ceil(shots / 8); shot += 1) first.push(await firstEvent(stream(0)));
}

/** The median of the ratios of each round: what made one round slow made it so for both. */
function ratio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, round) => value / (to[round] ?? Number.NaN)));
}

type Fsyncs = Record<"floor" | "defaults", number> | null;

function print(variants: readonly Variant[], fsyncs: Fsyncs, rounds: number): void {
  console.log("\n## As users get it: defaults, every question and conversation new, five stages\n");
  console.log(
    `${rounds} rounds, interleaved, storage on the machine's disk; stages of no time, and of 12, 8, 80 and 80 at once, 220 ms for what is beyond the critical path. Every other row, here and below, leaves something out of this; its table says what.\n`,
  );
  const floor = variants[1] as Variant;
  const syncs = (at: number) => {
    const count = at === 1 ? fsyncs?.floor : at === 2 ? fsyncs?.defaults : undefined;
    return count === undefined ? "–" : count.toFixed(1);
  };
  printTable(
    [
      "",
      `runs/s, ${CALLERS} callers`,
      "of (b)",
      "CPU ms/run",
      "of (b)",
      "p50 ms alone",
      "beyond the critical path, p50 ms, alone",
      `${CROWD} callers`,
      "of (b)",
      "first event, p50 ms",
      "fsyncs/run",
    ],
    variants.map((of, at) => [
      of.name,
      median(of.perSecond).toFixed(0),
      ratio(of.perSecond, floor.perSecond).toFixed(2),
      median(of.cpu).toFixed(1),
      ratio(of.cpu, floor.cpu).toFixed(2),
      median(of.alone).toFixed(1),
      median(of.beyondAlone).toFixed(1),
      median(of.beyondCrowd).toFixed(0),
      (median(of.beyondCrowd) / median(floor.beyondCrowd)).toFixed(2),
      of.first.length === 0 ? "–" : median(of.first).toFixed(1),
      syncs(at),
    ]),
  );
}

function judge([, floor, defaults, plain]: readonly Variant[], fsyncs: Fsyncs): Verdict[] {
  if (!floor || !defaults || !plain) return [];
  const aloneMs = median(floor.beyondAlone);
  const firstMs = median(floor.first);
  const most = 12;
  return [
    atLeast(
      "defaults: at least 0.75 of (b) in runs/s, 32 callers",
      ratio(defaults.perSecond, floor.perSecond),
      0.75,
    ),
    atMost("defaults: at most 1.6 of (b) in CPU a run", ratio(defaults.cpu, floor.cpu), 1.6),
    atLeast(
      "without cache and log: at least 0.9 of (b) in runs/s, 32 callers",
      ratio(plain.perSecond, floor.perSecond),
      0.9,
    ),
    atMost("without cache and log: at most 1.3 of (b) in CPU a run", ratio(plain.cpu, floor.cpu), 1.3),
    fsyncs === null
      ? { target: `defaults: at most ${most} fsyncs a run`, measured: "no strace", met: null }
      : atMost(`defaults: at most ${most} fsyncs a run, of all objects`, fsyncs.defaults, most, 1),
    atMost(
      `defaults, stage times / 10: p50 alone at most that of (b) + 4 ms (here ${aloneMs.toFixed(1)} + 4)`,
      median(defaults.beyondAlone),
      aloneMs + 4,
      1,
      " ms",
    ),
    atMost(
      "defaults, stage times / 10: p50 of 16 callers at most 1.25 of (b)'s",
      median(defaults.beyondCrowd) / median(floor.beyondCrowd),
      1.25,
    ),
    atMost(
      `defaults: first event at most 2 ms after that of (b) with a stream, p50 (here ${firstMs.toFixed(1)} + 2)`,
      median(defaults.first),
      firstMs + 2,
      1,
      " ms",
    ),
  ];
}
