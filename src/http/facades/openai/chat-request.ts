// The body of POST /v1/chat/completions: a model's name, which is a pipeline's, and messages, of which the last one of the
// user is the question. What steers a model is handed to the agents.
import type { ConversationTurn } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";

const Content = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.optional(z.string()) })),
]);
const Message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.nullish(Content),
});
type Message = z.infer<typeof Message>;

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
  const last = messages.findLastIndex(({ role }) => role === "user");
  const asked = messages[last];
  if (asked === undefined)
    return err({ pointer: "/messages", detail: "must hold a message of the role user" });
  const query = textOf(asked);
  if (query.trim() === "") {
    return err({ pointer: `/messages/${last}/content`, detail: "must hold text" });
  }
  const system = messages
    .filter(({ role }) => role === "system" || role === "developer")
    .map(textOf)
    .filter((text) => text !== "");
  const sampling = Object.fromEntries(
    SAMPLING.flatMap((name) => (request[name] == null ? [] : [[name, request[name]]])),
  );
  const context: JsonObject = {
    ...(system.length === 0 ? {} : { system: system.join("\n\n") }),
    ...(Object.keys(sampling).length === 0 ? {} : { sampling }),
  };
  const history = turnsOf(messages.slice(0, last));
  return ok({ query, history, context, isAlone: history.length === 0 });
}

/** The questions that have an answer, with it. */
export function turnsOf(messages: readonly Message[]): ConversationTurn[] {
  const turns: ConversationTurn[] = [];
  let query: string | null = null;
  for (const message of messages) {
    if (message.role === "user") query = textOf(message);
    else if (message.role === "assistant" && query !== null && textOf(message) !== "") {
      turns.push({ query, answer: { answer: textOf(message) } });
      query = null;
    }
  }
  return turns;
}

function textOf({ content }: Message): string {
  if (content == null) return "";
  if (typeof content === "string") return content;
  return content.flatMap(({ text }) => text ?? []).join("\n");
}
