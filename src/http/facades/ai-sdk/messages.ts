// What useChat sends: its list of messages, or the last one alone, as a question and the turns before it.
import type { ConversationTurn } from "../../../contract/execution.ts";
import { JsonObject } from "../../../contract/json.ts";
import { ConversationId, OnDisconnect } from "../../../contract/requests.ts";
import { type InputError, ok, type Result } from "../../../contract/problem.ts";
import { type ApprovalId, approvalOf } from "../../../core/dialects/ai-sdk-approvals.ts";
import type { Listed } from "../../../engine/worker-ports.ts";
import * as z from "../../../contract/zod.ts";
import { askedIn } from "../history.ts";

const Part = z.looseObject({ type: z.string(), text: z.optional(z.string()) });
const Message = z.looseObject({
  id: z.optional(z.string()),
  role: z.enum(["system", "user", "assistant"]),
  parts: z.array(Part),
});
type Message = z.infer<typeof Message>;

/** Unknown fields are ignored: the client's own `body` is merged into it. */
export const ChatRequest = z.lazy(() =>
  z.object({
    id: ConversationId,
    messages: z.optional(z.array(Message)),
    /** Without a list the conversation is the coordinator's to remember. */
    message: z.optional(Message),
    trigger: z.optional(z.enum(["submit-message", "regenerate-message"])),
    messageId: z.nullish(z.string()),
    pipeline: z.optional(z.string()),
    pipeline_config: z.optional(JsonObject),
    context: z.optional(JsonObject),
    on_disconnect: z.optional(OnDisconnect),
    ui: z.optional(z.number()),
  }),
);
export type ChatRequest = z.infer<typeof ChatRequest>;

/** The body of the AI SDK's stop endpoint: which stream it means, where it says so. */
export const StopRequest = z.lazy(() =>
  z.object({
    activeStreamId: z.nullish(z.string()),
    assistantMessage: z.nullish(
      z.looseObject({ metadata: z.nullish(z.looseObject({ execution_id: z.optional(z.string()) })) }),
    ),
  }),
);
export type StopRequest = z.infer<typeof StopRequest>;

/** An answer to an approval that the last message asked for. */
export interface ChatApproval extends ApprovalId {
  approved: boolean;
  reason: string | undefined;
}

export interface ChatApprovals {
  execution_id: string;
  approvals: ChatApproval[];
  /** The `seq` up to which the message knows the run. */
  after: number;
}

const Approval = z.looseObject({
  state: z.literal("approval-responded"),
  approval: z.looseObject({ id: z.string(), approved: z.boolean(), reason: z.optional(z.string()) }),
});

const Rested = z.looseObject({ metadata: z.looseObject({ seq: z.number() }) });

/** A message that asked for approvals, with their answers; null where the last one is a question. */
export function chatApprovals({ messages, message }: ChatRequest): ChatApprovals | null {
  const last = messages === undefined ? message : messages.at(-1);
  if (last?.role !== "assistant") return null;
  const approvals = last.parts.flatMap((part) => {
    const answered = Approval.safeParse(part);
    const approval = answered.success ? approvalOf(answered.data.approval.id) : null;
    if (!answered.success || approval === null) return [];
    const { approved, reason } = answered.data.approval;
    return [{ ...approval, approved, reason }];
  });
  const [first] = approvals;
  if (first === undefined) return null;
  const rested = Rested.safeParse(last);
  const after = rested.success ? rested.data.metadata.seq : Math.max(...approvals.map(({ seq }) => seq));
  const { execution_id } = first;
  return { execution_id, after, approvals: approvals.filter((own) => own.execution_id === execution_id) };
}

export interface ChatQuestion {
  /** The client's id of the message, where it has one. */
  id: string | undefined;
  query: string;
  /** Absent where the client has sent the last message alone. */
  history?: ConversationTurn[];
}

/** A chat's request that starts a run. */
export interface ChatStart {
  sent: unknown;
  /** What the same POST again is known by. */
  asked: unknown;
  /** Undefined where the caller has named the run by an Idempotency-Key. */
  execution_id: string | undefined;
  pipeline: string;
  /** The chat's last run; null where it has none. */
  latest: Listed | null;
  question: ChatQuestion;
}

/** The last question, or what is wrong with the messages. */
export function chatQuestion({ messages, message }: ChatRequest): Result<ChatQuestion, InputError> {
  const list = messages ?? (message === undefined ? [] : [message]);
  const isList = messages !== undefined;
  const asked = askedIn(
    list.map((said) => ({ role: said.role, text: textOf(said) })),
    isList ? "/messages" : "/message",
    (at) => (isList ? `/messages/${at}/parts` : "/message/parts"),
  );
  if (!asked.ok) return asked;
  const { query, at, history } = asked.value;
  const question = { id: list[at]?.id, query };
  return ok(list.length <= 1 ? question : { ...question, history });
}

/** Its text, without parts that were taken back. */
function textOf({ parts }: Message): string {
  const texts = parts.flatMap((part) => {
    const isText = part.type === "text" && part.text !== undefined;
    return isText && !isSuperseded(part) ? [part.text] : [];
  });
  return texts.join("\n");
}

function isSuperseded(part: Record<string, unknown>): boolean {
  const own = (part["providerMetadata"] as { coordinator?: { superseded?: unknown } } | undefined)
    ?.coordinator;
  return own?.superseded === true;
}
