// Parses what agents of any protocol send: JSON, problem details and other errors. Maps a body that cannot be read to a
// failure.
import { AgentProblem } from "../../contract/agent.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { cutText, isLowSurrogate } from "../../contract/text.ts";
import { agentMessage } from "../../core/resilience/agent-message.ts";
import { type JsonFault, readJson, readMembers } from "../../core/json/json.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { BodyFault } from "./body/body.ts";
import { ACCEPT_ENCODING } from "./body/codings.ts";

/** Maximum number of characters passed on of an agent's own message. */
const DETAIL_CHARS = 500;

/** Characters shown before and after the position at which a text stops being JSON. */
const EXCERPT_CHARS = 24;

/** The value of a JSON text. @param form the form of an answer, for the message about an empty text */
export function parseJson(text: string, status: number, form: string): Result<unknown, CallFailure> {
  const json = readJson(text);
  return json.ok ? ok(json.value) : err(jsonFailure(text, json.error, status, form));
}

function jsonFailure(
  text: string,
  { reason, pointer, detail, place }: JsonFault,
  status: number,
  form: string,
): CallFailure {
  if (reason === "truncated") {
    if (text.trim() === "") return { kind: "truncated", detail: `it is empty; expected ${form}` };
    return { kind: "truncated", detail: `${detail}, after`, excerpt: excerptAt(text, text.length) };
  }
  if (place === undefined) return { kind: "contract", detail: `${pointer} ${detail}`.trim(), status };
  return { kind: "contract", detail: `${detail}, near`, excerpt: excerptAt(text, place.position), status };
}

/** The text around a position. It may begin in the middle of a credential; redactExcerpt removes such a part. */
function excerptAt(text: string, position: number): string {
  const from = Math.max(0, position - EXCERPT_CHARS);
  const start = isLowSurrogate(text.charCodeAt(from)) ? from + 1 : from;
  return clip(text.slice(start, position + EXCERPT_CHARS).replaceAll(/\s+/g, " "));
}

/** Problem details; null for any other text. */
export function readProblem(text: string): AgentProblem | null {
  const problem = AgentProblem.safeParse(readMembers(text));
  return problem.success ? problem.data : null;
}

/** Whether a media type is JSON's. */
export function isJson(type: string): boolean {
  return type === "application/json" || type.endsWith("+json");
}

/** The message in the body of a failure status. */
export interface ErrorBody {
  /** The agent's own message; null where it has none in its protocol's form. */
  detail: string | null;
  /** Its message in any other form. */
  words?: string;
  /** Null where the status decides. */
  retryable: boolean | null;
}

/** Reads the body of an error: problem details, or a message in any other form. */
export function readErrorBody(body: string, type: string): ErrorBody {
  const problem = (isJson(type) ? readProblem(body) : null) ?? {};
  return { ...failureMessage(problem, agentMessage(body, type)), retryable: problem.retryable ?? null };
}

/**
 * The message of a failure. The detail of problem details replaces the status in an error's message, any other message
 * is appended to it.
 * @param words the message in the body, in any form
 */
export function failureMessage(
  { detail, title }: AgentProblem,
  words: string | null,
): { detail: string | null; words?: string } {
  if (detail !== undefined && detail.trim() !== "") return { detail: clip(detail) };
  // A title is generic: other members may have a more specific message.
  if (title !== undefined && (words === null || words === title.trim())) return { detail: clip(title) };
  return words === null ? { detail: null } : { detail: null, words: clip(words) };
}

/** The failure of a response without a body. @param form the form of an answer */
export function bodyless(status: number, form: string): CallFailure {
  return { kind: "contract", detail: `status ${status} has no body: answer 200 with ${form}`, status };
}

/** Maps the error of a body to a failure. */
export function bodyFailure(cause: unknown, status: number): CallFailure {
  if (!(cause instanceof BodyFault)) return { kind: "truncated", detail: "the connection was lost" };
  const { fault } = cause;
  switch (fault.reason) {
    case "too_large":
      return { kind: "body_too_large", limit_bytes: fault.limit_bytes };
    case "not_utf8":
      return { kind: "contract", detail: "it is not UTF-8", status };
    case "cut":
      return { kind: "truncated", detail: "it ends in the middle of a character" };
    case "undecodable":
      return { kind: "truncated", detail: "its content coding cannot be decoded" };
    case "unknown_coding": {
      const detail = `its content coding ${clip(fault.coding)} is not one of ${ACCEPT_ENCODING}`;
      return { kind: "contract", detail, status };
    }
  }
}

/** The text on one line, at most DETAIL_CHARS long: control characters must not reach a log line or a terminal. */
export function clip(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return cutText(text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " "), DETAIL_CHARS);
}
