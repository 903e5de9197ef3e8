// Hints on definitions: what is valid and may still not be meant.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { hintsOf } from "../../../src/core/pipeline/hints.ts";
import { checkDefinition } from "../../../src/core/pipeline/verdict.ts";
import { RAG } from "../../../src/pipelines/rag.ts";

const hints = (...written: object[]) => {
  const stages = written.map((fields) => PipelineStage.parse({ agent_type: "known", ...fields }));
  return hintsOf(stages, stages, (agent_type) => agent_type === "known");
};
const alone = (...written: object[]) => hints(...written).map(({ code, stage }) => [code, stage]);

describe("stages that run alone", () => {
  test("are hinted at where another one is independent of them", () => {
    expect(alone({ name: "a" }, { name: "b" })).toEqual([
      ["INDEPENDENT_STAGES_ALONE", "a"],
      ["INDEPENDENT_STAGES_ALONE", "b"],
    ]);
    const [hint] = hints({ name: "a" }, { name: "b", parallel: true });
    expect(hint).toEqual({
      code: "INDEPENDENT_STAGES_ALONE",
      stage: "a",
      message:
        'runs alone, although it could overlap b: stages overlap where each of them has "parallel": true',
    });
  });

  test("are not hinted at beside a question, which takes no place", () => {
    const question = { name: "ask", agent_type: undefined, wait: {} };
    expect(alone({ name: "a" }, question)).toEqual([]);
    expect(alone({ name: "a" }, question, { name: "b" })).toEqual([
      ["INDEPENDENT_STAGES_ALONE", "a"],
      ["INDEPENDENT_STAGES_ALONE", "b"],
    ]);
    const [hint] = hints({ name: "a" }, question, { name: "b" });
    expect(hint?.message).toContain("could overlap b:");
  });

  test("are not, in a chain of any length, beside nothing, or where all may overlap", () => {
    expect(alone({ name: "a" })).toEqual([]);
    const chain = [
      { name: "a" },
      { name: "b", depends_on: ["a"] },
      { name: "c", depends_on: ["b"] },
      { name: "d", depends_on: ["c"] },
    ];
    expect(alone(...chain)).toEqual([]);
    expect(alone({ name: "a", parallel: true }, { name: "b", parallel: true })).toEqual([]);
    expect(RAG.stages.length).toBe(4);
    expect(hintsOf(RAG.stages, RAG.stages, () => true)).toEqual([]);
  });

  test("are found across a stage that joins them and not beyond it", () => {
    const joined = [
      { name: "a", parallel: true },
      { name: "b" },
      { name: "join", depends_on: ["a", "b"] },
      { name: "last", depends_on: ["join"] },
    ];
    expect(alone(...joined)).toEqual([["INDEPENDENT_STAGES_ALONE", "b"]]);
  });

  test("a cycle hides nothing and loops for ever nowhere", () => {
    expect(alone({ name: "a", depends_on: ["b"] }, { name: "b", depends_on: ["a"] })).toEqual([]);
  });
});

describe("has() of a stage", () => {
  const tested = (fields: object) =>
    hints({ name: "a" }, { name: "b", depends_on: ["a"], ...fields }).map(({ code, message }) => [
      code,
      message,
    ]);

  test("is hinted at: a stage without a result is there, and null", () => {
    const message =
      "when: has(results.a) is always true: of a stage without a result it is null, so write results.a != null";
    expect(tested({ when: "has(results.a) && has(results.a.n)" })).toEqual([["HAS_OF_A_STAGE", message]]);
    const input = { n: "has(results.a) ? 1 : 0", m: "has(results.a) ? 1 : 0" };
    expect(tested({ input })).toMatchObject([
      ["HAS_OF_A_STAGE", expect.stringMatching(/^input\.n: /)],
      ["HAS_OF_A_STAGE", expect.stringMatching(/^input\.m: /)],
    ]);
  });

  test.each([
    "has(results.a.n)",
    "results.a != null",
    "results.?a.?n.orValue(true)",
    "has(context.a)",
    "[results.a].exists(results, has(results.a))",
  ])("is not, in %s", (when) => {
    expect(tested({ when })).toEqual([]);
  });
});

describe("agents that are not registered", () => {
  test("are named, those of a fallback too", () => {
    const found = hints(
      { name: "a", agent_type: "gone" },
      {
        name: "b",
        depends_on: ["a"],
        fallback: { strategy: "use_simple_model", agent_type: "simple" },
      },
    );
    expect(found).toEqual([
      {
        code: "AGENT_NOT_REGISTERED",
        stage: "a",
        message: "the agent gone is not registered: PUT /v1/agents/gone before the pipeline runs",
      },
      {
        code: "AGENT_NOT_REGISTERED",
        stage: "b",
        message:
          "the agent simple of its fallback is not registered: PUT /v1/agents/simple before the pipeline runs",
      },
    ]);
  });
});

describe("in a verdict", () => {
  test("they change nothing of it, and say nothing of a stage that has faults", () => {
    const verdict = checkDefinition(
      [
        { name: "a", agent_type: "gone" },
        { name: "b", agent_type: 5 },
      ],
      new Map(),
      3,
      () => false,
    );
    expect(verdict).toMatchObject({ valid: false, hints: [{ code: "AGENT_NOT_REGISTERED", stage: "a" }] });
    expect(verdict.hints).toHaveLength(1);
    expect(checkDefinition([{ name: "a", agent_type: "gone" }], new Map(), 3, () => false).valid).toBe(true);
    expect(checkDefinition(Array.from({ length: 65 }, () => ({})))).toMatchObject({ hints: [] });
  });

  test("there are never more than a list of errors may have", () => {
    const many = Array.from({ length: LIMITS.STAGES }, (_, at) => ({ name: `s${at}`, agent_type: "gone" }));
    expect(checkDefinition(many, new Map(), 3, () => false).hints).toHaveLength(LIMITS.ERRORS);
  });
});
