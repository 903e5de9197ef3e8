// A callback as the object receives it (src/contract/README.md section 10): a JSON answer, problem details or an event
// stream, as section 4 has them, or a sign of life. What is none of these is refused with the place of the fault, and
// means nothing for its call: the agent can send it again.
import { AgentProgress } from "../../../contract/agent.ts";
import type { CoordinatorError } from "../../../contract/problem.ts";
import { readJson } from "../../../core/json/json.ts";
import type { CallFailure } from "../../../core/resilience/classify.ts";
import type { Sent } from "../../../engine/object-protocol.ts";
import type { CallbackRead, CallHooks } from "../../../engine/ports.ts";
import { outcomeOf, wholeCharacters } from "../answer.ts";
import type { BrotliDecoder } from "../body/codings.ts";
import { readNative, parseAnswer, readErrorEvent } from "../native.ts";
import { bodyFailure, clip } from "../parse.ts";
import { type AgentResponse, agentResponse } from "../response.ts";

const STATUS = 200;
const FORMS =
  '{"data": {…}}, {"heartbeat": true} or {"progress": {"message": "…"}} as application/json, ' +
  "problem details as application/problem+json, or an event stream as text/event-stream";

export async function readCallback(
  { headers, body }: Sent,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): Promise<CallbackRead> {
  const given = new Headers(headers);
  // In upper case it is decoded here: the platform decodes the answers of calls, and no body that is sent to it.
  const coding = given.get("content-encoding") ?? "";
  if (coding !== "") given.set("content-encoding", coding.toUpperCase());
  const isStream = /^\s*text\/event-stream/i.test(given.get("content-type") ?? "");
  // Only a stream takes long.
  const read = body !== null && isStream ? untilAborted(body, hooks.signal) : body;
  const response = agentResponse({ status: STATUS, headers: given, body: read }, hooks, brotli);
  if (!response.hasBody) return refused("", `must be ${FORMS}`);
  try {
    return await readBody(response, hooks);
  } catch (cause) {
    response.discard();
    return fault(bodyFailure(cause, STATUS));
  }
}

async function readBody(response: AgentResponse, hooks: CallHooks): Promise<CallbackRead> {
  if (response.isStream) return readStream(response, hooks);
  if (!response.isJson) {
    response.discard();
    return refused(
      "",
      `must be ${FORMS}, not ${response.type === "" ? "without a type" : clip(response.type)}`,
    );
  }
  const text = await response.text();
  if (response.type === "application/problem+json") return ending(readErrorEvent(text, STATUS));
  const json = readJson(text);
  if (json.ok && json.value !== null && typeof json.value === "object") {
    const sign = signOfLife(json.value);
    if (sign !== null) return sign;
  }
  return ending(parseAnswer(text, STATUS));
}

/** A heartbeat or a progress in exactly its form; null for any other object. */
function signOfLife(value: object): CallbackRead | null {
  const [key, ...others] = Object.keys(value);
  if (others.length > 0) return null;
  const [member] = Object.values(value) as unknown[];
  if (key === "heartbeat") {
    return member === true ? { kind: "alive", progress: null } : refused("/heartbeat", "must be true");
  }
  if (key !== "progress") return null;
  const progress = AgentProgress.safeParse(member);
  if (!progress.success) return refused("/progress", 'must be {"message": "…", "fraction"?: 0 to 1}');
  return { kind: "alive", progress: { ...progress.data, message: clip(progress.data.message) } };
}

async function readStream(response: AgentResponse, hooks: CallHooks): Promise<CallbackRead> {
  const text = wholeCharacters(hooks);
  const read = await readNative(response, {
    delta: text.push,
    progress: (progress) => hooks.progress({ ...progress, message: clip(progress.message) }),
    usage: (usage) => hooks.usage?.(usage),
  });
  if (read.ok) text.end();
  return ending(read);
}

function ending(read: Parameters<typeof outcomeOf>[0]): CallbackRead {
  const outcome = outcomeOf(read);
  // What the agent itself reports is a failure of its work; all else is one of its callback.
  if (outcome.ok || outcome.failure.kind === "stream_error") return { kind: "ending", outcome };
  return fault(outcome.failure);
}

/** The refusal of a body that cannot be read. */
function fault(failure: CallFailure): CallbackRead {
  switch (failure.kind) {
    case "body_too_large":
    case "result_too_large": {
      const { limit_bytes } = failure;
      return { kind: "refused", error: { code: "RESOURCE_EXHAUSTED", what: "body", limit_bytes } };
    }
    case "truncated":
    case "contract": {
      const { detail, excerpt } = failure;
      const [, pointer = "", rest = detail] = /^(\/\S*) (.*)$/s.exec(detail) ?? [];
      const words = excerpt === undefined ? rest : `${rest}: ${excerpt}`;
      return refused(pointer, failure.kind === "truncated" ? `was truncated: ${words}` : words);
    }
    default:
      return refused("", `must be ${FORMS}`);
  }
}

function refused(pointer: string, detail: string): CallbackRead {
  const error: CoordinatorError = { code: "INVALID_REQUEST", errors: [{ pointer, detail }] };
  return { kind: "refused", error };
}

/** The body, which ends where its rest is not wanted. */
function untilAborted(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}
