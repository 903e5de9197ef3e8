// What is answered about conversations and forks: src/contract/README.md section 11.
import * as z from "./zod.ts";
import { PipelineExecution } from "./execution.ts";

/** What a fork would do. */
const ForkPlan = z.object({
  /** The stages whose results are taken over, or whose data is given, in the order of the definition. */
  reused: z.array(z.string()),
  rerun: z.array(z.object({ stage: z.string(), reason: z.string() })),
});

export type ForkPlan = z.infer<typeof ForkPlan>;

/** The execution; with `dry_run` the plan alone. */
export const ForkAnswer = z.lazy(() => z.union([PipelineExecution, ForkPlan]));

/** A question of a conversation with its answer. */
const Turn = z.object({
  /** The execution that has answered. */
  execution_id: z.string(),
  query: z.string(),
  answer: z.unknown(),
  ended_at: z.iso.datetime(),
  /** It was superseded by the next question, and this is what it had said. */
  partial: z.boolean(),
  /** Executions whose answers had the turn before, or came to it too late, by their ends. */
  replaced: z.array(z.string()),
});

/** What the AI SDK's stop endpoint answers. */
export const ChatStopped = z.object({ success: z.boolean() });

export type ConversationTurn = z.infer<typeof Turn>;

export const Conversation = z.object({
  /** The oldest first. */
  data: z.array(Turn),
  has_more: z.boolean(),
  /** Opaque; null on the last page. */
  next_cursor: z.nullable(z.string()),
});
export type Conversation = z.infer<typeof Conversation>;
