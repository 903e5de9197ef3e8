// The body of POST /v1/chat/completions: a model's name, which is a pipeline's, and messages, of which the last one of the
// user is the question. What steers a model is handed to the agents.
import type { ConversationTurn } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import { askedIn, Content, contentText, type Said } from "../history.ts";

const Message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.nullish(Content),
});

export const ChatCompletionRequest = z.lazy(() =>
  z.looseObject({
    model: z.string(),
    messages: z.array(Message),
    stream: z.nullish(z.boolean()),
    stream_options: z.nullish(z.looseObject({ include_usage: z.nullish(z.boolean()) })),
    n: z.nullish(z.number()),
    tool_choice: z.nullish(z.union([z.string(), z.looseObject({})])),
    metadata: z.nullish(z.looseObject({ conversation_id: z.optional(z.string()) })),
  }),
);
export type ChatCompletionRequest = z.infer<typeof ChatCompletionRequest>;

const SAMPLING = [
  "temperature",
  "top_p",
  "max_tokens",
  "max_completion_tokens",
  "seed",
  "stop",
  "response_format",
  "reasoning_effort",
] as const;

export interface ChatQuestion {
  query: string;
  history: ConversationTurn[];
  context: JsonObject;
  /** The last message is all that there is: a conversation's own memory may be of use. */
  isAlone: boolean;
}

export function questionOf(request: ChatCompletionRequest): Result<ChatQuestion, InputError> {
  const { messages, n, tool_choice } = request;
  if (n != null && n > 1) return err({ pointer: "/n", detail: "must be 1: a run has one answer" });
  if (tool_choice === "required" || (tool_choice !== null && typeof tool_choice === "object")) {
    return err({ pointer: "/tool_choice", detail: "cannot be met: a pipeline calls no tools of its caller" });
  }
  const said = messages.map(({ role, content }) => ({ role, text: contentText(content) }));
  const asked = askedIn(said, "/messages");
  if (!asked.ok) return asked;
  const system = systemIn(said);
  const sampling = Object.fromEntries(
    SAMPLING.flatMap((name) => (request[name] == null ? [] : [[name, request[name]]])),
  );
  const context: JsonObject = {
    ...(system === null ? {} : { system }),
    ...(Object.keys(sampling).length === 0 ? {} : { sampling }),
  };
  const { query, history } = asked.value;
  return ok({ query, history, context, isAlone: history.length === 0 });
}

/** What the system's messages say, and `first` before it; null where that is nothing. */
export function systemIn(messages: readonly Said[], first = ""): string | null {
  const said = messages.filter(({ role }) => role === "system" || role === "developer");
  const texts = [first, ...said.map(({ text }) => text)].filter((text) => text !== "");
  return texts.length === 0 ? null : texts.join("\n\n");
}
