// What an agent receives (src/contract/README.md section 4).
import { ConversationTurn } from "./execution.ts";
import { JsonObject } from "./json.ts";
import { ExecutionId, Name } from "./names.ts";
import * as z from "./zod.ts";

/** The body of every call. */
export const AgentCall = z.object({
  execution_id: ExecutionId,
  conversation_id: z.string(),
  stage: Name,
  agent_type: Name,
  /** 1 for the first try. */
  attempt: z.number().check(z.int(), z.gte(1)),
  query: z.string(),
  config: JsonObject,
  /** Each dependency's data; null where it was skipped, or failed and was optional. */
  inputs: z.record(z.string(), z.nullable(JsonObject)),
  /** What the stage's `input` makes of the question, the results and the context; absent where it has none. */
  input: z.optional(JsonObject),
  /** Of a stage with `map`: the item that the call is for, and its place in the list, from 0. */
  item: z.optional(z.unknown()),
  index: z.optional(z.number().check(z.int(), z.gte(0))),
  /** Of a stage with `repeat`: 1 for the first, and the data of the one before, null in the first. */
  iteration: z.optional(z.number().check(z.int(), z.gte(1))),
  previous: z.optional(z.nullable(JsonObject)),
  context: JsonObject,
  /** The conversation's last completed turns, oldest first. */
  history: z.array(ConversationTurn),
  timeout_ms: z.number(),
  /** Why the answer of the try before was not taken; absent where it was no answer, or there was none. */
  previous_error: z.optional(z.object({ code: z.string(), message: z.string() })),
});
export type AgentCall = z.infer<typeof AgentCall>;
