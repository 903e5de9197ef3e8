// The fold of a run's text: what a reader that can only append, or take back a whole part, is sent.
import { describe, expect, test } from "vitest";
import {
  AnswerFold,
  type AnswerFoldOptions,
  answerText,
  type StreamEvent,
} from "../../../src/core/dialects/answer-fold.ts";

/** A run of these stages, event by event; says what each event changes. */
function run(depends: Record<string, string[]>, options?: AnswerFoldOptions) {
  const fold = new AnswerFold(options);
  let seq = 0;
  const push = (event: object) => {
    const operations = fold.push({ execution_id: "e", ...event } as unknown as StreamEvent);
    return operations.map((operation) => {
      const { stage, call } = operation.part;
      const text = operation.type === "append" ? ` ${operation.text}` : "";
      return `${operation.type} ${stage}-${call}${text}`;
    });
  };
  const logged = (type: string, more: object = {}) => {
    seq += 1;
    return push({ type, seq, data: {}, ...more });
  };
  const stages = Object.entries(depends).map(([name, depends_on]) => ({ name, depends_on }));
  logged("execution.started", { data: { stages } });
  return {
    fold,
    logged,
    started: (attempt = 1, stage = "s") => logged("stage.started", { stage, attempt }),
    delta: (partial_answer: string, offset: number, attempt = 1, stage = "s") =>
      push({ type: "stage.delta", stage, attempt, data: { partial_answer, offset } }),
    completed: (data: object | null, stage = "s") => logged("stage.completed", { stage, data: { data } }),
    failed: (stage = "s") => logged("stage.failed", { stage }),
    cancelled: (stage = "s") => logged("stage.cancelled", { stage }),
  };
}

const one = () => run({ s: [] });

test("pieces are appended to one part, which its result closes", () => {
  const { started, delta, completed } = one();
  expect(started()).toEqual([]);
  expect(delta("Heat ", 0)).toEqual(["open s-2", "append s-2 Heat "]);
  expect(delta("pumps", 5)).toEqual(["append s-2 pumps"]);
  expect(completed({ answer: "Heat pumps" })).toEqual(["close s-2"]);
});

test("a result is the text where nothing was heard, and its rest where it goes on", () => {
  const unheard = one();
  unheard.started();
  expect(unheard.completed({ answer: "All" })).toEqual(["open s-2", "append s-2 All", "close s-2"]);
  const begun = one();
  begun.started();
  begun.delta("Al", 0);
  expect(begun.completed({ answer: "All" })).toEqual(["append s-2 l", "close s-2"]);
});

test("what was said counts where the result says something else", () => {
  const { started, delta, completed } = one();
  started();
  delta("One", 0);
  expect(completed({ answer: "Two" })).toEqual(["close s-2"]);
});

test("a further try that says the same costs nothing, and goes on where the first had ended", () => {
  const { started, delta, logged, completed } = one();
  started();
  delta("Heat pumps", 0);
  logged("stage.retrying", { stage: "s", attempt: 1 });
  expect(started(2)).toEqual([]);
  expect(delta("Heat ", 0, 2)).toEqual([]);
  expect(delta("pumps move", 5, 2)).toEqual(["append s-2  move"]);
  expect(completed({ answer: "Heat pumps move" })).toEqual(["close s-2"]);
});

test("a further try that says something else voids the part", () => {
  const { started, delta } = one();
  started();
  delta("Wrong start", 0);
  started(2);
  expect(delta("Wr", 0, 2)).toEqual([]);
  expect(delta("ite", 2, 2)).toEqual(["void s-2", "open s-3", "append s-3 Write"]);
  expect(delta(" on", 5, 2)).toEqual(["append s-3  on"]);
});

test("a new attempt that says nothing empties the text", () => {
  const silent = one();
  silent.started();
  silent.delta("Wrong", 0);
  silent.started(2);
  expect(silent.completed({ answer: "" })).toEqual(["void s-2"]);
  const shorter = one();
  shorter.started();
  shorter.delta("Heat pumps", 0);
  shorter.started(2);
  shorter.delta("Heat", 0, 2);
  expect(shorter.completed({ answer: "Heat" })).toEqual([
    "void s-2",
    "open s-3",
    "append s-3 Heat",
    "close s-3",
  ]);
});

