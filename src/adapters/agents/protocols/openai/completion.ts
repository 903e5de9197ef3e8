// Writes and reads a chat completion of the many endpoints that have OpenAI's interface, streamed or in one piece. Pure,
// so that it serves over any connection: the protocol's in openai.ts, and the reference answer agent's own.
import { err, ok, type Result } from "../../../../contract/problem.ts";
import type { Usage } from "../../../../contract/stage.ts";
import { readMembers } from "../../../../core/json/json.ts";
import { contentText, listOf, type Members, membersOf, present, statusOf, wordOf } from "../members.ts";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The body of a request for a streamed completion. @param sampling further members; undefined ones are left out */
export function completionBody(model: string, messages: readonly ChatMessage[], sampling: Members): string {
  return JSON.stringify({
    ...sampling,
    model,
    messages,
    stream: true,
    // Without it no usage is sent in a stream.
    stream_options: { include_usage: true },
  });
}

export type ChatFault =
  | { kind: "malformed"; detail: string }
  /** The endpoint's own error object. */
  | ({ kind: "error" } & ChatError)
  /** It ended before a finish_reason. */
  | { kind: "truncated" };

export interface ChatError {
  message: string | null;
  code: string | null;
  status: number | null;
}

/** What one event adds. */
interface Heard {
  text: string;
  /** It has reasoning that is not part of the answer. */
  isThinking: boolean;
  /** What was counted up to here, where it has counts: most endpoints count once, at the end. */
  usage: Usage | null;
}

export interface Completion {
  text: string;
  /** Null where a completion in one piece has none. */
  finish_reason: string | null;
  /** Null where the endpoint counted nothing. */
  usage: Usage | null;
}

export interface CompletionReader {
  /** The finish_reason is there: nothing of the text can follow. */
  readonly isFinished: boolean;
  /** All is there: what could follow is not read. */
  readonly isOver: boolean;
  /** Takes the data of one event. @param isError it is an `error` event */
  push(data: string, isError?: boolean): Result<Heard, ChatFault>;
  /** Takes a completion in one piece, of an endpoint that ignores `stream`. */
  whole(body: string): Result<Completion, ChatFault>;
  /** The completion of a stream that has ended. */
  end(): Result<Completion, ChatFault>;
}

const NOTHING: Heard = { text: "", isThinking: false, usage: null };

export function completionReader(): CompletionReader {
  const pieces: string[] = [];
  let finish_reason: string | null = null;
  let isDone = false;
  /** Counts that came before the end may not be the last ones. */
  let isCounted = false;
  let usage: Usage | null = null;
  let model: string | null = null;
  let provider: string | null = null;

  const take = (chunk: Members): Heard => {
    model ??= wordOf(chunk["model"]);
    provider ??= wordOf(chunk["provider"]);
    const counted = countedUsage(chunk["usage"]);
    usage = counted ?? usage;
    const choice = membersOf(listOf(chunk["choices"])[0]);
    const said = membersOf(choice["delta"] ?? choice["message"]);
    finish_reason = wordOf(choice["finish_reason"]) ?? finish_reason;
    isCounted ||= finish_reason !== null && counted !== null;
    const text = contentText(said["content"]) + (wordOf(said["refusal"]) ?? "");
    if (text !== "") pieces.push(text);
    return {
      text,
      isThinking: wordOf(said["reasoning_content"]) !== null || wordOf(said["reasoning"]) !== null,
      usage: counted && named(counted),
    };
  };
  const named = (counts: Usage): Usage => ({ ...counts, ...present({ model, provider }) });
  const completion = (): Completion => ({
    text: pieces.join(""),
    finish_reason,
    usage: usage && named(usage),
  });
  return {
    get isFinished() {
      return finish_reason !== null || isDone;
    },
    get isOver() {
      return isDone || isCounted;
    },
    push(data, isError = false) {
      if (data.trim() === "[DONE]") {
        isDone = true;
        return ok(NOTHING);
      }
      const chunk = readMembers(data);
      const error = chunkError(chunk, data, isError);
      if (error !== null) return err(error);
      if (chunk === null) return err({ kind: "malformed", detail: "an event is not a JSON object" });
      return ok(take(chunk));
    },
    whole(body) {
      const chunk = readMembers(body);
      const error = chunkError(chunk, body, false);
      if (error !== null) return err(error);
      const message = membersOf(listOf(chunk?.["choices"])[0])["message"];
      if (chunk === null || message === undefined) {
        return err({ kind: "malformed", detail: "expected a chat completion, with /choices/0/message" });
      }
      take(chunk);
      return ok(completion());
    },
    end: () => (finish_reason === null && !isDone ? err({ kind: "truncated" }) : ok(completion())),
  };
}

function chunkError(chunk: Members | null, data: string, isError: boolean): ChatFault | null {
  const error = chunk?.["error"] ?? null;
  if (error !== null) return { kind: "error", ...chatError(error) };
  return isError ? { kind: "error", ...chatError(chunk ?? data) } : null;
}

/** An endpoint's error: an object, or its message alone. */
export function chatError(error: unknown): ChatError {
  const { message, code, type, status } = membersOf(error);
  return {
    message: wordOf(error) ?? wordOf(message),
    // Some say it in `type`; a `code` may also be the status.
    code: [code, type].map(wordOf).find((word) => word !== null && statusOf(word) === null) ?? null,
    status: statusOf(code) ?? statusOf(status),
  };
}

/** The counts under the names that they have in the contract; null where there are none. */
function countedUsage(reported: unknown): Usage | null {
  const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } =
    membersOf(reported);
  const counts = {
    input_tokens: prompt_tokens,
    output_tokens: completion_tokens,
    reasoning_tokens: membersOf(completion_tokens_details)["reasoning_tokens"],
    cached_input_tokens: membersOf(prompt_tokens_details)["cached_tokens"],
  };
  const given = Object.entries(counts).filter(([, count]) => Number.isFinite(count));
  return given.length === 0 ? null : Object.fromEntries(given);
}
