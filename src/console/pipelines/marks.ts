// The spans of the text that errors and hints of the verdict refer to: an error by its JSON pointer.
import type { Hint } from "../../contract/management.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { JsonText, TextRange } from "./json-text.ts";

export interface Mark extends TextRange {
  message: string;
  stage: string | null;
}

/** The stages of a text, of any shape; null if there is no list of them. */
export function stagesIn({ value }: JsonText): readonly unknown[] | null {
  const stages = (value as { stages?: unknown } | null | undefined)?.stages;
  return Array.isArray(stages) ? stages : null;
}

export function nameIn(stage: unknown): string | null {
  const name = (stage as { name?: unknown } | null)?.name;
  return typeof name === "string" ? name : null;
}

/** @param isField whether stages have a field of this name: of an unknown field the key is marked, not the value */
export function markOf(error: DefinitionError, text: JsonText, isField: (name: string) => boolean): Mark {
  const stages = stagesIn(text) ?? [];
  const pointer = error.pointer ?? `/stages/${indexOf(error.stage, stages)}`;
  const range = rangeOf(pointer, text, isField) ?? text.ranges.get("/stages#") ?? { from: 0, to: 1 };
  const stage = error.stage ?? nameIn(stages[Number(pointer.split("/")[2])]);
  return { from: range.from, to: range.to, message: error.message, stage };
}

const HINTED: Readonly<Record<Hint["code"], string>> = {
  INDEPENDENT_STAGES_ALONE: "parallel",
  AGENT_NOT_REGISTERED: "agent_type",
  PIPELINE_NOT_FOUND: "pipeline",
  HAS_OF_A_STAGE: "when",
};

/** The span of a hint: the field that causes it, else the stage's name. */
export function hintMark({ code, message, stage }: Hint, text: JsonText): Mark {
  const at = (stagesIn(text) ?? []).findLastIndex((candidate) => nameIn(candidate) === stage);
  const path = `/stages/${at}`;
  const range = text.ranges.get(`${path}/${HINTED[code]}`) ?? text.ranges.get(`${path}/name`);
  const { from, to } = range ?? { from: 0, to: 1 };
  return { from, to, message, stage };
}

/** Coordinators of earlier versions send no pointer: -1, which has no span, where the error names no stage either. */
function indexOf(name: string | undefined, stages: readonly unknown[]): number {
  return name === undefined ? -1 : stages.findLastIndex((stage) => nameIn(stage) === name);
}

/** The span at a pointer, else of its field (one that is absent has none), of the stage's name or of the stage. */
function rangeOf(
  pointer: string,
  { ranges }: JsonText,
  isField: (name: string) => boolean,
): TextRange | undefined {
  const [, , at, field] = pointer.split("/");
  if (at === undefined) return undefined;
  const stage = `/stages/${at}`;
  const inField =
    field === undefined
      ? undefined
      : isField(field)
        ? (ranges.get(pointer) ?? ranges.get(`${stage}/${field}`))
        : ranges.get(`${stage}/${field}#`);
  return inField ?? ranges.get(`${stage}/name`) ?? ranges.get(stage);
}
