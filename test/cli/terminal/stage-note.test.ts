// What is printed beside a stage.
import { expect, test } from "vitest";
import { noteOf } from "../../../src/cli/terminal/stage-note.ts";
import { event, EVENTS, fold } from "./run-events.ts";

test("the tries of a stage are named beside", () => {
  const end = event("stage.completed", 300, {
    stage: "write",
    data: { status: "completed", attempts: 2, cached: false, fallback: null },
  });
  const told = fold([...EVENTS, end])?.stages.find(({ name }) => name === "write");
  expect(told && noteOf(told)).toBe("(2 tries)");
});
