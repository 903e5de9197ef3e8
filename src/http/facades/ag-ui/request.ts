// AG-UI's RunAgentInput: a thread's messages, of which the last one of the user is the question, or answers to the
// interrupts of an earlier run of the thread.
import type { ConversationTurn } from "../../../contract/execution.ts";
import { JsonObject } from "../../../contract/json.ts";
import { type InputError, ok, type Result } from "../../../contract/problem.ts";
import { OnDisconnect } from "../../../contract/requests.ts";
import * as z from "../../../contract/zod.ts";
import { askedIn, Content, contentText } from "../history.ts";

const Message = z.looseObject({
  id: z.optional(z.string()),
  role: z.string(),
  content: z.nullish(z.union([Content, JsonObject])),
});

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
  const said = messages.map(({ role, content }) => ({ role, text: contentText(content) }));
  const asked = askedIn(said, "/messages");
  if (!asked.ok) return asked;
  const { query, history } = asked.value;
  return ok(messages.length === 1 ? { query } : { query, history });
}

/** An interrupt's execution and the `seq` of its event. */
export function interruptOf(id: string): { execution_id: string; seq: number } | null {
  const found = /^([A-Za-z0-9_-]{1,64})\.(\d{1,9})$/.exec(id);
  return found === null ? null : { execution_id: found[1] as string, seq: Number(found[2]) };
}
