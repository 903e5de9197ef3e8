// Whether a list of stages is a pipeline: every fault at once, each with its stage. The shape of a single stage is
// checked by the schema (contract/stage.ts); these checks need the whole pipeline.
import { LIMITS } from "../../contract/limits.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import {
  checkField,
  type Field,
  fieldError,
  fieldMessage,
  keysIn,
  type Names,
} from "../expressions/field.ts";
import {
  conditionField,
  contextField,
  overField,
  promptField,
  queryField,
  STAGE_NAMES,
  unitNames,
  untilField,
  UNTIL_NAMES,
} from "./condition.ts";
import { joinPointer } from "../json/exact-integer.ts";
import { inputField } from "./stage-input.ts";
import { ancestors, findCycle } from "./graph.ts";
import { kindFaults } from "./kinds.ts";

/** Every fault of a definition that is being written, in definition order; empty for a pipeline that can run. */
export function validatePipeline(stages: readonly PipelineStage[]): DefinitionError[] {
  return faultsOf(stages, (stage) => conditionFaults(stage, stages));
}

/** The faults of a definition but for its conditions, which were checked when it was stored. */
export function graphFaults(stages: readonly PipelineStage[]): DefinitionError[] {
  return faultsOf(stages, () => []);
}

function faultsOf(
  stages: readonly PipelineStage[],
  conditions: (stage: PipelineStage) => DefinitionError[],
): DefinitionError[] {
  const errors: DefinitionError[] = [];
  const names = new Set(stages.map((stage) => stage.name));
  if (stages.length === 0) errors.push(invalid("a pipeline needs at least one stage", "/stages"));
  if (stages.length > LIMITS.STAGES) {
    errors.push(invalid(`a pipeline has at most ${LIMITS.STAGES} stages, not ${stages.length}`, "/stages"));
  }
  const edges = stages.reduce((sum, stage) => sum + stage.depends_on.length, 0);
  if (edges > LIMITS.EDGES)
    errors.push(invalid(`a pipeline has at most ${LIMITS.EDGES} edges, not ${edges}`, "/stages"));
  const seen = new Set<string>();
  for (const [at, stage] of stages.entries()) {
    if (seen.has(stage.name)) {
      errors.push(invalid(`duplicate stage name ${stage.name}`, `/stages/${at}/name`, stage.name));
    }
    seen.add(stage.name);
    errors.push(...dependencyFaults(stage, at, names), ...kindFaults(stage, at), ...conditions(stage));
  }
  return [...errors, ...cycleFaults(stages, stages)];
}

/** One error per cycle: all cycles that share no stage are reported. */
function cycleFaults(stages: readonly PipelineStage[], all: readonly PipelineStage[]): DefinitionError[] {
  const cycle = findCycle(stages);
  if (cycle === null) return [];
  const message = `dependency cycle: ${cycle.join(" → ")}`;
  const others = stages.filter((stage) => !cycle.includes(stage.name));
  // The edge that closes the cycle: the first stage depends on the one before the end.
  const at = all.findLastIndex((stage) => stage.name === cycle[0]);
  const edge = all[at]?.depends_on.indexOf(cycle.at(-2) ?? "");
  const pointer = `/stages/${at}/depends_on/${edge}`;
  return [{ code: "CIRCULAR_DEPENDENCY", message, stage: cycle[0], pointer }, ...cycleFaults(others, all)];
}

function dependencyFaults(stage: PipelineStage, at: number, names: ReadonlySet<string>): DefinitionError[] {
  const errors: DefinitionError[] = [];
  const seen = new Set<string>();
  for (const [edge, dependency] of stage.depends_on.entries()) {
    const pointer = `/stages/${at}/depends_on/${edge}`;
    if (seen.has(dependency)) errors.push(invalid(`depends on ${dependency} twice`, pointer, stage.name));
    seen.add(dependency);
    if (!names.has(dependency)) {
      const message = `depends on ${dependency}, which is not a stage of this pipeline`;
      errors.push({ code: "MISSING_DEPENDENCY", message, stage: stage.name, pointer });
    }
  }
  return errors;
}

/**
 * What is wrong with a stage's condition: it cannot be evaluated, or names results that the stage does not wait for.
 * @param stages the definition that it is part of
 * @param given results that exist without a dependency
 */
export function conditionFaults(
  stage: PipelineStage,
  stages: readonly PipelineStage[],
  given: readonly string[] = [],
): DefinitionError[] {
  const fields = fieldsOf(stage);
  if (fields.length === 0) return [];
  const faults: DefinitionError[] = [];
  const lost: LostResult[] = [];
  const isLost = lostTo(stage, stages, given);
  // What both read of an expression is parsed once: few texts are kept for long.
  for (const placed of fields) {
    const error = checkField(placed.field, placed.names);
    if (error === null) lost.push(...namesIn(placed, isLost));
    else faults.push(invalid(fieldMessage(error), pointerTo(placed, stage, stages), stage.name));
  }
  return faults.length > 0 ? faults : lost.map((result) => unwaitedFault(result, stage, stages, given));
}

