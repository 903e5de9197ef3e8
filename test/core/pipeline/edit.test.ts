// One stage in or out of a definition.
import { describe, expect, test } from "vitest";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { changedFields, changedStages } from "../../../src/core/pipeline/edit.ts";

const stage = (name: string, ...depends_on: string[]) =>
  PipelineStage.parse({ name, agent_type: name, depends_on });

describe("changedStages", () => {
  const two = [stage("a"), stage("b", "a")];
  const names = (result: ReturnType<typeof changedStages>) =>
    result.ok ? result.value.map((s) => s.name) : result;

  test("adds at the end or before a stage", () => {
    expect(names(changedStages("p", two, { kind: "add_stage", stage: stage("c"), before: null }))).toEqual([
      "a",
      "b",
      "c",
    ]);
    expect(names(changedStages("p", two, { kind: "add_stage", stage: stage("c"), before: "b" }))).toEqual([
      "a",
      "c",
      "b",
    ]);
  });

  test.each([
    [{ kind: "add_stage", stage: stage("c"), before: "nobody" }, "STAGE_NOT_FOUND"],
    [{ kind: "add_stage", stage: stage("a"), before: null }, "INVALID_PIPELINE_CONFIG"],
    [{ kind: "add_stage", stage: stage("c", "d"), before: null }, "MISSING_DEPENDENCY"],
    [{ kind: "remove_stage", stage: "nobody" }, "STAGE_NOT_FOUND"],
    [{ kind: "remove_stage", stage: "a" }, "MISSING_DEPENDENCY"],
  ] as const)("refuses %o with %s", (change, code) => {
    expect(changedStages("p", two, change)).toMatchObject({ ok: false, error: { code } });
  });

  test("an unknown pipeline is reported, and a pipeline keeps its last stage", () => {
    const remove = { kind: "remove_stage", stage: "a" } as const;
    expect(changedStages("p", null, remove)).toMatchObject({
      ok: false,
      error: { code: "PIPELINE_NOT_FOUND" },
    });
    expect(changedStages("p", [stage("a")], remove)).toMatchObject({
      ok: false,
      error: { code: "INVALID_PIPELINE_CONFIG" },
    });
  });
});

test("the fields beside the stages are those of a new definition, and stay with a change of stages", () => {
  const current = { description: "d", budget: { tokens: 5, on_exceeded: "pause" as const } };
  const remove = { kind: "remove_stage", stage: "a" } as const;
  expect(changedFields(remove, current)).toEqual(current);
  expect(changedFields(remove)).toEqual({});
  const replace = { kind: "replace" as const, stages: [stage("a")] };
  expect(changedFields(replace, current)).toEqual({});
  expect(changedFields({ ...replace, description: "e" }, current)).toEqual({ description: "e" });
});
