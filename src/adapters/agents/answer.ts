// An agent's reply to an outcome: JSON or an event stream on success, problem details on failure. A reply that is not
// what API.md section 4 says is a contract failure; one that stops too early is truncated.
import type { AgentProblem } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import { retryAfterMs } from "../../contract/retry-after.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { textWithin, wholeText } from "./body.ts";
import { type BrotliDecoder, decodedBody } from "./codings.ts";
import { bodyFailure, clip, fail, parseAnswer, parseProblem, problemDetail } from "./parse.ts";
import { readStream } from "./stream.ts";

/** A problem document is a few lines; more of an error's body is not read. */
const PROBLEM_BYTES = 64 * 1024;
/** The status decides what follows: its body, which may hang or drip, has this long to give a detail. */
const PROBLEM_MS = 250;

export async function readAnswer(
  response: Response,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): Promise<CallOutcome> {
  const { status } = response;
  const type = mediaType(response);
  if (status === 204 || status === 205 || response.body === null) {
    return fail({ kind: "contract", detail: `status ${status} has no body`, status });
  }
  if (type !== "text/event-stream" && !isJson(type)) {
    discard(response);
    const detail = `its content type is ${type === "" ? "missing" : clip(type)}`;
    return fail({ kind: "contract", detail, status });
  }
  try {
    const body = (await decodedBody(response, brotli)) ?? response.body;
    if (type === "text/event-stream") return await readStream(body, status, hooks);
    return parseAnswer(await wholeText(body, LIMITS.AGENT_BODY_BYTES, hooks), status);
  } catch (cause) {
    discard(response);
    return fail(bodyFailure(cause, status));
  }
}

/** What a failure status means: known with the headers. Its body is problem details, or is not looked at. */
export async function readFailure(
  response: Response,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): Promise<CallOutcome> {
  const { status, headers } = response;
  if (status < 200 || status > 599) {
    discard(response);
    return fail({ kind: "contract", detail: `the status ${status} is no answer`, status });
  }
  const waits = status === 429 || status === 503;
  const failure = {
    kind: "status" as const,
    status,
    detail: null,
    retryable: null,
    retry_after_ms: waits ? retryAfterMs(headers.get("retry-after"), Date.now()) : null,
  };
  hooks.failing?.(failure);
  const problem = await problemOf(response, brotli);
  return fail({ ...failure, detail: problemDetail(problem), retryable: problem.retryable ?? null });
}

async function problemOf(response: Response, brotli: BrotliDecoder | null): Promise<AgentProblem> {
  if (isJson(mediaType(response))) {
    try {
      const body = await decodedBody(response, brotli);
      if (body !== null) return parseProblem(await textWithin(body, PROBLEM_BYTES, PROBLEM_MS));
    } catch {
      // An unknown coding: the status is enough.
    }
  }
  discard(response);
  return {};
}

function mediaType(response: Response): string {
  return (response.headers.get("content-type")?.split(";", 1)[0] ?? "").trim().toLowerCase();
}

function isJson(type: string): boolean {
  return type === "application/json" || type.endsWith("+json");
}

/** Not awaited: the connection may be slow to close. A locked body is cancelled by its reader. */
function discard({ body }: Response): void {
  if (body?.locked === false) void body.cancel().catch(() => {});
}
