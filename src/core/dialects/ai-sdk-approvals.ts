// Questions that a yes or a no answers, as the AI SDK's tool approvals: which these are, what they are known by, what an
// approval answers, and when a run goes on only after one. Pure.
import type { JsonObject } from "../../contract/json.ts";
import { isObject } from "../json/json.ts";
import type { OpenQuestion } from "./run-stages.ts";

/** An approval by the id that its request has. */
export interface ApprovalId {
  execution_id: string;
  stage: string;
  /** The `seq` of the question. */
  seq: number;
}

export function approvalId({ execution_id, stage, seq }: ApprovalId): string {
  return `${execution_id}.${stage}.${seq}`;
}

/** Null for another's id. */
export function approvalOf(id: string): ApprovalId | null {
  const [, execution_id, stage, seq] = /^([\w-]+)\.(.+)\.(\d{1,15})$/.exec(id) ?? [];
  if (execution_id === undefined || stage === undefined) return null;
  return { execution_id, stage, seq: Number(seq) };
}

/** The question takes `{approved: true}` and `{approved: false}`. */
export function isApproval(schema: JsonObject | null): boolean {
  const approved = memberOf(schema, "approved");
  const required: unknown = schema?.["required"] ?? [];
  return approved?.["type"] === "boolean" && Array.isArray(required) && required.every(isApproved);
}

const isApproved = (name: unknown) => name === "approved";

/** The answer. @param reason goes where the schema has a text for it */
export function approvalAnswer(schema: JsonObject | null, approved: boolean, reason?: string): JsonObject {
  const place = REASONS.find((name) => memberOf(schema, name)?.["type"] === "string");
  return reason === undefined || reason === "" || place === undefined
    ? { approved }
    : { approved, [place]: reason };
}

const REASONS = ["reason", "remark", "comment"];

function memberOf(schema: JsonObject | null, name: string): JsonObject | null {
  const properties = schema?.["properties"];
  const member = isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : null;
  return isObject(member) ? member : null;
}

/** The last question of each stage that was no longer open when the stream began, by its `seq`. */
export type SettledQuestions = ReadonlyMap<string, number>;

/** A run rests on approvals alone. @param asked the open questions of a run that rests on them */
export function isHeld(asked: readonly OpenQuestion[], settled: SettledQuestions): boolean {
  const isOpen = ({ stage, seq, data }: OpenQuestion) =>
    isApproval(data.schema) && seq > (settled.get(stage) ?? 0);
  return asked.length > 0 && asked.every(isOpen);
}
