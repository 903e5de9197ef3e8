// Where results of a question lie, and which runs are at it.
import { assert, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { asksCache, placeOf, rangesOf, runQuestion } from "../../../src/core/caching/run-question.ts";
import { RunsAtQuestion } from "../../../src/core/caching/runs-at-question.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

const isIn = (number: number, [first, last]: readonly [number, number]) => first <= number && number <= last;

describe("a place", () => {
  test("is a whole number that storage and JavaScript hold exactly, and its ranges lie in each other", () => {
    assert(
      property(string(), string(), string(), (question, history, input) => {
        const place = placeOf(question, history, input);
        const { start, history: line, question: all } = rangesOf(place);
        expect(Number.isSafeInteger(place) && Number.isSafeInteger(all[1])).toBe(true);
        expect(start).toEqual([place, place + 255]);
        expect(isIn(start[0], line) && isIn(start[1], line)).toBe(true);
        expect(isIn(line[0], all) && isIn(line[1], all)).toBe(true);
      }),
    );
  });

  test("of the same question, with another history or input, is in the question's range", () => {
    assert(
      property(string(), string(), string(), (question, history, input) => {
        const place = placeOf(question, history, input);
        expect(isIn(placeOf(question, history, "other"), rangesOf(place).history)).toBe(true);
        expect(isIn(placeOf(question, "", ""), rangesOf(place).question)).toBe(true);
      }),
    );
  });

  test("differs from question to question", () => {
    const places = Array.from(
      { length: 2_000 },
      (_, at) => rangesOf(placeOf(`question ${at}`, "[]", "")).question[0],
    );
    expect(new Set(places).size).toBe(2_000);
  });
});

describe("a run's question", () => {
  test("has the longest time in which a result is of use", () => {
    const stages = [
      makeStage("a", { cache: { ttl_seconds: 7 } }),
      makeStage("b", { cache: { ttl_seconds: 900 } }),
    ];
    expect(runQuestion(makeSpec(stages), 5)).toMatchObject({ ttl_seconds: 900, until: 5 });
  });

  test.each([
    ["no stage may be answered", makeSpec([makeStage("a", { cache: false })])],
    ["results are kept for the fallback alone", makeSpec([makeStage("a")], { enable_caching: false })],
    ["the cache is bypassed", makeSpec([makeStage("a")], {}, { bypass_cache: true })],
    ["no agent is registered", makeSpec([makeStage("a")], {}, { agents: {} })],
  ])("is not asked where %s", (_why, spec) => {
    expect(asksCache(spec)).toBe(false);
    expect(asksCache(makeSpec([makeStage("a"), makeStage("b", { cache: false })]))).toBe(true);
  });
});

describe("runs at a question", () => {
  test("know of each other until one is over, or its time is", () => {
    const runs = new RunsAtQuestion();
    runs.note(1, "one", 100, false);
    runs.note(1, "two", 200, true);
    runs.note(2, "three", 300, true);
    expect(runs.others(1, "one", 50)).toEqual([{ execution_id: "two", isSharing: true }]);
    expect(runs.others(1, "two", 50)).toEqual([{ execution_id: "one", isSharing: false }]);
    runs.shares(1, "one");
    expect(runs.others(1, "two", 50)).toEqual([{ execution_id: "one", isSharing: true }]);
    // It comes up again after a crash, alone.
    runs.note(1, "one", 120, false);
    expect(runs.others(1, "two", 119)).toEqual([{ execution_id: "one", isSharing: false }]);
    expect(runs.others(1, "two", 120)).toEqual([]);
    runs.over(1, "two");
    runs.shares(1, "two");
    expect(runs.others(1, "one", 50)).toEqual([]);
    expect(runs.others(2, "one", 50)).toHaveLength(1);
  });

  test("are bounded: those that were noted first are forgotten", () => {
    const runs = new RunsAtQuestion();
    for (let at = 0; at < 20_010; at += 1) runs.note(at, "run", 1_000, false);
    expect([9, 10, 20_009].map((place) => runs.others(place, "other", 0).length)).toEqual([0, 1, 1]);
  });
});
