// Every pipeline shape of one to five stages, with a crash at every point and, of all the smaller shapes and some of
// five stages (ONE_SHAPE_IN), at every pair of points. Nothing here is chance: the first stage is tried twice, the last
// is optional, the rest overlap. The simulation's assertions hold in each run, and whatever crashes, the outcome is the
// one of the run without a crash.
import { expect, test } from "vitest";
import type { CallFailure } from "../../src/core/resilience/classify.ts";
import { sizeOf } from "../support/sizes.ts";
import { type Dag, unlabelledDags } from "./simulation/dags.ts";
import type { Scenario } from "./simulation/scenario.ts";
import { makeSpec, makeStage } from "./simulation/spec.ts";
import { Tally } from "./simulation/tally.ts";
import { type Left, World } from "./simulation/world.ts";

const AWAY: CallFailure = {
  kind: "status",
  status: 503,
  detail: null,
  retryable: null,
  retry_after_ms: null,
};

function scenario(dag: Dag): Scenario {
  const stages = dag.map((before, at) =>
    makeStage(`s${at}`, {
      depends_on: before.map((from) => `s${from}`),
      parallel: at % 2 === 0,
      required: at !== dag.length - 1,
      retry_attempts: 2,
    }),
  );
  return {
    spec: makeSpec(stages, { retry_delay_seconds: 0.02 }),
    started_at: 1_764_000_000_000,
    verbs: [],
    unasked: [],
    said: () => [],
    plan: (stage, attempt) => {
      const fails = (stage.name === "s0" && attempt === 1) || !stage.required;
      return {
        duration_ms: 10,
        late_ms: null,
        outcome: fails
          ? { ok: false, failure: AWAY }
          : { ok: true, answer: { data: { from: stage.name } }, bytes: 13 },
      };
    },
    crashAt: () => false,
    downtime_ms: () => 1,
    lateness_ms: () => 0,
    setBack_ms: () => 0,
    groups: () => true,
    chance: () => 0.5,
  };
}

/** Runs a shape, from the start or from what a crash left; what became of it, and what a crash at each point would leave. */
function run(dag: Dag, from: Left | null, tally: Tally): { outcome: string; points: Left[] } {
  const points: Left[] = [];
  const world = new World(scenario(dag), tally, {
    mayBeSpared: true,
    points,
    ...(from === null ? {} : { from }),
  });
  try {
    world.run();
  } catch (cause) {
    const after = from === null ? "without a crash" : `after a crash that left ${from.disk.length} events`;
    throw new Error(`${(cause as Error).message} (shape ${JSON.stringify(dag)}, ${after})`, { cause });
  }
  const stages = world.state?.stages.map(({ result }) => [result.status, result.attempts, result.data]);
  return { outcome: JSON.stringify([world.state?.status, stages]), points };
}

/** One in so many shapes of five stages is crashed twice. */
const ONE_IN = sizeOf("ONE_SHAPE_IN");

/** What is behind a crash follows from what it left: equal ones have one future, and it is run once. */
const nameOf = ({ disk, time }: Left) => `${time} ${disk.join("\n")}`;

test("there are 342 shapes of one to five stages", () => {
  expect([1, 2, 3, 4, 5].map((nodes) => unlabelledDags(nodes).length)).toEqual([1, 2, 6, 31, 302]);
});

test(`a crash at any point, and at any two of one shape in ${ONE_IN}, changes no outcome`, {
  timeout: 120_000,
}, () => {
  const tally = new Tally();
  const counts = { points: 0, pairs: 0 };
  const began = performance.now();
  for (const [at, dag] of [1, 2, 3, 4, 5].flatMap(unlabelledDags).entries()) {
    const isCrashedTwice = dag.length < 5 || at % ONE_IN === 0;
    const undisturbed = run(dag, null, tally);
    const futures = new Map<string, Left[]>();
    const crash = (left: Left): Left[] => {
      const name = nameOf(left);
      const known = futures.get(name);
      if (known !== undefined) return known;
      const { outcome, points } = run(dag, left, tally);
      expect(outcome).toBe(undisturbed.outcome);
      futures.set(name, points);
      return points;
    };
    for (const first of undisturbed.points) {
      counts.points += 1;
      const points = crash(first);
      if (!isCrashedTwice) continue;
      for (const second of points) {
        counts.pairs += 1;
        crash(second);
      }
    }
  }
  const ms = Math.round(performance.now() - began);
  console.log(
    `342 shapes, ${counts.points} crash points, ${counts.pairs} pairs of them: ${tally.runs} different futures, ` +
      `each run to its end, ${ms} ms`,
  );
  expect(counts.points).toBeGreaterThan(5_000);
  expect(counts.pairs).toBeGreaterThan(100_000 / ONE_IN);
  expect(tally.runs).toBeGreaterThan(20_000 / ONE_IN);
  expect(tally.ends).toEqual(new Map([["completed", tally.runs]]));
});
