// Four instant stages, seven ways: runs a second, latency and processor time of the floor and of the coordinator, on
// the machine's own disk and on a memory disk.
//
// All but the last make the same calls: the coordinator's stages have `cache: false`, since with the result cache on
// the same question would be answered from it without a call; and `enable_detailed_logging: false`, since the
// floor logs nothing. The last has the coordinator's defaults and a new question each time.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fire, median, pause, quantile } from "../load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "../runs.ts";
import { type BenchServer, startCoordinator, startFloor } from "../servers.ts";
import { chain } from "../shapes-of-runs.ts";
import { atLeast, atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

const MACHINE = "the machine's disk";
const FOUR = chain(4);
const CALLERS = [8, 32];
/** What a run causes after its end (index, metrics, cache) belongs to its cost: it has been done by then. */
const SETTLE_MS = 700;

interface Variant {
  name: string;
  server: BenchServer;
  shot: Caller;
  perSecond: Map<number, number[]>;
  cpu: number[];
  alone: number[];
}

export async function compareVariants(bench: Bench): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const [disk, parent] of disks()) {
    await mkdir(parent, { recursive: true });
    // The targets are set for the machine's disk; the other one shows what of it is the disk.
    const rounds = disk === MACHINE ? bench.rounds : Math.ceil(bench.rounds / 2);
    const variants = await startAll(bench, parent);
    for (const { shot } of variants) await fire(4, 40, shot);
    for (let round = 0; round < rounds; round += 1) {
      // The first variant of a round is the last of the next.
      const order = round % 2 === 0 ? variants : variants.toReversed();
      for (const variant of order) await measure(variant, bench.shots);
    }
    console.log(`\n## Four instant stages, storage on ${disk}\n`);
    console.log(
      `${rounds} rounds; left out: (d) to (f) have no result cache and no log, as (a) to (c) have none; (g) has both, and every question new; in all of them each caller keeps one conversation\n`,
    );
    print(variants);
    for (const { server } of variants) await server.close();
    verdicts.push(...judge(disk, variants));
  }
  return verdicts;
}

function disks(): [string, string][] {
  const found: [string, string][] = [[MACHINE, tmpdir()]];
  if (existsSync("/dev/shm")) found.push(["a memory disk", "/dev/shm"]);
  return found;
}

async function startAll({ scripts }: Bench, parent: string): Promise<Variant[]> {
  const variant = (name: string, server: BenchServer, shot: Caller) =>
    ({ name, server, shot, perSecond: new Map<number, number[]>(), cpu: [], alone: [] }) satisfies Variant;
  const floor = async (name: string, path: string) => {
    const server = await startFloor(scripts.floor, scripts.agents, parent);
    return variant(name, server, floorRun(server, path, FOUR));
  };
  const coordinator = async (name: string, as: "json" | "stream", config: object) => {
    const server = await startCoordinator(scripts.coordinator, scripts.agents, parent);
    await define(server, { four: FOUR });
    await configure(server, { enable_detailed_logging: false, ...config });
    return variant(name, server, coordinatorRun(server, "four", as));
  };
  const defaults = await startCoordinator(scripts.coordinator, scripts.agents, parent);
  await define(defaults, { four: FOUR }, true);
  let asked = 0;
  const another = () => `question ${(asked += 1)}`;
  return [
    await floor("(a) bare Worker", "bare"),
    await floor("(b) new object, a record a stage", "durable"),
    await floor("(c) new object, nothing stored", "empty"),
    await coordinator("(d) coordinator, JSON", "json", {}),
    await coordinator("(e) coordinator, stream", "stream", {}),
    await coordinator("(f) coordinator, memory", "json", { context_storage_backend: "memory" }),
    variant(
      "(g) (d) with its defaults: cache asked and filled, log written",
      defaults,
      coordinatorRun(defaults, "four", "json", another),
    ),
  ];
}

async function measure({ server, shot, alone, perSecond, cpu }: Variant, shots: number): Promise<void> {
  const before = await server.cpu();
  const first = Math.ceil(shots / 4);
  alone.push(...(await fire(1, first, shot)).latencies);
  for (const callers of CALLERS) {
    const { elapsed_ms } = await fire(callers, shots, shot);
    perSecond.set(callers, [...(perSecond.get(callers) ?? []), (shots * 1_000) / elapsed_ms]);
  }
  await pause(SETTLE_MS);
  cpu.push(((await server.cpu()) - before) / (first + shots * CALLERS.length));
}

const rates = ({ perSecond }: Variant, callers: number): readonly number[] => perSecond.get(callers) ?? [];

/** The median of the ratios of each round: what made one round slow made it so for both. */
function ratio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, round) => value / (to[round] ?? Number.NaN)));
}

function print(variants: readonly Variant[]): void {
  const floor = variants[1] as Variant;
  printTable(
    [
      "",
      "runs/s, 8 callers",
      "32 callers",
      "of (b)",
      "CPU ms/run",
      "of (b)",
      "p50 ms, 1 caller",
      "p95",
      "p99",
    ],
    variants.map((of) => [
      of.name,
      median(rates(of, 8)).toFixed(0),
      median(rates(of, 32)).toFixed(0),
      ratio(rates(of, 32), rates(floor, 32)).toFixed(2),
      median(of.cpu).toFixed(2),
      ratio(of.cpu, floor.cpu).toFixed(2),
      ...[0.5, 0.95, 0.99].map((q) => quantile(of.alone, q).toFixed(2)),
    ]),
  );
}

/** The targets name the machine's disk; on the other the same numbers are for comparison. */
function judge(disk: string, [, durable, , waiting, streaming]: readonly Variant[]): Verdict[] {
  if (disk !== MACHINE || !durable || !waiting || !streaming) return [];
  return [
    atLeast(
      "(d) at least 1.0 of (b) in runs/s, 32 callers",
      ratio(rates(waiting, 32), rates(durable, 32)),
      1,
    ),
    atMost("(d) at most 1.25 of (b) in CPU a run", ratio(waiting.cpu, durable.cpu), 1.25),
    atLeast(
      "(e) at least 0.8 of (d) in runs/s, 32 callers",
      ratio(rates(streaming, 32), rates(waiting, 32)),
      0.8,
    ),
  ];
}
