// What the execution index is asked about the turns of a conversation, and answers: see ExecutionIndex.
import type { ConversationTurn } from "../contract/execution.ts";
import type { ReplacedTurn } from "../core/execution/run-spec.ts";
import type { ConversationHome } from "../core/monitoring/shards.ts";

/** What is before a turn that is to be replaced. */
export interface TurnsBefore extends ConversationHome {
  conversation_id: string;
  turn: ReplacedTurn;
  /** How many turns at most. */
  turns: number;
}

/** A turn's place in its conversation: when the first execution that had it ended, ms since the epoch, and its id. */
export interface TurnPlace {
  at: number;
  id: string;
}

export interface TurnsQuery {
  conversation_id: string;
  /** After this one. */
  after: TurnPlace | null;
  limit: number;
}

/** A turn with the execution that has it. */
export interface ListedTurn {
  place: TurnPlace;
  execution_id: string;
  /** Ms since the epoch. */
  ended: number;
  turn: ConversationTurn;
  /** Executions that had it before, or came to it too late, by their ends. */
  replaced: string[];
}
