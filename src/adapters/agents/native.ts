// The native protocol (src/contract/README.md section 4): the call as JSON, and an answer as JSON or as an event stream
// of `delta`, `progress`, `usage`, and one last `result` or `error`.
import type { EventSourceMessage } from "eventsource-parser";
import { AgentAnswer, AgentDelta, AgentProgress } from "../../contract/agent.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { keptUsage } from "../../contract/usage.ts";
import { cutText } from "../../contract/text.ts";
import { readMembers } from "../../core/json/json.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { agentMessage, wordsOf } from "../../core/resilience/agent-message.ts";
import { clip, readErrorBody, failureMessage, parseJson, readProblem } from "./parse.ts";
import type { AgentProtocol, AnswerHooks } from "./protocol.ts";
import type { AgentResponse } from "./response.ts";

/** An agent of this protocol does not ask by its answer. */
type NativeRead = Result<AgentAnswer, CallFailure>;

const FORM = '{"data": {…}}';
/** Maximum number of keys shown of an answer without `data`. */
const KEYS_MOST = 8;
/** Maximum number of characters shown of an event in a wrong form. */
const SHOWN_CHARS = 100;

export const native: AgentProtocol = {
  form: FORM,
  request: ({ call }) => ({
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream, application/json;q=0.9",
      "coordinator-execution-id": call.execution_id,
      "coordinator-stage": call.stage,
      "coordinator-attempt": String(call.attempt),
      "coordinator-timeout-ms": String(Math.round(call.timeout_ms)),
    },
    body: JSON.stringify(call),
  }),
  read: readNative,
  readError: readErrorBody,
};

/** Reads an answer, or a callback with one. */
export async function readNative(response: AgentResponse, hooks: AnswerHooks): Promise<NativeRead> {
  const { status } = response;
  if (response.isStream) {
    const outcome = await response.events((event) => readEvent(event, status, hooks));
    return outcome ?? err({ kind: "truncated", detail: "the stream ended without result or error" });
  }
  if (response.isJson) return parseAnswer(await response.text(), status);
  return err(await response.unexpected("application/json or text/event-stream"));
}

/** The answer that a JSON text holds: a whole body, or a stream's `result`. */
export function parseAnswer(text: string, status: number): NativeRead {
  const json = parseJson(text, status, FORM);
  if (!json.ok) return json;
  const answer = AgentAnswer.safeParse(json.value);
  return answer.success ? ok(answer.data) : err({ kind: "contract", ...answerFault(json.value), status });
}

/** Why a JSON value is not an answer. The usual reason is a missing `data` wrapper. */
function answerFault(value: unknown): { detail: string; excerpt?: string } {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { detail: `expected ${FORM}, received ${kindOf(value)}` };
  }
  if ("data" in value) return { detail: `/data is ${kindOf(value.data)}; expected ${FORM}` };
  const words = wordsOf(value);
  if (words !== null) {
    return { detail: `/data is missing (expected ${FORM}); the answer says`, excerpt: clip(words) };
  }
  const keys = Object.keys(value).slice(0, KEYS_MOST);
  const missing = `/data is missing; expected ${FORM}`;
  if (keys.length === 0) return { detail: `${missing}, received {}` };
  return { detail: `${missing} around the members received`, excerpt: clip(keys.join(", ")) };
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Passes text, progress and usage on. Returns the outcome of a `result`, an `error`, or an event in a wrong form. */
function readEvent(event: EventSourceMessage, status: number, hooks: AnswerHooks): NativeRead | null {
  switch (event.event) {
    case "delta": {
      const delta = AgentDelta.safeParse(readMembers(event.data));
      if (delta.success) {
        hooks.delta(delta.data.text, delta.data.offset);
        return null;
      }
      const detail = 'a delta event must be {"text": "…"}, received';
      return err({ kind: "contract", detail, excerpt: cutText(clip(event.data), SHOWN_CHARS), status });
    }
    case "progress": {
      const progress = AgentProgress.safeParse(readMembers(event.data));
      // A malformed progress event is ignored: progress must not fail a call.
      if (progress.success) hooks.progress(progress.data);
      return null;
    }
    case "usage": {
      const usage = keptUsage(readMembers(event.data));
      if (usage !== undefined) hooks.usage?.(usage);
      return null;
    }
    case "result":
      return parseAnswer(event.data, status);
    case "error":
      return readErrorEvent(event.data, status);
    default:
      // Unknown events are ignored: later versions of the protocol may add some.
      return null;
  }
}

/** The failure that problem details report, of a stream's `error` or of a callback. */
export function readErrorEvent(data: string, status: number): NativeRead {
  const problem = readProblem(data);
  const words = agentMessage(data, "");
  if (problem === null) {
    const detail = "an error event is not problem details";
    return err({ kind: "contract", detail, excerpt: words === null ? undefined : clip(words), status });
  }
  const given = failureMessage(problem, words);
  return err({
    kind: "stream_error",
    status: problem.status ?? null,
    detail: given.detail ?? given.words ?? null,
    retryable: problem.retryable ?? null,
  });
}
