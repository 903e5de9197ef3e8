// Maps an agent's response to an outcome: JSON or an event stream on success, its error message on failure. A
// response that violates src/contract/README.md section 4 is a contract failure; one that stops too early is truncated.
import { LIMITS } from "../../contract/limits.ts";
import { retryAfterMs } from "../../contract/retry-after.ts";
import { shownUrl } from "../../core/security/agent-target.ts";
import { agentMessage } from "../../core/resilience/agent-words.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { textWithin, wholeText } from "./body.ts";
import { type BrotliDecoder, decodedBody } from "./codings.ts";
import { bodyFailure, clip, fail, failureMessage, parseAnswer, parseProblem, WRAPPER } from "./parse.ts";
import { readStream } from "./stream.ts";

/** Maximum bytes read of an error's body: far less is passed on, but an HTML page has much markup. */
const WORDS_BYTES = 64 * 1024;
/** The status decides what follows: its body, which may hang or drip, has this long to give its words. */
const WORDS_MS = 500;

export async function readAnswer(
  response: Response,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): Promise<CallOutcome> {
  const { status } = response;
  const type = mediaType(response);
  if (status === 204 || status === 205 || response.body === null) {
    const detail = `status ${status} has no body: answer 200 with ${WRAPPER}`;
    return fail({ kind: "contract", detail, status });
  }
  if (type !== "text/event-stream" && !isJson(type)) {
    const given = `its content type is ${type === "" ? "missing" : clip(type)}`;
    const detail = `${given}, not application/json or text/event-stream`;
    const failure = { kind: "contract" as const, detail, status };
    hooks.failing?.(failure);
    const words = agentMessage(await textOf(response, brotli), type);
    return fail({ ...failure, excerpt: words === null ? undefined : clip(words) });
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

/**
 * What a failure status means: known with the headers. Its body says why, in problem details or in its own way.
 * @param href what was called
 */
export async function readFailure(
  response: Response,
  href: string,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): Promise<CallOutcome> {
  const { status, headers } = response;
  if (status < 200 || status > 599) {
    discard(response);
    return fail({ kind: "contract", detail: `status ${status} is not a valid response status`, status });
  }
  const waits = status === 429 || status === 503;
  const failure = {
    kind: "status" as const,
    status,
    detail: null,
    location: status >= 300 && status < 400 ? shownLocation(headers.get("location"), href) : null,
    retryable: null,
    retry_after_ms: waits ? retryAfterMs(headers.get("retry-after"), Date.now()) : null,
  };
  hooks.failing?.(failure);
  const type = mediaType(response);
  const text = await textOf(response, brotli);
  const problem = isJson(type) ? parseProblem(text) : {};
  return fail({
    ...failure,
    ...failureMessage(problem, agentMessage(text, type)),
    retryable: problem.retryable ?? null,
  });
}

/** A redirect's target, without parts that may hold a credential. */
function shownLocation(location: string | null, href: string): string | null {
  if (location === null) return null;
  if (!URL.canParse(location, href)) return clip(location.replace(/[?#].*$/s, ""));
  return clip(shownUrl(new URL(location, href)));
}

/** The part of a body received in time; "" if it cannot be decoded. */
async function textOf(response: Response, brotli: BrotliDecoder | null): Promise<string> {
  let text = "";
  try {
    const body = await decodedBody(response, brotli);
    if (body !== null) text = await textWithin(body, WORDS_BYTES, WORDS_MS);
  } catch {
    // An unknown coding: the status is enough.
  }
  discard(response);
  return text;
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
