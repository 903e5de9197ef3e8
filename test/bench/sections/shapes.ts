// Does the fiftieth stage cost what the second did? Chains and fans of 10, 20 and 50 instant stages: what a run takes
// beyond the same calls from a bare Worker, six at a time in a fan, by stage. What a run costs at any length
// (its object, its first and last turn) falls on fewer stages in a short one, so that the cost of further stages, the
// difference between two lengths, is shown as well: there nothing hides it.
import { tmpdir } from "node:os";
import { fire, median, pause } from "../load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "../runs.ts";
import { type BenchServer, startCoordinator, startFloor } from "../servers.ts";
import { chain, fan, type Layers } from "../shapes-of-runs.ts";
import { type Bench, printTable, type Verdict } from "../verdicts.ts";

const LENGTHS = [10, 20, 50];
/** What a run causes after its end is over by then. */
const SETTLE_MS = 300;

interface Shape {
  kind: "chain" | "fan";
  stages: number;
  bare: Caller;
  coordinated: Caller;
  bareMs: number[];
  coordinatedMs: number[];
  /** Processor time of a run, in ms, of each round: what other programs do does not change it. */
  bareCpu: number[];
  coordinatedCpu: number[];
}

export async function compareShapes({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const floor = await startFloor(scripts.floor, scripts.agents, tmpdir());
  const coordinator = await startCoordinator(scripts.coordinator, scripts.agents, tmpdir());
  await configure(coordinator, { enable_detailed_logging: false, max_concurrent_stages: 6 });
  const shapes: Shape[] = [];
  for (const [kind, make] of [["chain", chain] as const, ["fan", fan] as const]) {
    for (const stages of LENGTHS) {
      const name = `${kind}${stages}`;
      const layers: Layers = make(stages);
      await define(coordinator, { [name]: layers });
      const bare = floorRun(floor, "bare", layers);
      const coordinated = coordinatorRun(coordinator, name);
      const figures = { bareMs: [], coordinatedMs: [], bareCpu: [], coordinatedCpu: [] };
      shapes.push({ kind, stages, bare, coordinated, ...figures });
    }
  }
  const runs = Math.max(3, Math.ceil(shots / 10));
  for (let round = -1; round < rounds; round += 1) {
    for (const { bare, coordinated, bareMs, coordinatedMs, bareCpu, coordinatedCpu } of shapes) {
      const without = await measure(floor, bare, runs);
      const within = await measure(coordinator, coordinated, runs);
      if (round < 0) continue;
      bareMs.push(...without.latencies);
      coordinatedMs.push(...within.latencies);
      bareCpu.push(without.cpu);
      coordinatedCpu.push(within.cpu);
    }
  }
  await floor.close();
  await coordinator.close();
  console.log(
    "\n## Chains and fans of instant stages, ms beyond the same calls from a bare Worker, 1 caller, p50\n",
  );
  console.log(
    "(d) without result cache and log, in one conversation that exists, up to six stages at once\n",
  );
  printTable(
    [
      "",
      "bare",
      "(d)",
      "beyond, a stage",
      "of 10 stages'",
      "a further stage",
      "CPU beyond, a stage",
      "a further stage",
    ],
    shapes.map((shape) => {
      const ten = shapes.find(({ kind, stages }) => kind === shape.kind && stages === LENGTHS[0]) as Shape;
      const shorter = shapes.findLast(({ kind, stages }) => kind === shape.kind && stages < shape.stages);
      const further = (of: (shape: Shape) => number) =>
        shorter === undefined ? "" : perFurther(shorter, shape, of).toFixed(2);
      return [
        `${shape.kind} of ${shape.stages}`,
        median(shape.bareMs).toFixed(2),
        median(shape.coordinatedMs).toFixed(2),
        perStage(shape).toFixed(2),
        (perStage(shape) / perStage(ten)).toFixed(2),
        further(beyond),
        (cpuBeyond(shape) / shape.stages).toFixed(2),
        further(cpuBeyond),
      ];
    }),
  );
  return (["chain", "fan"] as const).flatMap((kind) => judge(shapes, kind));
}

async function measure(server: BenchServer, shot: Caller, runs: number) {
  const before = await server.cpu();
  const { latencies } = await fire(1, runs, shot);
  await pause(SETTLE_MS);
  return { latencies, cpu: ((await server.cpu()) - before) / runs };
}

function beyond({ bareMs, coordinatedMs }: Shape): number {
  return median(coordinatedMs) - median(bareMs);
}

function cpuBeyond({ bareCpu, coordinatedCpu }: Shape): number {
  return median(coordinatedCpu) - median(bareCpu);
}

function perStage(shape: Shape): number {
  return beyond(shape) / shape.stages;
}

function perFurther(short: Shape, long: Shape, of: (shape: Shape) => number): number {
  return (of(long) - of(short)) / (long.stages - short.stages);
}

/** A cost that falls with the length is what a run costs anyway, spread thinner: only a rise breaks the target. */
function judge(shapes: readonly Shape[], kind: Shape["kind"]): Verdict[] {
  const [ten, twenty, fifty] = shapes.filter((shape) => shape.kind === kind);
  if (!ten || !twenty || !fifty) return [];
  const ratios = [twenty, fifty].map((shape) => perStage(shape) / perStage(ten));
  const early = perFurther(ten, twenty, beyond);
  const late = perFurther(twenty, fifty, beyond);
  return [
    {
      target: `${kind}s of 20 and 50: a stage costs at most 1.2 of what it does in one of 10`,
      measured: ratios.map((ratio) => ratio.toFixed(2)).join(", "),
      met: ratios.every((ratio) => ratio <= 1.2),
    },
    {
      target: `${kind}s: each of stages 21 to 50 costs at most 1.2 of each of 11 to 20`,
      measured: `${late.toFixed(2)} ms, ${early.toFixed(2)} ms`,
      // A stage that costs less than nothing is the machine's noise.
      met: Math.min(early, late) > 0 ? late <= 1.2 * early : null,
    },
  ];
}
