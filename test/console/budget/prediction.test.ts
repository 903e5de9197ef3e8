// What the rest of a paused run is expected to cost: of each recorded run what the stages took that are not over here.
import { expect, test } from "vitest";
import { pendingStage, type Metrics, type StageView } from "../../../src/client/index.ts";
import { predictRest } from "../../../src/console/budget/prediction.ts";

const stage = (name: string, status: StageView["status"]): StageView => {
  const definition = { name, agent_type: "a", required: true, parallel: false, depends_on: [], config: {} };
  return { ...pendingStage(definition), status };
};
const recorded = (...runs: Record<string, number>[]) =>
  ({ cost: { recent_runs: runs.map((by_stage) => ({ by_stage })) } }) as unknown as Metrics;

test("stages that are over are not paid again, all others are", () => {
  const stages = [
    stage("ended", "completed"),
    stage("passed", "skipped"),
    stage("asks", "waiting"),
    stage("again", "retrying"),
    stage("next", "pending"),
  ];
  const runs = recorded({ ended: 8, passed: 4, asks: 1, again: 0.5, next: 0.25 }, { ended: 8, next: 0.5 });
  expect(predictRest(runs, stages)).toMatchObject({ p95_usd: 1.75, runs: 2 });
});

test("without a recorded run nothing is predicted", () => {
  expect(predictRest(recorded(), [stage("next", "pending")])).toBeNull();
});
