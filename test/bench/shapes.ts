// Does the fiftieth stage cost what the second did? Chains and fans of 10, 20 and 50 instant stages: what a run takes
// beyond the same calls from a bare Worker, six at a time in a fan, by stage. What a run costs whatever its length
// (its object, its first and last turn) falls on fewer stages in a short one, so that the cost of further stages, the
// difference between two lengths, is shown as well: there nothing hides behind it.
import { tmpdir } from "node:os";
import { fire, median } from "./load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "./runs.ts";
import { startCoordinator, startFloor } from "./servers.ts";
import { chain, fan, type Layers } from "./shapes-of-runs.ts";
import { type Bench, printTable, type Verdict } from "./verdicts.ts";

const LENGTHS = [10, 20, 50];

interface Shape {
  kind: "chain" | "fan";
  stages: number;
  bare: Caller;
  coordinated: Caller;
  bareMs: number[];
  coordinatedMs: number[];
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
      shapes.push({
        kind,
        stages,
        bare,
        coordinated: coordinatorRun(coordinator, name),
        bareMs: [],
        coordinatedMs: [],
      });
    }
  }
  const runs = Math.max(3, Math.ceil(shots / 10));
  for (let round = -1; round < rounds; round += 1) {
    for (const { bare, coordinated, bareMs, coordinatedMs } of shapes) {
      const without = (await fire(1, runs, bare)).latencies;
      const within = (await fire(1, runs, coordinated)).latencies;
      if (round < 0) continue;
      bareMs.push(...without);
      coordinatedMs.push(...within);
    }
  }
  await floor.close();
  await coordinator.close();
  console.log(
    "\n## Chains and fans of instant stages, ms beyond the same calls from a bare Worker, 1 caller, p50\n",
  );
  printTable(
    ["", "bare", "(d)", "beyond, a stage", "of 10 stages'", "a further stage"],
    shapes.map((shape) => {
      const of10 = perStage(shape) / perStage(before(shapes, shape, LENGTHS[0]));
      const cells = [median(shape.bareMs), median(shape.coordinatedMs), perStage(shape), of10];
      return [`${shape.kind} of ${shape.stages}`, ...cells.map((n) => n.toFixed(2)), further(shapes, shape)];
    }),
  );
  return (["chain", "fan"] as const).flatMap((kind) => judge(shapes, kind));
}

function beyond({ bareMs, coordinatedMs }: Shape): number {
  return median(coordinatedMs) - median(bareMs);
}

function perStage(shape: Shape): number {
  return beyond(shape) / shape.stages;
}

function before(shapes: readonly Shape[], { kind }: Shape, stages: number | undefined): Shape {
  return shapes.find((shape) => shape.kind === kind && shape.stages === stages) as Shape;
}

function further(shapes: readonly Shape[], shape: Shape): string {
  const shorter = LENGTHS[LENGTHS.indexOf(shape.stages) - 1];
  return shorter === undefined ? "" : perFurther(before(shapes, shape, shorter), shape).toFixed(2);
}

function perFurther(short: Shape, long: Shape): number {
  return (beyond(long) - beyond(short)) / (long.stages - short.stages);
}

/** A cost that falls with the length is what a run costs anyway, spread thinner: only a rise breaks the target. */
function judge(shapes: readonly Shape[], kind: Shape["kind"]): Verdict[] {
  const [ten, twenty, fifty] = shapes.filter((shape) => shape.kind === kind);
  if (!ten || !twenty || !fifty) return [];
  const ratios = [twenty, fifty].map((shape) => perStage(shape) / perStage(ten));
  const early = perFurther(ten, twenty);
  const late = perFurther(twenty, fifty);
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