test("text that is cut back within a call is another part of that call", () => {
  const { started, delta, completed } = one();
  started();
  delta("abc", 0);
  expect(delta("", 1)).toEqual([]);
  expect(delta("bc", 1)).toEqual([]);
  expect(delta("X", 1)).toEqual(["void s-2", "open s-2.2", "append s-2.2 aX"]);
  expect(delta("Y", 0)).toEqual(["void s-2.2", "open s-2.3", "append s-2.3 Y"]);
  expect(completed({ answer: "Y" })).toEqual(["close s-2.3"]);
});

test("a late reader's text so far, and the repeated text of a stream that is taken up again", () => {
  const { started, delta } = one();
  started();
  expect(delta("Heat pumps", 0)).toEqual(["open s-2", "append s-2 Heat pumps"]);
  // A stream of another instance begins with the text so far.
  expect(delta("Heat pumps move", 0)).toEqual(["append s-2  move"]);
  expect(delta("", 0)).toEqual([]);
  expect(delta("Heat pumps move", 0)).toEqual([]);
});

test("a delta of an attempt that is over is late", () => {
  const { started, delta } = one();
  started();
  started(2);
  expect(delta("old", 0, 1)).toEqual([]);
});

test("a failed stage's text is void, a cancelled one's is kept", () => {
  const failing = one();
  failing.started();
  failing.delta("Wrong", 0);
  expect(failing.failed()).toEqual(["void s-2"]);
  expect(failing.logged("execution.failed")).toEqual([]);
  const stopped = one();
  stopped.started();
  stopped.delta("Half", 0);
  expect(stopped.cancelled()).toEqual(["close s-2"]);
  const lost = one();
  lost.started();
  lost.delta("Half", 0);
  expect(lost.fold.open).toHaveLength(1);
  expect(lost.logged("execution.cancelled")).toEqual(["close s-2"]);
  expect(lost.fold.open).toEqual([]);
});

test("a cancelled stage keeps only what its last try has said", () => {
  const silent = one();
  silent.started();
  silent.delta("Wrong", 0);
  silent.started(2);
  expect(silent.cancelled()).toEqual(["void s-2"]);
  const shorter = one();
  shorter.started();
  shorter.delta("Heat pumps", 0);
  shorter.started(2);
  shorter.delta("Heat", 0, 2);
  expect(shorter.cancelled()).toEqual(["void s-2", "open s-3", "append s-3 Heat", "close s-3"]);
});

test("a result that is taken over from another run is a part of its own event", () => {
  expect(one().completed({ answer: "Kept" })).toEqual(["open s-2", "append s-2 Kept", "close s-2"]);
});

test("only the last stages' text is the answer; other stages' text on request", () => {
  const depends = { plan: [], a: ["plan"], b: ["plan"] };
  const plain = run(depends);
  plain.started(1, "plan");
  expect(plain.delta("thinking", 0, 1, "plan")).toEqual([]);
  plain.started(1, "a");
  plain.started(1, "b");
  expect(plain.delta("A", 0, 1, "a")).toEqual(["open a-3", "append a-3 A"]);
  expect(plain.delta("B", 0, 1, "b")).toEqual(["open b-4", "append b-4 B"]);
  expect(plain.fold.open.map(({ stage, isAnswer }) => [stage, isAnswer])).toEqual([
    ["a", true],
    ["b", true],
  ]);
  const all = run(depends, { allStages: true });
  all.started(1, "plan");
  expect(all.delta("thinking", 0, 1, "plan")).toEqual(["open plan-2", "append plan-2 thinking"]);
  expect(all.fold.open.map(({ isAnswer }) => isAnswer)).toEqual([false]);
});

describe("answerText", () => {
  test.each([
    [{ answer: "a", text: "b" }, "a"],
    [{ text: "b" }, "b"],
    [{ answer: 1, content: "c" }, "c"],
    [{ value: 1 }, '{"value":1}'],
    [null, ""],
  ])("of %j is %j", (data, text) => {
    expect(answerText(data)).toBe(text);
  });
});
