// Every pipeline shape of one to five stages, with a crash at every point and, of all the smaller shapes and some of
// five stages (ONE_SHAPE_IN), at every pair of points; and the smaller ones again with stages that wait for the outside,
// and with stages that map and repeat. Nothing here is chance: the first stage is tried twice, the last is optional, the
// rest overlap. The simulation's assertions hold in each run, and whatever crashes, the outcome is the one of the run
// without a crash.
import { expect, test } from "vitest";
import type { ResolvedStage } from "../../src/contract/stage.ts";
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

const DATA = { approved: true };

/**
 * The same shapes with the outside: of the stages, each second one asks, the others' agents answer 202 and call back.
 * The last one has no answer in time, the second one has its answer before it asks.
 */
function outside(dag: Dag): Scenario {
  const agents = scenario(dag);
  const last = `s${dag.length - 1}`;
  const stages = agents.spec.stages.map((stage, at): ResolvedStage => {
    if (at % 2 === 0) return { ...stage, callback_timeout_seconds: 2, heartbeat_seconds: 1 };
    const { name, depends_on, required } = stage;
    const wait = { prompt: "{'question': query}", timeout_seconds: 1, on_timeout: "fail" as const };
    return { name, depends_on, required, parallel: false, config: {}, wait };
  });
  return {
    ...agents,
    spec: { ...agents.spec, stages },
    unasked: dag.length === 3 ? [{ after_ms: 0, stage: "s1", answer: { ok: true, data: DATA } }] : [],
    said: (stage) =>
      stage === last ? [] : [{ at: 5, answer: { ok: true, data: DATA }, by: "key:1", bound: "this" }],
    plan: (stage, attempt, kind) => {
      const plan = agents.plan(stage, attempt, kind);
      const callbacks = stage.name === last ? [] : [{ at: 25, outcome: plan.outcome }];
      return { ...plan, later: { callbacks, heartbeats: stage.name === last ? [200] : [] } };
    },
  };
}

/**
 * The same shapes with lists: of the stages, each second one maps two items, one at a time, of which the second is tried
 * twice; the others repeat, and are good in their third iteration.
 */
function lists(dag: Dag): Scenario {
  const agents = scenario(dag);
  const stages = agents.spec.stages.map((stage, at): ResolvedStage => {
    if (stage.agent_type === undefined) return stage;
    const repeat = { until: "iteration >= 3", max: 4, on_max: "fail" as const };
    if (at % 2 === 1) return { ...stage, repeat };
    const map = { over: "[7, 8]", max_items: 2, concurrency: 1, on_error: "collect" as const };
    return { ...stage, map };
  });
  return { ...agents, spec: { ...agents.spec, stages }, groups: () => false };
}

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

type Model = (dag: Dag) => Scenario;

/** Runs a shape, from the start or from what a crash left; what became of it, and what a crash at each point would leave. */
function run(model: Model, dag: Dag, from: Left | null, tally: Tally): { outcome: string; points: Left[] } {
  const points: Left[] = [];
  const world = new World(model(dag), tally, {
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

/** Crashes each shape at every point, and those that `isCrashedTwice` at every pair: no outcome may change. */
function crashEverywhere(
  model: Model,
  dags: readonly Dag[],
  isCrashedTwice: (dag: Dag, at: number) => boolean,
): { tally: Tally; points: number; pairs: number } {
  const tally = new Tally();
  const counts = { points: 0, pairs: 0 };
  for (const [at, dag] of dags.entries()) {
    const undisturbed = run(model, dag, null, tally);
    const futures = new Map<string, Left[]>();
    const crash = (left: Left): Left[] => {
      const name = nameOf(left);
      const known = futures.get(name);
      if (known !== undefined) return known;
      const { outcome, points } = run(model, dag, left, tally);
      expect(outcome).toBe(undisturbed.outcome);
      futures.set(name, points);
      return points;
    };
    for (const first of undisturbed.points) {
      counts.points += 1;
      const points = crash(first);
      if (!isCrashedTwice(dag, at)) continue;
      for (const second of points) {
        counts.pairs += 1;
        crash(second);
      }
    }
  }
  return { tally, ...counts };
}

test(`a crash at any point, and at any two of one shape in ${ONE_IN}, changes no outcome`, {
  timeout: 120_000,
}, () => {
  const began = performance.now();
  const dags = [1, 2, 3, 4, 5].flatMap(unlabelledDags);
  const isCrashedTwice = (dag: Dag, at: number) => dag.length < 5 || at % ONE_IN === 0;
  const { tally, points, pairs } = crashEverywhere(scenario, dags, isCrashedTwice);
  const ms = Math.round(performance.now() - began);
  console.log(
    `342 shapes, ${points} crash points, ${pairs} pairs of them: ${tally.runs} different futures, ` +
      `each run to its end, ${ms} ms`,
  );
  expect(points).toBeGreaterThan(5_000);
  expect(pairs).toBeGreaterThan(100_000 / ONE_IN);
  expect(tally.runs).toBeGreaterThan(20_000 / ONE_IN);
  expect(tally.ends).toEqual(new Map([["completed", tally.runs]]));
});

test("a crash at any point, and at any two, changes no outcome of a shape of up to four stages that wait for the outside", {
  timeout: 120_000,
}, () => {
  const began = performance.now();
  const dags = [1, 2, 3, 4].flatMap(unlabelledDags);
  const { tally, points, pairs } = crashEverywhere(outside, dags, (dag) => dag.length < 4 || ONE_IN === 1);
  const ms = Math.round(performance.now() - began);
  console.log(`40 shapes, ${points} crash points, ${pairs} pairs of them: ${tally.runs} futures, ${ms} ms`);
  expect(points).toBeGreaterThan(500);
  expect(pairs).toBeGreaterThan(1_000);
  expect(tally.ends).toEqual(new Map([["completed", tally.runs]]));
  for (const kind of ["wait for an answer", "wait for a callback", "complete", "callback", "heartbeat"]) {
    expect(tally.verbs.get(kind) ?? 0, kind).toBeGreaterThan(50);
  }
  expect(tally.faults.get("answer: early") ?? 0).toBeGreaterThan(20);
  expect(tally.faults.get("no heartbeat") ?? 0).toBeGreaterThan(50);
});

test("a crash at any point, and at any two, changes no outcome of a shape of up to three stages that map and repeat", {
  timeout: 120_000,
}, () => {
  const began = performance.now();
  const dags = [1, 2, 3].flatMap(unlabelledDags);
  const { tally, points, pairs } = crashEverywhere(
    lists,
    dags,
    (dag, at) => dag.length < 3 || at % ONE_IN === 0,
  );
  const ms = Math.round(performance.now() - began);
  console.log(`9 shapes, ${points} crash points, ${pairs} pairs of them: ${tally.runs} futures, ${ms} ms`);
  expect(points).toBeGreaterThan(200);
  expect(pairs).toBeGreaterThan(1_000);
  expect(tally.ends).toEqual(new Map([["completed", tally.runs]]));
  const kinds = ["item called again", "iteration: called again", "item tried again", "map: all items"];
  for (const kind of kinds) expect(tally.units.get(kind) ?? 0, kind).toBeGreaterThan(20);
});