/** An expression of a stage, and its JSON pointer there. */
interface PlacedField {
  pointer: string;
  field: Field;
  /** What it sees. */
  names: Names;
}

/** The expressions of a stage, in the order in which they are evaluated. */
export function fieldsOf(stage: PipelineStage): PlacedField[] {
  const { when, wait, input = {}, query, context, map, repeat } = stage;
  const names = unitNames(stage);
  return [
    ...(when === undefined ? [] : [{ pointer: "/when", field: conditionField(when), names: STAGE_NAMES }]),
    ...(wait?.prompt === undefined
      ? []
      : [{ pointer: "/wait/prompt", field: promptField(wait.prompt), names: STAGE_NAMES }]),
    ...(map === undefined ? [] : [{ pointer: "/map/over", field: overField(map.over), names: STAGE_NAMES }]),
    ...(query === undefined ? [] : [{ pointer: "/query", field: queryField(query), names }]),
    ...(context === undefined ? [] : [{ pointer: "/context", field: contextField(context), names }]),
    ...Object.entries(input).map(([key, text]) => ({
      pointer: joinPointer("/input", key),
      field: inputField(key, text),
      names,
    })),
    ...(repeat === undefined
      ? []
      : [{ pointer: "/repeat/until", field: untilField(repeat.until), names: { ...names, ...UNTIL_NAMES } }]),
  ];
}

/** The stages whose results an expression names. */
export function stagesNamed(text: string): string[] {
  return keysIn(text, "results");
}

/** A result for which a stage does not wait, and the field whose expression names it. */
interface LostResult extends PlacedField {
  name: string;
}

/** The fault that a condition names a result for which its stage does not wait. */
export function unwaitedFault(
  lost: LostResult,
  stage: PipelineStage,
  stages: readonly PipelineStage[],
  given: readonly string[] = [],
): DefinitionError {
  const { field, name } = lost;
  const isStage = stages.some((other) => other.name === name);
  const what = isStage ? `on which ${stage.name} does not depend` : "which is not a stage of this pipeline";
  const known = new Set([...given, ...ancestors(stages, stage.name)]);
  known.delete(stage.name);
  return invalid(
    fieldMessage(
      fieldError(field, `names results.${clip(name)}, ${what} (${mayName(stage.name, [...known])})`),
    ),
    pointerTo(lost, stage, stages),
    stage.name,
  );
}

/** The results that a stage's expressions name although the stage does not depend on them, directly or through others. */
export function resultsNotWaitedFor(
  stage: PipelineStage,
  stages: readonly PipelineStage[],
  given: readonly string[] = [],
): LostResult[] {
  const fields = fieldsOf(stage);
  if (fields.length === 0) return [];
  const isLost = lostTo(stage, stages, given);
  return fields.flatMap((placed) => namesIn(placed, isLost));
}

/** Whether a stage waits for no result of a name. */
function lostTo(
  stage: PipelineStage,
  stages: readonly PipelineStage[],
  given: readonly string[],
): (name: string) => boolean {
  // A stage that is in a cycle depends on itself, but that is a fault of its own, as is a dependency that is missing.
  const known = ancestors(stages, stage.name);
  return (name) => !known.has(name) && !given.includes(name);
}

function namesIn(placed: PlacedField, isLost: (name: string) => boolean): LostResult[] {
  return stagesNamed(placed.field.text)
    .filter(isLost)
    .map((name) => ({ ...placed, name }));
}

/** Names that a message lists: as many as one can read. */
const LISTED_NAMES = 10;

function mayName(stage: string, names: readonly string[]): string {
  if (names.length === 0) return `${stage} depends on no stage`;
  const more = names.length > LISTED_NAMES ? ` and ${names.length - LISTED_NAMES} more` : "";
  return `it may name ${names.slice(0, LISTED_NAMES).join(", ")}${more}`;
}

/** A key may be any text; a stage's name is short. */
function clip(name: string): string {
  return name.length > LIMITS.NAME_CHARS ? `${name.slice(0, LIMITS.NAME_CHARS)}…` : name;
}

function pointerTo({ pointer }: PlacedField, stage: PipelineStage, stages: readonly PipelineStage[]): string {
  return `/stages/${stages.indexOf(stage)}${pointer}`;
}

function invalid(message: string, pointer: string, stage?: string): DefinitionError {
  return { code: "INVALID_PIPELINE_CONFIG", message, ...(stage === undefined ? {} : { stage }), pointer };
}
