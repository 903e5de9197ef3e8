// src/contract/README.md section 13: what a stage's `input` may name, what it sees, and what follows where it cannot be
// evaluated.
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { PipelineStage, StageOverride } from "../../../src/contract/stage.ts";
import { stageInput } from "../../../src/core/execution/stage-input.ts";
import { stageOf } from "../../../src/core/execution/state.ts";
import { planStages } from "../../../src/core/pipeline/plan.ts";
import { validatePipeline } from "../../../src/core/pipeline/validate.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { HOSTILE_DATA, HOSTILE_EXPRESSIONS } from "../../support/values/hostile-expressions.ts";
import { ok, Play, side } from "../rules/play.ts";

const stages = (...written: object[]) =>
  written.map((fields) => PipelineStage.parse({ agent_type: "x", ...fields }));
const faults = (...written: object[]) =>
  validatePipeline(stages(...written)).map(({ pointer, message }) => `${pointer} ${message}`);
const after = (input: object, more: object = {}) => [
  { name: "a" },
  { name: "b", depends_on: ["a"], input, ...more },
];

describe("a stage's input, when it is written", () => {
  test("may be of any kind, and may name what is certain by then", () => {
    expect(
      faults(...after({ question: "query", docs: "results.a.sources", size: "size(query) + 1" })),
    ).toEqual([]);
  });

  test("each member is checked by itself, and named by its key", () => {
    expect(faults(...after({ fine: "query", "a/b": "query +", c: "nothing" }))).toEqual([
      expect.stringMatching(/^\/stages\/1\/input\/a~1b input\.a\/b: .*, of query \+$/),
      expect.stringMatching(/^\/stages\/1\/input\/c input\.c: .*nothing/),
    ]);
    expect(faults(...after({ docs: "results.z.sources" }))).toEqual([
      "/stages/1/input/docs input.docs: names results.z, which is not a stage of this pipeline (it may name a), of results.z.sources",
    ]);
  });

  test("is for stages that call an agent, and has a bound", () => {
    const wait = { name: "w", agent_type: undefined, wait: {}, input: { a: "1" } };
    expect(faults(wait).join()).toContain("input is for a stage that calls an agent");
    const many = Object.fromEntries(
      Array.from({ length: LIMITS.INPUT_KEYS + 1 }, (_, at) => [`k${at}`, "1"]),
    );
    expect(() => stages({ name: "a", input: many })).toThrow("at most 32 members");
  });

  test("one that an override gives is checked as well", () => {
    const change = { b: StageOverride.parse({ input: { docs: "results.z" } }) };
    const planned = planStages(stages(...after({ docs: "results.a" })), change, DEFAULT_CONFIG);
    expect(planned).toMatchObject({ ok: false, error: { errors: [{ pointer: "/stages/1/input/docs" }] } });
  });
});

describe("a stage's input, in a run", () => {
  const inputOf = (play: Play, name: string) => stageInput(play.state, name);

  test("sees the question, the results and the context as they are", () => {
    const input = { question: "query", docs: "results.a.docs.filter(d, d.good)", who: "context.user" };
    const play = new Play(
      [side("a"), side("b", { depends_on: ["a"], input })],
      {},
      { context: { user: "u" } },
    );
    play.answer("a", ok({ docs: [{ good: true, n: 1 }, { good: false }] }));
    expect(play.calls).toEqual(["b"]);
    expect(inputOf(play, "b")).toEqual({
      ok: true,
      value: { question: play.state.spec.query, docs: [{ good: true, n: 1 }], who: "u" },
    });
    expect(inputOf(play, "a")).toBeNull();
  });

  test("is of its own run, also where runs share a definition and the context", () => {
    const context = {};
    const definition = side("b", { input: { question: "query" } });
    const plays = ["one", "two"].map((query) => new Play([definition], {}, { context, query }));
    expect(plays.map((play) => inputOf(play, "b"))).toMatchObject([
      { value: { question: "one" } },
      { value: { question: "two" } },
    ]);
  });

  test("one that cannot be evaluated fails its stage without a call, and names the key and the expression", () => {
    const input = { fine: "query", docs: "results.a.docs[0]" };
    const play = new Play([side("a"), side("b", { depends_on: ["a"], input })]);
    play.answer("a", ok({ docs: [] }));
    expect(play.result("b")).toMatchObject({ status: "failed", attempts: 0 });
    const { code, message } = play.result("b").error ?? {};
    expect(code).toBe("INVALID_PIPELINE_CONFIG");
    expect(message).toMatch(/^input\.docs: .+, of results\.a\.docs\[0\]$/);
    expect(play.view.error_info).toMatchObject({ code: "INVALID_PIPELINE_CONFIG", failed_stage: "b" });
  });

  test("a fallback takes the place of a stage whose input cannot be evaluated", () => {
    const input = { docs: "results.a.docs[0]" };
    const fallback = { strategy: "use_default" as const, data: { answer: "none" } };
    const play = new Play([side("a"), side("b", { depends_on: ["a"], input, fallback })]);
    play.answer("a", ok({ docs: [] }));
    expect(play.result("b")).toMatchObject({ status: "completed", data: { answer: "none" } });
    const simple = { strategy: "use_simple_model" as const, agent_type: "simple" };
    const asking = new Play([side("a"), side("b", { depends_on: ["a"], input, fallback: simple })]);
    expect(asking.answer("a", ok({ docs: [] })).calls).toEqual(["b"]);
  });

  test("its size has a bound", () => {
    const input = { twice: "results.a.text + results.a.text" };
    const play = new Play([side("a"), side("b", { depends_on: ["a"], input })]);
    play.answer("a", ok({ text: "x".repeat(600_000) }));
    expect(play.result("b").error?.message).toMatch(/^input/);
  });

  test("inputs whose evaluation costs much are spread over several turns", () => {
    const input = { twice: "results.numbers.items.map(x, results.numbers.items[0] + x * 2.0 * 2.0 * 2.0)" };
    const names = Array.from({ length: 8 }, (_, at) => `s${at}`);
    const play = new Play(
      [side("numbers"), ...names.map((name) => side(name, { depends_on: ["numbers"], input }))],
      { max_concurrent_stages: 8 },
    );
    play.answer("numbers", ok({ items: Array.from({ length: 9_000 }, (_, at) => at) }));
    const first = play.calls.length;
    expect([first > 0, first < names.length]).toEqual([true, true]);
    expect(play.wakesIn).toBe(TIMINGS.CONDITION_GAP_MS);
    for (let turn = 0; turn < names.length; turn += 1) play.after(TIMINGS.CONDITION_GAP_MS).tick();
    expect(play.calls).toEqual(names);
  });
});

test("no hostile expression holds an input up: each is refused when written, or ends within the cost limit", () => {
  expect(HOSTILE_EXPRESSIONS.length).toBeGreaterThanOrEqual(40);
  const data = Object.keys(HOSTILE_DATA);
  for (const { name, when } of HOSTILE_EXPRESSIONS) {
    const input = { value: when };
    const written = [...data.map((stage) => ({ name: stage })), { name: "last", depends_on: data, input }];
    if (faults(...written).length > 0) continue;
    const play = new Play([...data.map((stage) => side(stage)), side("last", { depends_on: data, input })]);
    for (const stage of data) play.answer(stage, ok(HOSTILE_DATA[stage]));
    const { phase, result } = stageOf(play.state, "last");
    expect([phase, result.error?.code ?? "INVALID_PIPELINE_CONFIG"], name).toEqual([
      phase === "calling" ? "calling" : "ended",
      "INVALID_PIPELINE_CONFIG",
    ]);
  }
});
