// How often one run may call agents at most: 512 tries over all of its stages, wherever a definition is judged.
import { describe, expect, test } from "vitest";
import { type CoordinatorConfig, DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import type { DefinitionError, Result } from "../../../src/contract/problem.ts";
import { PipelineStage, StageOverride } from "../../../src/contract/stage.ts";
import { changedStages } from "../../../src/core/pipeline/edit.ts";
import { planStages } from "../../../src/core/pipeline/plan.ts";
import { checkDefinition } from "../../../src/core/pipeline/verdict.ts";

const stages = (count: number, retry_attempts?: number) =>
  Array.from({ length: count }, (_, at) =>
    PipelineStage.parse({
      name: `s${at}`,
      agent_type: "x",
      ...(retry_attempts === undefined ? {} : { retry_attempts }),
    }),
  );
const config = (max_retry_attempts: number): CoordinatorConfig => ({ ...DEFAULT_CONFIG, max_retry_attempts });

/** The sum that the only fault names, or null where there is none. */
function sumIn(result: Result<unknown> | { errors: readonly DefinitionError[] }): number | null {
  if ("ok" in result && result.ok) return null;
  const { errors } = ("ok" in result ? result.error : result) as { errors: DefinitionError[] };
  if (errors.length === 0) return null;
  expect(errors).toMatchObject([{ code: "INVALID_PIPELINE_CONFIG" }]);
  const [, sum, most] =
    /add up to (\d+), and a run makes at most (\d+) tries/.exec(errors[0]?.message ?? "") ?? [];
  expect(Number(most)).toBe(LIMITS.RUN_TRIES);
  return Number(sum);
}

const CASES: [string, PipelineStage[], number, number | null][] = [
  ["64 stages of 8", stages(64, 8), 3, null],
  ["64 stages of 9", stages(64, 9), 3, 576],
  ["6 stages of 100", stages(6, 100), 3, 600],
  ["64 stages by the default", stages(64), 3, null],
  ["64 stages by a config of 9", stages(64), 9, 576],
  ["both kinds", [...stages(5, 100), PipelineStage.parse({ name: "z", agent_type: "x" })], 13, 513],
];

describe.each(CASES)("%s", (_, definition, max_retry_attempts, sum) => {
  test("when it is written", () => {
    const written = changedStages("p", null, { kind: "replace", stages: definition }, max_retry_attempts);
    expect(sumIn(written)).toBe(sum);
    const [last, ...rest] = definition.toReversed() as [PipelineStage, ...PipelineStage[]];
    const added = { kind: "add_stage" as const, stage: last, before: null };
    expect(sumIn(changedStages("p", rest.toReversed(), added, max_retry_attempts))).toBe(sum);
  });
  test("when it is only judged", () => {
    expect(sumIn(checkDefinition(definition, new Map(), max_retry_attempts))).toBe(sum);
  });
  test("when it is run, also where it was stored before", () => {
    expect(sumIn(planStages(definition, {}, config(max_retry_attempts)))).toBe(sum);
  });
});

test("pipeline_config counts: it may raise tries, lower them, and leave stages out", () => {
  const override = (fields: object) => StageOverride.parse(fields);
  const planned = (overrides: Record<string, StageOverride>) =>
    sumIn(planStages(stages(6, 85), overrides, config(3)));
  expect(planned({})).toBeNull();
  expect(planned({ s0: override({ retry_attempts: 100 }) })).toBe(525);
  expect(planned({ s0: override({ retry_attempts: 100 }), s1: override({ enabled: false }) })).toBeNull();
  expect(planned({ s0: override({ retry_attempts: 100 }), s1: override({ retry_attempts: 1 }) })).toBeNull();
});

test("a stage with other faults counts too", () => {
  const verdict = checkDefinition([...stages(5, 100), { name: "bad", retry_attempts: 50 }]);
  expect(verdict.errors.map(({ message }) => message).join()).toContain("add up to 550");
});
