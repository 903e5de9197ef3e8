// An agent's reply to an outcome: JSON or an event stream on success, problem details on failure. Whatever is not
// what API.md section 4 says is a contract failure; whatever stops too early is truncated.
import type { AgentProblem } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { wholeText } from "./body.ts";
import { bodyFailure, clip, fail, parseAnswer, parseProblem, problemDetail } from "./parse.ts";
import { readStream } from "./stream.ts";

/** A problem document is a few lines; more of an error's body is not read. */
const PROBLEM_BYTES = 64 * 1024;

export async function readAnswer(response: Response, hooks: CallHooks): Promise<CallOutcome> {
  const { status } = response;
  const type = mediaType(response);
  if (status === 204 || status === 205 || response.body === null) {
    return fail({ kind: "contract", detail: `status ${status} has no body`, status });
  }
  if (type === "text/event-stream") return readStream(response.body, status, hooks);
  if (type !== "application/json" && !type.endsWith("+json")) {
    await discard(response);
    const detail = `its content type is ${type === "" ? "missing" : clip(type)}`;
    return fail({ kind: "contract", detail, status });
  }
  try {
    return parseAnswer(await wholeText(response.body, LIMITS.AGENT_BODY_BYTES, hooks), status);
  } catch (cause) {
    return fail(bodyFailure(cause, status));
  }
}

/** What a failure status means; its body is problem details, or is not looked at. */
export async function readFailure(response: Response, hooks: CallHooks): Promise<CallOutcome> {
  const { status } = response;
  const type = mediaType(response);
  if (status < 200 || status > 599) {
    await discard(response);
    return fail({ kind: "contract", detail: `the status ${status} is no answer`, status });
  }
  let problem: AgentProblem = {};
  if (response.body !== null && (type === "application/json" || type.endsWith("+json"))) {
    try {
      problem = parseProblem(await wholeText(response.body, PROBLEM_BYTES, hooks));
    } catch {
      // The status has said enough.
    }
  } else {
    await discard(response);
  }
  return fail({
    kind: "status",
    status,
    detail: problemDetail(problem),
    retryable: problem.retryable ?? null,
    retry_after_ms:
      status === 429 || status === 503 ? retryAfterMs(response.headers.get("retry-after")) : null,
  });
}

function mediaType(response: Response): string {
  return (response.headers.get("content-type")?.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** Seconds or an HTTP date; what is neither is not there. */
function retryAfterMs(header: string | null): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
