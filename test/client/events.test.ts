// What a callback of the client sees beside an event's own fields: `partial_answer`, the text so far while a stage runs
// and the answer where a stage or the execution completes.
import { describe, expect, test } from "vitest";
import { UpdateReader, type WireEvent } from "../../src/client/events.ts";

const run = { execution_id: "e", timestamp: "2026-11-23T12:00:00.000Z", message: "" };
const result = { cached: false, fallback: null };

function delta(stage: string, partial_answer: string, offset: number, attempt = 1): WireEvent {
  return {
    execution_id: "e",
    type: "stage.delta",
    stage,
    attempt,
    status: "running",
    data: { partial_answer, offset },
  };
}

function completed(stage: string, data: unknown, more: Record<string, unknown> = {}, attempt = 1): WireEvent {
  const event = { ...run, seq: 1, type: "stage.completed", stage, status: "completed", attempt };
  return { ...event, data: { ...result, stage, data, ...more } } as WireEvent;
}

function ended(final_result: unknown, final_stages?: string[], type = "execution.completed"): WireEvent {
  const status = type.slice("execution.".length);
  return { ...run, seq: 2, type, status, data: { final_result, final_stages } } as unknown as WireEvent;
}

/** The `partial_answer` of each update; undefined where it has none. */
function answersOf(...events: WireEvent[]): (string | undefined)[] {
  const reader = new UpdateReader();
  return events.map((event) => reader.update(event).partial_answer);
}

describe("a running stage", () => {
  test("each delta has the whole text beside its own piece", () => {
    const reader = new UpdateReader();
    reader.update(delta("one", "Wind ", 0));
    reader.update(delta("two", "other", 0));
    expect(reader.update(delta("one", "blows", 5))).toEqual({
      ...delta("one", "blows", 5),
      text: "Wind blows",
      partial_answer: "Wind blows",
    });
  });

  test("a new attempt empties the text, and an offset cuts it", () => {
    expect(answersOf(delta("s", "abc", 0), delta("s", "X", 1), delta("s", "new", 0, 2))).toEqual([
      "abc",
      "aX",
      "new",
    ]);
  });

  test("an event without text is passed on as it is", () => {
    const progress: WireEvent = {
      execution_id: "e",
      type: "stage.progress",
      stage: "s",
      attempt: 1,
      status: "running",
      message: "m",
      data: { message: "m" },
    };
    expect(new UpdateReader().update(progress)).toBe(progress);
  });
});

describe("a completed stage", () => {
  test("has its answer, else its whole text", () => {
    expect(answersOf(delta("s", "text", 0), completed("s", { answer: "answer" }))[1]).toBe("answer");
    expect(answersOf(delta("s", "te", 0), delta("s", "xt", 2), completed("s", { n: 1 }))[2]).toBe("text");
    expect(answersOf(delta("s", "text", 0), completed("s", { answer: 7 }))[1]).toBe("text");
  });

  test("has none where it wrote none", () => {
    expect(answersOf(completed("s", { n: 1 }), completed("t", null))).toEqual([undefined, undefined]);
    expect(Object.hasOwn(new UpdateReader().update(completed("s", {})), "partial_answer")).toBe(false);
  });

  test("has no text of another attempt, and none that a fallback or the cache replaced", () => {
    const text = delta("s", "half", 0);
    expect(answersOf(text, completed("s", { n: 1 }, {}, 2))[1]).toBe(undefined);
    expect(answersOf(text, completed("s", { n: 1 }, { cached: true }))[1]).toBe(undefined);
    const fallback = { strategy: "use_default", reason: "" };
    expect(answersOf(text, completed("s", { n: 1 }, { fallback }))[1]).toBe(undefined);
    expect(answersOf(text, completed("s", { answer: "default" }, { fallback }))[1]).toBe("default");
  });
});

describe("a completed execution", () => {
  test("has the answer of its final result", () => {
    expect(answersOf(ended({ answer: "yes" }, ["s"]))).toEqual(["yes"]);
  });

  test("has the final stage's text where the result has no answer", () => {
    const events = [delta("first", "not this", 0), completed("first", {}), delta("last", "this", 0)];
    expect(answersOf(...events, completed("last", {}), ended({ n: 1 }, ["last"])).at(-1)).toBe("this");
  });

  test("has it where the event left out its bulk", () => {
    expect(answersOf(completed("last", { answer: "long" }), ended(null, ["last"])).at(-1)).toBe("long");
  });

  test("of several final stages it is the last one that has an answer", () => {
    const stages = [completed("a", { answer: "A" }), completed("b", { answer: "B" }), completed("c", {})];
    expect(answersOf(...stages, ended({ a: {}, b: {}, c: {} }, ["a", "b", "c"])).at(-1)).toBe("B");
  });

  test("has none where it failed, was cancelled, or has no answer", () => {
    const stage = completed("s", { answer: "early" });
    expect(answersOf(stage, ended({ n: 1 }, ["other"])).at(-1)).toBe(undefined);
    expect(answersOf(stage, ended(null, ["s"], "execution.failed")).at(-1)).toBe(undefined);
    expect(answersOf(stage, ended(null, ["s"], "execution.cancelled")).at(-1)).toBe(undefined);
    // Logs of version 0.1.0 do not name the final stages.
    expect(answersOf(ended("text")).at(-1)).toBe(undefined);
  });
});
