// src/contract/README.md section 2: what a stage's `when` may name and what it sees, and that conditions do not hold
// a turn up.
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import type { DefinitionError } from "../../../src/contract/problem.ts";
import { PipelineStage, StageOverride } from "../../../src/contract/stage.ts";
import { changedStages } from "../../../src/core/pipeline/edit.ts";
import { leftOut, planAlone, planStages } from "../../../src/core/pipeline/plan.ts";
import { validatePipeline } from "../../../src/core/pipeline/validate.ts";
import { checkDefinition } from "../../../src/core/pipeline/verdict.ts";
import { RAG } from "../../../src/pipelines/rag.ts";
import { HOSTILE_DATA } from "../../support/values/hostile-expressions.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { ok, Play, side } from "./play.ts";

const stages = (...written: object[]) =>
  written.map((fields) => PipelineStage.parse({ agent_type: "x", ...fields }));
const messages = (...written: object[]) => validatePipeline(stages(...written)).map(({ message }) => message);

function plan(written: object[], overrides: Record<string, object>) {
  const parsed = Object.fromEntries(
    Object.entries(overrides).map(([name, fields]) => [name, StageOverride.parse(fields)]),
  );
  return planStages(stages(...written), parsed, DEFAULT_CONFIG);
}
const faults = (written: object[], overrides: Record<string, object>) => {
  const planned = plan(written, overrides);
  return planned.ok || !("errors" in planned.error) ? [] : planned.error.errors.map((fault) => fault);
};

const chain = (when: string) => [
  { name: "a" },
  { name: "b", depends_on: ["a"] },
  { name: "c", depends_on: ["b"], when },
  { name: "d" },
];

