// Maps an agent's response to an outcome, for every protocol: statuses, redirects, Retry-After, truncated bodies,
// sizes. A response that violates src/contract/README.md section 4 is a contract failure; one that stops too early is
// truncated.
import type { AgentProgress } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import { retryAfterMs } from "../../contract/retry-after.ts";
import type { Usage } from "../../contract/stage.ts";
import { isHighSurrogate } from "../../contract/text.ts";
import type { CallEnding, CallOutcome } from "../../core/execution/command.ts";
import { answerBytes, pointerToWide } from "../../core/json/weight.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { shownUrl } from "../../core/security/agent-target.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { bodyFailure, bodyless, clip } from "./parse.ts";
import type { AnswerHooks, AgentProtocol, AnswerRead, ProtocolCall } from "./protocol.ts";
import type { AgentResponse } from "./response.ts";

export async function readAnswer(
  response: AgentResponse,
  protocol: AgentProtocol,
  hooks: CallHooks,
  asked: ProtocolCall,
): Promise<CallOutcome> {
  const { status } = response;
  if (status === 204 || status === 205 || !response.hasBody) {
    return fail(bodyless(status, protocol.form));
  }
  const shown = shownHooks(hooks);
  try {
    const read = await protocol.read(response, shown.hooks, asked);
    if (read.ok) shown.end();
    return read.ok === "asks" ? read : outcomeOf(read);
  } catch (cause) {
    response.discard();
    return fail(bodyFailure(cause, status));
  }
}

/** The hooks for what an agent sent, as readers may have it; `end` passes the rest on. */
export function shownHooks(hooks: AnswerHooks): { hooks: AnswerHooks; end: () => void } {
  const text = wholeCharacters(hooks);
  const progress = (said: AgentProgress) => hooks.progress({ ...said, message: clip(said.message) });
  const usage = (used: Usage) => hooks.usage?.(used);
  return { hooks: { delta: text.push, progress, usage }, end: text.end };
}

/**
 * The outcome of a read answer. Counts its size and refuses one beyond the limit. An answer that asks is a failure here:
 * a callback cannot ask.
 */
export function outcomeOf(read: AnswerRead): CallEnding {
  if (!read.ok) return fail(read.error);
  if (read.ok === "asks") return fail(asksForMore(read.prompt));
  const bytes = answerBytes(read.value);
  if (bytes > LIMITS.RESULT_BYTES) {
    return fail({ kind: "result_too_large", limit_bytes: LIMITS.RESULT_BYTES, bytes });
  }
  const { data, context } = read.value;
  const wide = pointerToWide({ data, context }, bytes);
  if (wide === null) return { ok: true, answer: read.value, bytes };
  return fail({ kind: "contract", detail: `${wide} has more than ${LIMITS.MEMBERS} members`, status: 200 });
}

/** The failure of a call whose agent asks a person, as another try would again. */
function asksForMore(prompt: JsonObject): CallFailure {
  const { question } = prompt;
  const words = typeof question === "string" && question !== "" ? question : JSON.stringify(prompt);
  return {
    kind: "stream_error",
    status: 422,
    detail: `the agent asks for more: ${clip(words)}`,
    retryable: false,
  };
}

/**
 * The failure of a response with a failure status. The status is known with the headers; the body adds a message.
 * @param href the URL that was called
 */
export async function readFailure(
  response: AgentResponse,
  protocol: Pick<AgentProtocol, "readError">,
  href: string,
  hooks: CallHooks,
): Promise<Extract<CallEnding, { ok: false }>> {
  const { status, headers, type } = response;
  if (status < 200 || status > 599) {
    response.discard();
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
  return fail({ ...failure, ...protocol.readError(await response.partialText(), type) });
}

/** A redirect's target, without the parts that may hold a credential. */
function shownLocation(location: string | null, href: string): string | null {
  if (location === null) return null;
  if (!URL.canParse(location, href)) return clip(location.replace(/[?#].*$/s, ""));
  return clip(shownUrl(new URL(location, href)));
}

function fail(failure: CallFailure): Extract<CallEnding, { ok: false }> {
  return { ok: false, failure };
}

/**
 * Passes pieces of text on, each of whole characters: readers join deltas as they like, some of them in languages that
 * cannot join two halves of a character.
 */
export function wholeCharacters({ delta }: Pick<CallHooks, "delta">) {
  /** The first half of a surrogate pair whose second half is in the next piece. */
  let half = "";
  /** Units passed on. */
  let length = 0;
  return {
    push: (piece: string, offset = Number.POSITIVE_INFINITY) => {
      if (offset <= length) half = "";
      const text = half + piece;
      half = isHighSurrogate(text.charCodeAt(text.length - 1)) ? text.slice(-1) : "";
      const whole = half === "" ? text : text.slice(0, -1);
      if (offset < length) delta(whole, offset);
      else delta(whole);
      length = Math.min(offset, length) + whole.length;
    },
    end: () => {
      if (half !== "") delta(half);
    },
  };
}
