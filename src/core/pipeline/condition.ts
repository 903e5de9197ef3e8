// A stage's `when`, and what the expressions of a stage see: `query`, `results` and `context`. Checked when a definition
// is written, evaluated before the stage would start.
import type { JsonObject } from "../../contract/json.ts";
import type { Result } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { evaluateField, type Field, type FieldError, Meter, type Names } from "../expressions/field.ts";

/** The variables of an expression; a stage without data is null in `results`. */
export interface ConditionScope {
  query: string;
  results: Record<string, unknown>;
  context: Record<string, unknown>;
  /** Of a unit of a stage with `map` or `repeat`, see the contract's AgentCall; `result` is what `until` is about. */
  item?: unknown;
  index?: number | undefined;
  iteration?: number | undefined;
  previous?: JsonObject | null | undefined;
  result?: JsonObject;
}

/** The names that a stage's expressions see. */
export const STAGE_NAMES: Names = {
  query: { kind: "string", least: 1 },
  results: { kind: "map" },
  context: { kind: "map" },
};

/** What they see beside them, by what the stage is. Numbers are doubles, as in data. */
const OF_ITEMS: Names = { item: { kind: "dyn" }, index: { kind: "double" } };
const OF_ITERATIONS: Names = { iteration: { kind: "double" }, previous: { kind: "dyn" } };

/** The names that a unit's expressions see: those of its call. */
export function unitNames({ map, repeat }: Pick<PipelineStage, "map" | "repeat">): Names {
  return {
    ...STAGE_NAMES,
    ...(map === undefined ? {} : OF_ITEMS),
    ...(repeat === undefined ? {} : OF_ITERATIONS),
  };
}

/** The names that `repeat.until` sees. */
export const UNTIL_NAMES: Names = {
  ...STAGE_NAMES,
  iteration: { kind: "double" },
  result: { kind: "map" },
};

export function conditionField(when: string): Field<"bool"> {
  return { key: "when", text: when, gives: "bool" };
}

export function promptField(prompt: string): Field<"object"> {
  return { key: "wait.prompt", text: prompt, gives: "object" };
}

export function overField(over: string): Field<"list"> {
  return { key: "map.over", text: over, gives: "list" };
}

export function untilField(until: string): Field<"bool"> {
  return { key: "repeat.until", text: until, gives: "bool" };
}

export function queryField(query: string): Field<"string"> {
  return { key: "query", text: query, gives: "string" };
}

export function contextField(context: string): Field<"object"> {
  return { key: "context", text: context, gives: "object" };
}

/** Whether the stage runs. */
export function evaluateCondition(
  when: string,
  scope: ConditionScope,
  meter: Meter = new Meter(),
): Result<boolean, FieldError> {
  return evaluateField(conditionField(when), { ...scope }, meter);
}

/** What is shown to the person who answers. */
export function evaluatePrompt(
  prompt: string,
  scope: ConditionScope,
  meter: Meter = new Meter(),
): Result<JsonObject, FieldError> {
  return evaluateField(promptField(prompt), { ...scope }, meter);
}
