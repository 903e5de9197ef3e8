// What the demo prints of stages that map a list, repeat, or run a pipeline.
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/client/index.ts";
import { plainOutput } from "../../../src/cli/terminal/plain.ts";
import { noteOf } from "../../../src/cli/terminal/stage-note.ts";
import { event, fold } from "./run-events.ts";

const STAGES = [
  { name: "each", depends_on: [], map: { over: "[]" } },
  { name: "draft", depends_on: [], repeat: { until: "true", max: 5 } },
  { name: "sub", depends_on: [], pipeline: "inner" },
];
const start = () => event("execution.started", 0, { data: { stages: STAGES } });
const of = (type: string, stage: string, data: object = {}, item?: number): RunEvent =>
  event(type, 10, { stage, attempt: 1, data, ...(item === undefined ? {} : { item }) });
const result = { status: "completed", attempts: 1, cached: false, fallback: null };
const bad = { ...result, status: "failed", error: { message: "no such page" } };
const mapped = (total: number) => [start(), of("stage.started", "each", { items: total })];
const note = (name: string, events: RunEvent[]) => {
  const stage = fold(events)?.stages.find((each) => each.name === name);
  return stage && noteOf(stage);
};

test("items are counted, with those that failed, while they are at work and after", () => {
  const events = [
    ...mapped(10),
    of("stage.started", "each", {}, 0),
    of("stage.started", "each", {}, 1),
    of("stage.completed", "each", result, 0),
    of("stage.failed", "each", bad, 1),
  ];
  expect(note("each", mapped(10))).toBe("0/10");
  expect(note("each", events)).toBe("2/10, 1 failed");
  expect(note("each", [...events, of("stage.completed", "each", result)])).toBe("(10 items, 1 failed)");
});

test("an iteration is named with the most that there may be", () => {
  const first = [start(), of("stage.started", "draft", { iteration: 1 })];
  const second = [
    ...first,
    of("stage.iterated", "draft", { iteration: 1, data: {} }),
    of("stage.started", "draft", { iteration: 2 }),
  ];
  expect(note("draft", first)).toBe("iteration 1/5");
  expect(note("draft", second)).toBe("iteration 2/5");
  expect(note("draft", [...second, of("stage.completed", "draft", result)])).toBe("(2 iterations)");
});

test("a pipeline within that waits does not read like a question of the stage", () => {
  const expires_at = "2026-11-23T13:00:00.000Z";
  const waits = { reason: "execution", child_execution_id: "ex_1", expires_at };
  expect(note("sub", [start(), of("stage.started", "sub"), of("stage.waiting", "sub", waits)])).toBe(
    "its execution waits",
  );
});

test("plain lines come for each tenth of the items and each failure, and once for an iteration", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  const begun = mapped(40);
  const items = Array.from({ length: 40 }, (_, at) => [
    of("stage.started", "each", {}, at),
    at === 6 ? of("stage.failed", "each", bad, at) : of("stage.completed", "each", result, at),
  ]);
  const end = of("stage.completed", "each", result);
  const loop = [
    of("stage.started", "draft", { iteration: 1 }),
    of("stage.iterated", "draft", { iteration: 1, data: {} }),
    of("stage.started", "draft", { iteration: 2 }),
  ];
  const all = [...begun, ...items.flat(), end, ...loop];
  for (const each of all) output.event(each);
  const counts = [0, 4, 7, 8, 12, 16, 20, 24, 28, 32, 36, 40];
  expect(written.trimEnd().split("\n")).toEqual([
    ...counts.map((done) => `each running: ${done}/40${done < 7 ? "" : ", 1 failed"}`),
    "each completed in 0 ms (40 items, 1 failed)",
    "draft running: iteration 1/5",
    "draft running: iteration 2/5",
  ]);
});
