// The verdict on a definition: its graph, or every error at once.
import { array, assert, jsonValue, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { checkDefinition } from "../../../src/core/pipeline/verdict.ts";

const stage = (name: string, ...depends_on: string[]) =>
  PipelineStage.parse({ name, agent_type: name, depends_on });

describe("judgeDefinition", () => {
  test("returns the graph of a valid one", () => {
    expect(checkDefinition([stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "c")])).toEqual({
      valid: true,
      errors: [],
      hints: expect.any(Array),
      dependencies: { a: [], b: ["a"], c: ["a"], d: ["c"] },
      layers: [["a"], ["b", "c"], ["d"]],
      critical_path: ["a", "c", "d"],
    });
  });

  test("reports every error at once, each with its stage", () => {
    const verdict = checkDefinition([
      { name: "a", agent_type: "x", depends_on: ["b"] },
      { name: "b", agent_type: "x", depends_on: ["a"] },
      { name: "p", agent_type: "x", depends_on: ["q"] },
      { name: "q", agent_type: "x", depends_on: ["r"] },
      { name: "r", agent_type: "x", depends_on: ["p"] },
      { name: "lost", agent_type: "x", depends_on: ["nowhere"] },
      { name: "bad", agent_type: "", timeout_seconds: -1, colour: "red", depends_on: ["lost"] },
      { name: "when", agent_type: "x", when: "query ==" },
      { name: "when", agent_type: "x" },
      { agent_type: "x" },
      null,
      7,
    ]);
    expect(verdict.valid).toBe(false);
    const told = verdict.errors.map(({ code, stage }) => `${code} ${stage ?? "-"}`);
    expect(told).toContain("CIRCULAR_DEPENDENCY a");
    expect(told).toContain("CIRCULAR_DEPENDENCY p");
    expect(told).toContain("MISSING_DEPENDENCY lost");
    expect(told.filter((line) => line === "INVALID_PIPELINE_CONFIG bad")).toHaveLength(3);
    expect(told.filter((line) => line === "INVALID_PIPELINE_CONFIG when")).toHaveLength(2);
    expect(verdict.errors.filter(({ message }) => /^stage (9|10|11): /.test(message))).toHaveLength(3);
    const cycles = verdict.errors.filter(({ code }) => code === "CIRCULAR_DEPENDENCY");
    expect(cycles.map(({ message }) => message.split(": ")[1])).toEqual(["a → b → a", "p → r → q → p"]);
    expect(verdict).toMatchObject({ layers: [], critical_path: [] });
  });

  test("lists the first fifty of many faults, and says how many there are", () => {
    const fields = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`unknown_${at}`, at]));
    const many = Array.from({ length: 60 }, (_, at) => ({
      name: `s${at}`,
      agent_type: "x",
      depends_on: ["lost", "gone"],
      when: "query ==",
      ...fields,
    }));
    const verdict = checkDefinition(many);
    expect(verdict.valid).toBe(false);
    expect(verdict.errors).toHaveLength(50);
    expect(verdict.error_count).toBeGreaterThanOrEqual(240);
    expect(checkDefinition(many.slice(0, 1))).toMatchObject({ error_count: 4 });
    expect(checkDefinition(Array.from({ length: 100 }, () => stage("a"))).error_count).toBe(1);
  });

  test("never throws, for any input", () => {
    assert(
      property(array(jsonValue()), (stages) => {
        expect(typeof checkDefinition(stages).valid).toBe("boolean");
      }),
      { seed: 20261123 },
    );
  });
});