describe("a name that no stage has, or that this stage does not depend on, is refused when the pipeline is written", () => {
  test("it says which stage, which name, and what it could be", () => {
    expect(messages(...chain("results.e.n == 1"))).toEqual([
      "when: names results.e, which is not a stage of this pipeline (it may name b, a), of results.e.n == 1",
    ]);
    expect(messages(...chain('results["d"] == null'))).toEqual([
      'when: names results.d, on which c does not depend (it may name b, a), of results["d"] == null',
    ]);
    expect(messages({ name: "a", when: "has(results.a.n)" })).toEqual([
      "when: names results.a, on which a does not depend (a depends on no stage), of has(results.a.n)",
    ]);
    expect(validatePipeline(stages(...chain("results.?e.?n.orValue(1) == 1")))).toMatchObject([
      { code: "INVALID_PIPELINE_CONFIG", stage: "c" },
    ]);
  });

  test("results that are certain by then are named freely: dependencies of dependencies too", () => {
    expect(messages(...chain("results.b.n == 1 && results.a != null"))).toEqual([]);
    // A key that is computed cannot be checked.
    expect(messages(...chain("results[query] == null && size(results) > 1"))).toEqual([]);
    expect(messages(...chain("context.results.e == 1"))).toEqual([]);
    expect(validatePipeline(RAG.stages)).toEqual([]);
  });

  test("long names and many names make no long message", () => {
    const many = Array.from({ length: 40 }, (_, at) => ({ name: `stage_${at}` }));
    const depends_on = many.map(({ name }) => name);
    const when = `results["${"n".repeat(3_000)}"] == null`;
    const [message] = messages(...many, { name: "z", depends_on, when });
    expect(message).toMatch(/names results\.n{64}…, which .* and 30 more\), of results\["n{191}…$/);
    expect(message?.length).toBeLessThan(600);
  });

  test("a missing dependency is one fault, not two", () => {
    expect(messages({ name: "a", depends_on: ["b"], when: "results.b.n == 1" })).toEqual([
      "depends on b, which is not a stage of this pipeline",
    ]);
  });

  test("in validate, in PUT, with a stage more and with one less", () => {
    expect(checkDefinition(stages(...chain("results.e == null")))).toMatchObject({
      valid: false,
      errors: [{ code: "INVALID_PIPELINE_CONFIG", stage: "c" }],
    });
    const [a, b, c, d] = stages(...chain("results.a.n == 1"));
    if (!a || !b || !c || !d) throw new Error("four stages");
    const change = (...args: Parameters<typeof changedStages>) => {
      const changed = changedStages(...args);
      return changed.ok
        ? null
        : (changed.error as { errors: DefinitionError[] }).errors.map(({ stage }) => stage);
    };
    expect(change("p", null, { kind: "replace", stages: [a, b, c, d] })).toBeNull();
    expect(change("p", null, { kind: "replace", stages: [a, b, { ...c, depends_on: [] }] })).toEqual(["c"]);
    expect(change("p", [a], { kind: "add_stage", stage: { ...c, depends_on: [] }, before: null })).toEqual([
      "c",
    ]);
    const rewired = [
      a,
      { ...b, depends_on: [] },
      { ...c, depends_on: ["b", "d"], when: "results.d == null" },
      d,
    ];
    expect(change("p", rewired, { kind: "remove_stage", stage: "d" })).toEqual(["c"]);
    expect(change("p", rewired, { kind: "remove_stage", stage: "a" })).toBeNull();
  });

  test("stages/execute: the inputs given, and what it depends on, may be named", () => {
    const [stage] = stages({ name: "c", depends_on: ["b"], when: "results.a.n == 1 && results.b == null" });
    if (!stage) throw new Error("a stage");
    expect(planAlone(stage, ["a"], DEFAULT_CONFIG).ok).toBe(true);
    expect(planAlone(stage, [], DEFAULT_CONFIG)).toMatchObject({
      error: { code: "INVALID_PIPELINE_CONFIG", errors: [{ stage: "c" }] },
    });
    const costly = { ...stage, when: "[1].all(a, results.b.all(b, results.b.all(c, b == c)))" };
    expect(planAlone(costly, ["b"], DEFAULT_CONFIG).ok).toBe(false);
  });
});

describe("pipeline_config", () => {
  test("is checked where it replaces when", () => {
    const written = chain("true");
    expect(faults(written, { c: { when: "results.a == null" } })).toEqual([]);
    expect(faults(written, { c: { when: "results.d == null" } })).toMatchObject([{ stage: "c" }]);
    expect(faults(written, { c: { when: "results.e == null" } })).toMatchObject([{ stage: "c" }]);
    expect(faults(written, { c: { when: "query.matches('a')" } })).toMatchObject([{ stage: "c" }]);
    expect(faults(written, { c: { when: "results.d == null", depends_on: ["d"] } })).toEqual([]);
  });

  test("is checked where it replaces depends_on, of this stage or of one before it", () => {
    const written = chain("results.a == null");
    expect(faults(written, { c: { depends_on: ["d"] } })).toMatchObject([{ stage: "c" }]);
    expect(faults(written, { b: { depends_on: [] } })).toMatchObject([
      { stage: "c", message: expect.stringContaining("results.a, on which c does not depend") },
    ]);
    expect(faults(written, { b: { depends_on: ["d", "a"] } })).toEqual([]);
  });

  test("may leave out a stage that a condition names: its result is null", () => {
    const written = chain("results.b == null || results.b.n > 3.0");
    const overrides = { b: { enabled: false } };
    expect(faults(written, overrides)).toEqual([]);
    expect(faults(written, { ...overrides, c: { when: "results.b == null" } })).toEqual([]);
    expect(faults(written, { ...overrides, c: { depends_on: [] } })).toMatchObject([{ stage: "c" }]);
    expect(leftOut({ b: { enabled: false }, c: { enabled: true }, d: {} })).toEqual(["b"]);
    // A condition of a stage that does not run is not evaluated.
    expect(faults(written, { c: { enabled: false, when: "1 +" } })).toEqual([]);
  });

  test("does not refuse what was stored before the check: it runs as it did", () => {
    const stored = chain("results.e.n == 1 || query.matches('a')");
    expect(plan(stored, {}).ok).toBe(true);
    expect(plan(stored, { a: { timeout_seconds: 5 }, d: { enabled: false } }).ok).toBe(true);
    expect(plan(stored, { c: { depends_on: ["a"] } }).ok).toBe(true);
    expect(plan(stored, { c: { when: "results.e.n == 1" } }).ok).toBe(false);
  });
});

describe("when sees null for a stage that is disabled", () => {
  const z = side("z", { when: "results.m == null || results.m.score > 3.0" });

  test("and then decides", () => {
    expect(new Play([side("a"), z], {}, { left_out: ["m"] }).calls).toEqual(["a", "z"]);
    const reading = side("r", { when: "results.m.score > 3.0", required: false });
    expect(new Play([reading], {}, { left_out: ["m"] }).result("r").error).toMatchObject({
      code: "INVALID_PIPELINE_CONFIG",
      message: 'when: null has no field "score", of results.m.score > 3.0',
    });
    const dynamic = side("d", {
      when: "results[context.of] == null && 'm' in results && size(results) == 2",
    });
    expect(new Play([dynamic], {}, { left_out: ["m"], context: { of: "m" } }).calls).toEqual(["d"]);
  });

  test("after a crash too", () => {
    const play = new Play([side("a"), { ...z, depends_on: ["a"] }], {}, { left_out: ["m"] });
    expect(play.crash().answer("a", ok()).calls).toEqual(["z"]);
  });

  test("a run of a version that did not keep their names goes on as it began", () => {
    const play = new Play([{ ...z, required: false }]);
    expect(play.result("z").error).toMatchObject({ message: `when: no such key: "m", of ${z.when}` });
  });

  test("a result that is given replaces the null of a stage that is left out", () => {
    const play = new Play([z], {}, { left_out: ["m"], inputs: { m: { score: 1 } } });
    expect(play.result("z").status).toBe("skipped");
  });
});

describe("the cost of conditions", () => {
  const costly = "results.numbers.items.exists(x, x > 2.0)";
  const numbers = ok({ items: HOSTILE_DATA["numbers"]?.["items"] });

  test("one that exceeds it fails its stage, once, and the run goes on", () => {
    const play = new Play([
      side("numbers"),
      side("b", { depends_on: ["numbers"], when: costly, required: false }),
      side("c", { depends_on: ["b"] }),
    ]);
    play.answer("numbers", numbers);
    expect(play.result("b")).toMatchObject({
      status: "failed",
      attempts: 0,
      error: {
        code: "INVALID_PIPELINE_CONFIG",
        message: `when: exceeds the cost limit of an expression (${LIMITS.EXPRESSION_STEPS} steps), of ${costly}`,
        retryable: false,
      },
    });
    expect(play.answer("c").status).toBe("completed");
  });

  test("a required one fails the execution, with its code", () => {
    const play = new Play([side("numbers"), side("b", { depends_on: ["numbers"], when: costly })]);
    play.answer("numbers", numbers);
    expect(play.view.error_info).toMatchObject({ code: "INVALID_PIPELINE_CONFIG", failed_stage: "b" });
  });

  test("a fallback takes over", () => {
    const fallback = { strategy: "use_default" as const, data: { instead: true } };
    const play = new Play([side("numbers"), side("b", { depends_on: ["numbers"], when: costly, fallback })]);
    expect(play.answer("numbers", numbers).status).toBe("completed");
    expect(play.result("b").data).toEqual({ instead: true });
  });

  test("a batch that has spent much leaves the others to a later one, which comes soon", () => {
    const many = Array.from({ length: 6 }, (_, at) =>
      side(`b${at}`, { depends_on: ["numbers"], when: costly, required: false }),
    );
    const play = new Play([side("numbers"), ...many, side("last", { depends_on: ["numbers"] })]);
    const ended = () => play.of("stage.failed").length;
    play.answer("numbers", numbers);
    expect([ended(), play.status, play.wakesIn]).toEqual([1, "running", TIMINGS.CONDITION_GAP_MS]);
    play.after(TIMINGS.CONDITION_GAP_MS).tick();
    expect([ended(), play.wakesIn]).toEqual([2, TIMINGS.CONDITION_GAP_MS]);
    play.crash();
    expect(ended()).toBe(3);
    // Paused, nothing is decided; resumed, it goes on.
    play.pause("drain");
    expect(play.wakesIn).toBeGreaterThan(1_000);
    play.tick();
    expect(ended()).toBe(3);
    play.resume();
    play.tick().tick();
    expect([ended(), play.calls]).toEqual([6, ["last"]]);
    expect(play.wakesIn).toBeGreaterThan(1_000);
    expect(play.answer("last").status).toBe("completed");
  });

  test("cheap ones are all decided in one batch", () => {
    const many = Array.from({ length: 60 }, (_, at) => side(`b${at}`, { when: `query == "${at}"` }));
    expect(new Play(many).status).toBe("completed");
  });
});
