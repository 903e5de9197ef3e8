// The time of a stage's row: its wait for its agent is shown beside it, and is no part of it.
import { expect, test } from "vitest";
import { pendingStage, type StageSpan, type StageView } from "../../../src/client/index.ts";
import { queuedTimeOf, queueWords, timeOf } from "../../../src/console/run/path.ts";

const definition = {
  name: "s",
  agent_type: "a",
  required: true,
  parallel: false,
  depends_on: [],
  config: {},
};
const span = (kind: StageSpan["kind"], from: number, to: number | null): StageSpan => ({
  kind,
  attempt: 1,
  from,
  to,
  outcome: to === null ? "running" : "completed",
});
const stage: StageView = {
  ...pendingStage(definition),
  spans: [span("queued", 0, 30), span("try", 30, 100), span("wait", 100, 400), span("queued", 150, null)],
};

test("tries and the waits between them count, up to now", () => {
  expect(timeOf(stage, 200)).toBe(170);
});

test("so do the waits for the agent, apart", () => {
  expect(queuedTimeOf(stage, 200)).toBe(80);
  expect(queuedTimeOf(pendingStage(definition), 200)).toBe(0);
});

test.each([
  ["concurrency", "a place at its agent (concurrency)"],
  ["rate", "its agent’s rate of calls (rate)"],
  ["retry_after", "the time its agent asked for (Retry-After)"],
] as const)("%s is a wait for %s", (reason, words) => {
  expect(queueWords(reason)).toBe(words);
});
