// The texts an agent may send, read and judged: the answer, the problem document, and what a body that broke off
// means. One reading, whether a text came as a body or as a stream's event.
import { AgentAnswer, AgentProblem } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { cutText } from "../../contract/text.ts";
import { readJson, readMembers } from "../../core/json.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { answerBytes } from "../../core/weight.ts";
import { BodyFault } from "./body.ts";
import { ACCEPT_ENCODING } from "./codings.ts";

/** Of an agent's own words, this much is passed on. */
const DETAIL_CHARS = 500;

/** The answer that a JSON text holds. Used for a whole body and for a stream's `result`. */
export function parseAnswer(text: string, status: number): CallOutcome {
  const json = readJson(text);
  if (!json.ok) {
    if (json.error.reason === "truncated") return fail({ kind: "truncated", detail: json.error.detail });
    return fail({ kind: "contract", detail: `${json.error.pointer} ${json.error.detail}`.trim(), status });
  }
  const answer = AgentAnswer.safeParse(json.value);
  if (!answer.success) {
    const issue = answer.error.issues[0];
    const detail = `${["", ...(issue?.path ?? [])].join("/")} ${issue?.message ?? ""}`.trim();
    return fail({ kind: "contract", detail, status });
  }
  const bytes = answerBytes(answer.data);
  if (bytes > LIMITS.RESULT_BYTES) {
    return fail({ kind: "result_too_large", limit_bytes: LIMITS.RESULT_BYTES, bytes });
  }
  return { ok: true, answer: answer.data, bytes };
}

/** A failure's body; its status has said enough where the body is no problem document. */
export function parseProblem(text: string): AgentProblem {
  return readProblem(text) ?? {};
}

/** Problem details, or null where the text is none. */
export function readProblem(text: string): AgentProblem | null {
  const problem = AgentProblem.safeParse(readMembers(text));
  return problem.success ? problem.data : null;
}

export function problemDetail(problem: AgentProblem): string | null {
  const text = problem.detail ?? problem.title;
  return text === undefined ? null : clip(text);
}

/** What a body that broke off means. */
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
      return { kind: "truncated", detail: "its content coding cannot be undone" };
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
