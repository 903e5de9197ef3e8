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
      stages: ["a", "b", "c", "d"].map((name) => ({ name, kind: "agent" })),
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

  const find = (name: string) => PIPELINES[name] ?? null;
  const sub = (name: string, pipeline: string, fields: object = {}) =>
    PipelineStage.parse({ name, pipeline, ...fields });
  const PIPELINES: Record<string, PipelineStage[]> = {
    long: [stage("l1"), stage("l2", "l1"), sub("l3", "short", { depends_on: ["l2"] })],
    short: [stage("s1"), stage("s2", "s1")],
    ring: [stage("r1"), sub("r2", "ring")],
  };

  test("has what there is to draw of each stage, and the graph of each pipeline that it reaches, once", () => {
    const map = { over: "context.docs", max_items: 30 };
    const verdict = checkDefinition(
      [
        PipelineStage.parse({ name: "each", agent_type: "x", map }),
        PipelineStage.parse({ name: "ask", wait: {} }),
        sub("deep", "long", { repeat: { until: "true", max: 3 } }),
        sub("again", "long"),
        sub("lost", "gone"),
      ],
      new Map(),
      3,
      () => true,
      find,
    );
    expect(verdict.errors).toEqual([]);
    expect(verdict.stages).toEqual([
      { name: "each", kind: "agent", map: { max_items: 30, concurrency: 4 } },
      { name: "ask", kind: "wait" },
      { name: "deep", kind: "pipeline", pipeline: "long", repeat: { max: 3 } },
      { name: "again", kind: "pipeline", pipeline: "long" },
      { name: "lost", kind: "pipeline", pipeline: "gone" },
    ]);
    expect(Object.keys(verdict.pipelines ?? {})).toEqual(["long", "short"]);
    expect(verdict.pipelines?.["long"]).toEqual({
      stages: [
        { name: "l1", kind: "agent" },
        { name: "l2", kind: "agent" },
        { name: "l3", kind: "pipeline", pipeline: "short" },
      ],
      dependencies: { l1: [], l2: ["l1"], l3: ["l2"] },
      layers: [["l1"], ["l2"], ["l3"]],
      critical_path: ["l1", "l2", "l3"],
    });
    expect(checkDefinition([stage("a")])).not.toHaveProperty("pipelines");
  });

  test("counts a pipeline as its own longest path, until every stage has been seen", () => {
    const stages = [stage("a"), stage("b", "a"), stage("c", "b"), sub("deep", "long")];
    const path = (observed = new Map<string, number>(), last: PipelineStage[] = []) =>
      checkDefinition([...stages, ...last], observed, 3, () => true, find).critical_path;
    // Four within it, against three.
    expect(path()).toEqual(["deep"]);
    expect(path(new Map(), [stage("d", "c"), stage("e", "d")])).toEqual(["a", "b", "c", "d", "e"]);
    const ms = new Map(stages.map(({ name }) => [name, name === "deep" ? 20 : 10]));
    expect(path(ms)).toEqual(["a", "b", "c"]);
  });

  test("draws pipelines that run each other no deeper than a run could be", () => {
    const verdict = checkDefinition([sub("r", "ring")], new Map(), 3, () => true, find);
    expect(verdict.errors).toMatchObject([{ code: "CIRCULAR_DEPENDENCY" }]);
    expect(verdict.pipelines).toMatchObject({ ring: { critical_path: ["r1"] } });
    const chain = (name: string) => {
      const at = /^p(\d+)$/.exec(name)?.[1];
      return at === undefined ? null : [sub("next", `p${Number(at) + 1}`)];
    };
    const deep = checkDefinition(
      [sub("first", "p0")],
      new Map(),
      3,
      () => true,
      (name) => (name === "p50" ? null : chain(name)),
    );
    expect(Object.keys(deep.pipelines ?? {})).toEqual(["p0", "p1", "p2"]);
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
