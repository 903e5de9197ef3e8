// What is printed beside a stage.
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/client/index.ts";
import { noteOf } from "../../../src/cli/terminal/stage-note.ts";
import { event, EVENTS, fold, mapped, of, result, start } from "./run-events.ts";

test("the tries of a stage are named beside", () => {
  const end = event("stage.completed", 300, {
    stage: "write",
    data: { status: "completed", attempts: 2, cached: false, fallback: null },
  });
  const told = fold([...EVENTS, end])?.stages.find(({ name }) => name === "write");
  expect(told && noteOf(told)).toBe("(2 tries)");
});

const bad = { ...result, status: "failed", error: { message: "no such page" } };
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

test("a call that waits for its agent says why, and until when", () => {
  const until = new Date(2026, 10, 23, 12, 0, 5).toISOString();
  const queued = (data: object) => note("draft", [start(), of("stage.queued", "draft", data)]);
  expect(queued({ reason: "concurrency" })).toBe("waits for a place at its agent (concurrency)");
  expect(queued({ reason: "rate", until })).toBe("waits until 12:00:05 for a place at its agent (rate)");
  expect(queued({ reason: "retry_after", until })).toBe(
    "waits until 12:00:05: the agent asked for time (Retry-After)",
  );
});
