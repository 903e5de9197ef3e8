// Parses and validates what an agent may send: the answer, the problem document, and what a body that broke off
// means. One reading, whether a text came as a body or as a stream's event.
import { AgentAnswer, AgentProblem } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { cutText, isLowSurrogate } from "../../contract/text.ts";
import { wordsOf } from "../../core/resilience/agent-words.ts";
import { type JsonFault, readJson, readMembers } from "../../core/json/json.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { answerBytes } from "../../core/json/weight.ts";
import { BodyFault } from "./body.ts";
import { ACCEPT_ENCODING } from "./codings.ts";

/** Of an agent's own words, this much is passed on. */
const DETAIL_CHARS = 500;

/** Characters shown before and after the position at which a text stops being JSON. */
const EXCERPT_CHARS = 24;
/** Of the keys that an answer has instead of `data`. */
const KEYS_MOST = 8;
/** The shape of an answer, for messages. */
export const WRAPPER = '{"data": {…}}';

/** The answer that a JSON text holds. Used for a whole body and for a stream's `result`. */
export function parseAnswer(text: string, status: number): CallOutcome {
  const json = readJson(text);
  if (!json.ok) return fail(jsonFailure(text, json.error, status));
  const answer = AgentAnswer.safeParse(json.value);
  if (!answer.success) return fail({ kind: "contract", ...answerFault(json.value), status });
  const bytes = answerBytes(answer.data);
  if (bytes > LIMITS.RESULT_BYTES) {
    return fail({ kind: "result_too_large", limit_bytes: LIMITS.RESULT_BYTES, bytes });
  }
  return { ok: true, answer: answer.data, bytes };
}

function jsonFailure(
  text: string,
  { reason, pointer, detail, place }: JsonFault,
  status: number,
): CallFailure {
  if (reason === "truncated") {
    if (text.trim() === "") return { kind: "truncated", detail: `it is empty; expected ${WRAPPER}` };
    return { kind: "truncated", detail: `${detail}, after`, excerpt: excerptAt(text, text.length) };
  }
  if (place === undefined) return { kind: "contract", detail: `${pointer} ${detail}`.trim(), status };
  return { kind: "contract", detail: `${detail}, near`, excerpt: excerptAt(text, place.position), status };
}

/** The text around a position. It may begin in the middle of a credential, which redactExcerpt handles. */
function excerptAt(text: string, position: number): string {
  const from = Math.max(0, position - EXCERPT_CHARS);
  const start = isLowSurrogate(text.charCodeAt(from)) ? from + 1 : from;
  return clip(text.slice(start, position + EXCERPT_CHARS).replaceAll(/\s+/g, " "));
}

/** Why a JSON value is not a valid answer: usually its `data` wrapper is missing. */
function answerFault(value: unknown): { detail: string; excerpt?: string } {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { detail: `expected ${WRAPPER}, received ${kindOf(value)}` };
  }
  if ("data" in value) return { detail: `/data is ${kindOf(value.data)}; expected ${WRAPPER}` };
  const words = wordsOf(value);
  if (words !== null) {
    return { detail: `/data is missing (expected ${WRAPPER}); the answer says`, excerpt: clip(words) };
  }
  const keys = Object.keys(value).slice(0, KEYS_MOST);
  const missing = `/data is missing; expected ${WRAPPER}`;
  if (keys.length === 0) return { detail: `${missing}, received {}` };
  return { detail: `${missing} around the members received`, excerpt: clip(keys.join(", ")) };
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The body of a failure response; the status is used if the body is not a problem document. */
export function parseProblem(text: string): AgentProblem {
  return readProblem(text) ?? {};
}

/** Problem details, or null where the text is none. */
export function readProblem(text: string): AgentProblem | null {
  const problem = AgentProblem.safeParse(readMembers(text));
  return problem.success ? problem.data : null;
}

/**
 * What a failure says: problem details in their own words, anything else beside the status.
 * @param words the message in the body, in any form
 */
export function failureMessage(
  { detail, title }: AgentProblem,
  words: string | null,
): { detail: string | null; words?: string } {
  if (detail !== undefined && detail.trim() !== "") return { detail: clip(detail) };
  // A title is the least of what problem details say: other members may say more.
  if (title !== undefined && (words === null || words === title.trim())) return { detail: clip(title) };
  return words === null ? { detail: null } : { detail: null, words: clip(words) };
}

/** Maps an interrupted body to a failure. */
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

/** Control characters never reach a log line or a terminal. */
export function clip(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return cutText(text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " "), DETAIL_CHARS);
}

export function fail(failure: CallFailure): CallOutcome {
  return { ok: false, failure };
}
