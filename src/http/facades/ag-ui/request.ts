// AG-UI's RunAgentInput: a thread's messages, of which the last one of the user is the question, or answers to the
// interrupts of an earlier run of the thread.
import type { ConversationTurn } from "../../../contract/execution.ts";
import { JsonObject } from "../../../contract/json.ts";
import { err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import { OnDisconnect } from "../../../contract/requests.ts";
import * as z from "../../../contract/zod.ts";

const Content = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.optional(z.string()) })),
]);
const Message = z.looseObject({
  id: z.optional(z.string()),
  role: z.string(),
  content: z.nullish(z.union([Content, JsonObject])),
});
type Message = z.infer<typeof Message>;

const ResumeEntry = z.looseObject({
  interruptId: z.string(),
  status: z.enum(["resolved", "cancelled"]),
  payload: z.optional(z.unknown()),
});
export type ResumeEntry = z.infer<typeof ResumeEntry>;

export const RunAgentInput = z.lazy(() =>
  z.looseObject({
    threadId: z.string(),
    runId: z.string().check(z.minLength(1), z.maxLength(256)),
    protocolVersion: z.nullish(z.string()),
    state: z.optional(z.unknown()),
    messages: z.array(Message),
    context: z.nullish(z.array(z.looseObject({ description: z.string(), value: z.unknown() }))),
    forwardedProps: z.nullish(
      z.looseObject({
        pipeline: z.optional(z.string()),
        pipeline_config: z.optional(JsonObject),
        context: z.optional(JsonObject),
        on_disconnect: z.optional(OnDisconnect),
      }),
    ),
    resume: z.nullish(z.array(ResumeEntry)),
  }),
);
export type RunAgentInput = z.infer<typeof RunAgentInput>;

export interface AgUiQuestion {
  query: string;
  /** Absent where the question is all that the client has sent. */
  history?: ConversationTurn[];
}

export function questionOf({ messages }: RunAgentInput): Result<AgUiQuestion, InputError> {
  const last = messages.findLastIndex(({ role }) => role === "user");
  const asked = messages[last];
  if (asked === undefined)
    return err({ pointer: "/messages", detail: "must hold a message of the role user" });
  const query = textOf(asked);
  if (query.trim() === "") return err({ pointer: `/messages/${last}/content`, detail: "must hold text" });
  return ok(messages.length === 1 ? { query } : { query, history: turnsOf(messages.slice(0, last)) });
}

/** The questions that have an answer, with it. */
function turnsOf(messages: readonly Message[]): ConversationTurn[] {
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
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.flatMap(({ text }) => text ?? []).join("\n") : "";
}

/** An interrupt's execution and the `seq` of its event. */
export function interruptOf(id: string): { execution_id: string; seq: number } | null {
  const found = /^([A-Za-z0-9_-]{1,64})\.(\d{1,9})$/.exec(id);
  return found === null ? null : { execution_id: found[1] as string, seq: Number(found[2]) };
}
