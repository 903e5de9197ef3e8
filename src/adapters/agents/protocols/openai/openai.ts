// The protocol `openai`: a language model behind an endpoint with OpenAI's interface is an agent, of which nothing is to
// be written but its prompt. src/contract/README.md section 15.
import type { OpenAiOptions } from "../../../../contract/agent-options.ts";
import type { AgentRequest } from "../../../../engine/ports.ts";
import type { AgentAnswer, RegisteredAgent } from "../../../../contract/agent.ts";
import { err, ok, type Result } from "../../../../contract/problem.ts";
import { isObject, readJson } from "../../../../core/json/json.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import { BodyFault } from "../../body/body.ts";
import { clip, type ErrorBody, readErrorBody } from "../../parse.ts";
import type { AgentProtocol, AnswerHooks, AnswerRead, ProtocolRequest } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { DATA_DEPTH, historyMessages, membersOf, parsed } from "../members.ts";
import { broken, cutOff, refused } from "../outcomes.ts";
import { defaultPrompt, filledText } from "../template.ts";
import {
  type ChatError,
  type ChatFault,
  type ChatMessage,
  chatError,
  type Completion,
  completionBody,
  completionReader,
} from "./completion.ts";

/** Codes of errors that another try cannot mend, under whichever status they come. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "context_length_exceeded",
  "model_not_found",
]);
/** A finish_reason of a text that is not whole. */
const CUT_REASONS: ReadonlySet<string> = new Set(["length", "content_filter"]);
const TOOL_REASONS: ReadonlySet<string> = new Set(["tool_calls", "function_call"]);
/** Maximum number of characters shown of a text that is not what was asked for. */
const SHOWN_CHARS = 100;

export const openAi: AgentProtocol = {
  form: "a chat completion",
  request: ({ call, options }) => chatRequest(options as OpenAiOptions, call),
  async read(response, hooks, { registration, options }) {
    const { output, model } = options as OpenAiOptions;
    const read = await readChat(response, hooks, output);
    if (read.ok !== true || read.value.usage === undefined) return read;
    return ok({ ...read.value, usage: { model, ...providerAt(registration), ...read.value.usage } });
  },
  readError: readChatError,
};

/** The provider of an endpoint that is certainly its own. Others name it in the completion, or do not. */
function providerAt(registration: RegisteredAgent | null): { provider?: string } {
  if (registration === null || !("url" in registration)) return {};
  return new URL(registration.url).hostname === "api.openai.com" ? { provider: "openai" } : {};
}

function chatRequest(options: OpenAiOptions, call: AgentRequest["call"]): ProtocolRequest {
  const { model, system, prompt, history, output: _, ...sampling } = options;
  const messages: ChatMessage[] = [
    ...(system === undefined ? [] : [{ role: "system" as const, content: filledText(system, call) }]),
    ...(history ? historyMessages(call.history) : []),
    { role: "user", content: prompt === undefined ? defaultPrompt(call) : filledText(prompt, call) },
  ];
  return {
    path: "/chat/completions",
    headers: { "content-type": "application/json", accept: "text/event-stream, application/json;q=0.9" },
    body: completionBody(model, messages, sampling),
  };
}

/** @param output `json` where the text is to be an object, which becomes the data; it is not streamed then */
async function readChat(
  response: AgentResponse,
  hooks: AnswerHooks,
  output: "text" | "json",
): Promise<AnswerRead> {
  const { status } = response;
  const reader = completionReader();
  const finish = (read: ReturnType<typeof reader.end>): AnswerRead =>
    read.ok ? chatAnswer(read.value, output, status) : chatFailure(read.error, status);
  if (response.isJson) return finish(reader.whole(await response.text()));
  if (!response.isStream) return err(await response.unexpected("text/event-stream or application/json"));
  let isThinking = false;
  try {
    const outcome = await response.events(({ event, data }): AnswerRead | null => {
      const heard = reader.push(data, event === "error");
      if (!heard.ok) return chatFailure(heard.error, status);
      if (heard.value.isThinking && !isThinking) hooks.progress({ message: "thinking" });
      isThinking = heard.value.isThinking;
      if (heard.value.usage !== null) hooks.usage?.(heard.value.usage);
      if (heard.value.text !== "" && output === "text") hooks.delta(heard.value.text);
      return reader.isOver ? finish(reader.end()) : null;
    });
    return outcome ?? finish(reader.end());
  } catch (cause) {
    // The counts that should have followed are lost, the text is whole.
    if (reader.isFinished && !(cause instanceof BodyFault)) return finish(reader.end());
    throw cause;
  }
}

function chatAnswer({ text, finish_reason, usage }: Completion, output: string, status: number): AnswerRead {
  const reason = finish_reason ?? "";
  if (TOOL_REASONS.has(reason)) {
    const detail = `the model calls tools, of which it was offered none (finish_reason ${reason})`;
    return broken(detail, status);
  }
  const cut = CUT_REASONS.has(reason) ? { finish_reason: reason } : {};
  const counted = usage === null ? {} : { usage };
  const answer = (data: AgentAnswer["data"]): AnswerRead => ok({ data: { ...data, ...cut }, ...counted });
  if (output === "text") return answer({ answer: text });
  const json = readJson(unfenced(text), DATA_DEPTH);
  if (json.ok && isObject(json.value)) return answer(json.value);
  const why = json.ok ? "is JSON, but no object" : `is not JSON (${json.error.detail})`;
  const ended = cut.finish_reason === undefined ? "" : `, and was cut off (finish_reason ${reason})`;
  const detail = `the model's text ${why}${ended}; options.output "json" needs an object. It begins with`;
  return err({ kind: "contract", detail, excerpt: clip(text.slice(0, SHOWN_CHARS)), status });
}

/** The text inside a fence of code, in which many models put JSON. */
function unfenced(text: string): string {
  return /^\s*```(?:json)?[ \t]*\r?\n([\s\S]*?)\n?[ \t]*```\s*$/i.exec(text)?.[1] ?? text;
}

function chatFailure(fault: ChatFault, status: number): Result<never, CallFailure> {
  switch (fault.kind) {
    case "malformed":
      return broken(fault.detail, status);
    case "truncated":
      return cutOff("the stream ended without finish_reason or [DONE]");
    case "error":
      return refused(fault.status, fault.message, retryableOf(fault));
  }
}

/** What the body of a failure status says: the message of its error object. */
function readChatError(body: string, type: string): ErrorBody {
  const value = parsed(body);
  // Some put it into a list.
  const { error } = membersOf(Array.isArray(value) ? value[0] : value);
  const read = chatError(error);
  if (!isObject(error) || read.message === null) return readErrorBody(body, type);
  return { detail: clip(read.message), retryable: retryableOf(read) };
}

/** Null where the status decides. */
function retryableOf({ code }: ChatError): boolean | null {
  return code !== null && FINAL_CODES.has(code) ? false : null;
}
