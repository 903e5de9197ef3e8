// Pipelines that run pipelines: which definitions are refused, and where the fault is.
import { describe, expect, test } from "vitest";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { nestingFaults, nestingOf, stagesIn } from "../../../src/core/pipeline/nesting.ts";

type Stages = readonly (string | object)[];

/** Definitions by name; a text is a stage that runs the pipeline of that name. */
function definitions(given: Readonly<Record<string, Stages>>) {
  return Object.fromEntries(
    Object.entries(given).map(([name, stages]) => [
      name,
      {
        stages: stages.map((stage, at) =>
          PipelineStage.parse({
            name: `s${at}`,
            ...(typeof stage === "string" ? { pipeline: stage } : stage),
          }),
        ),
      },
    ]),
  );
}

const AGENT = { agent_type: "a" };

describe("what a definition reaches", () => {
  test("is every pipeline, once", () => {
    const all = definitions({ a: ["b", "c"], b: ["c"], c: [AGENT] });
    const found = nestingOf("a", all["a"]?.stages ?? [], stagesIn(all));
    expect(found).toEqual({ reached: ["b", "c"], faults: [], missing: [] });
  });

  test("may not be there yet", () => {
    const all = definitions({ a: [AGENT, "b"] });
    const found = nestingOf("a", all["a"]?.stages ?? [], stagesIn(all));
    expect(found.missing).toEqual([{ name: "b", stage: "s1", pointer: "/stages/1/pipeline" }]);
  });

  test("is looked up by own names alone", () => {
    const all = definitions({ a: ["toString"] });
    expect(nestingOf("a", all["a"]?.stages ?? [], stagesIn(all)).missing).toHaveLength(1);
  });
});

describe("a definition is refused", () => {
  test.each([
    ["itself", { a: ["a"] }, "a → a"],
    ["through another", { a: [AGENT, "b"], b: ["a"] }, "a → b → a"],
    ["through others that do not lead to it", { a: ["b"], b: ["c"], c: ["b"] }, "b → c → b"],
  ] as const)("where it reaches itself: %s", (_, given, cycle) => {
    const [fault] = nestingFaults("a", definitions(given));
    expect(fault).toMatchObject({
      code: "CIRCULAR_DEPENDENCY",
      pointer: expect.stringMatching(/^\/stages\/\d\/pipeline$/),
    });
    expect(fault?.message).toContain(cycle);
  });

  test("where it is more than four deep", () => {
    const chain = { a: ["b"], b: ["c"], c: ["d"], d: [AGENT] };
    expect(nestingFaults("a", definitions(chain))).toEqual([]);
    const deep = nestingFaults("a", definitions({ ...chain, d: ["e"], e: [AGENT] }));
    expect(deep[0]?.message).toBe("pipelines are nested 5 deep, and 4 is the most");
  });

  test("where it may come to more than 200 executions", () => {
    const repeat = (max: number) => ({ pipeline: "b", repeat: { until: "true", max } });
    const map = (max_items: number) => ({ pipeline: "b", map: { over: "[]", max_items } });
    const of = (...stages: object[]) => nestingFaults("a", definitions({ a: stages, b: [AGENT] }));
    expect(of(map(199))).toEqual([]);
    expect(of(map(200))[0]?.message).toContain("may come to 201 executions");
    expect(of(repeat(20), map(180))[0]?.message).toContain("may come to 201 executions");
    expect(of({ ...repeat(20), ...map(10) })[0]?.message).toContain("may come to 201 executions");
  });

  test("where another one that runs it would become wrong", () => {
    const given = { outer: ["a"], a: ["b"], b: ["c"], c: ["d"], d: [AGENT] };
    const [fault] = nestingFaults("a", definitions(given));
    expect(fault).toMatchObject({ pointer: "/stages" });
    expect(fault?.message).toContain("the pipeline outer runs this one: pipelines are nested 5 deep");
  });

  test("and not for a fault of others that it has nothing to do with", () => {
    expect(nestingFaults("a", definitions({ a: [AGENT], x: ["y"], y: ["x"] }))).toEqual([]);
  });
});
