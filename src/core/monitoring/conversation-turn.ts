// A conversation's turn: the part of a completed execution that the next question receives. Bounded, since every
// agent of every later run receives it.
import type { ConversationTurn } from "../../contract/execution.ts";
import { cutText } from "../../contract/text.ts";
import { retentionEnd } from "../execution/alarm/retention.ts";
import type { ExecutionState } from "../execution/state.ts";
import { finalResult } from "../execution/view/view.ts";

export interface KeptTurn extends ConversationTurn {
  execution_id: string;
  /** When it ended, ms since the epoch: turns are in this order. */
  ended_at: number;
  /** When it is forgotten, with its execution, ms since the epoch. */
  expires: number;
}

/** Of an answer, in UTF-16 units of its JSON. */
const ANSWER_CHARS = 16 * 1024;
/** Of a question. */
const QUERY_CHARS = 4 * 1024;

/** The conversation turn of an execution; null if it has not completed, or was a single stage. */
export function turnOf(state: ExecutionState): KeptTurn | null {
  const { spec, status, ended_at } = state;
  if (status !== "completed" || ended_at === null) return null;
  if (spec.pipeline_version === 0 || spec.config.context_memory_size === 0) return null;
  return {
    execution_id: spec.execution_id,
    query: cutText(spec.query, QUERY_CHARS),
    answer: bounded(finalResult(state)),
    ended_at,
    expires: retentionEnd(ended_at, spec),
  };
}

/** The last turns that are still kept, oldest first, as agents get them. */
export function lastTurns(turns: readonly KeptTurn[], count: number, now: number): ConversationTurn[] {
  const kept = turns.filter((turn) => turn.expires > now);
  return kept.slice(Math.max(0, kept.length - count)).map(({ query, answer }) => ({ query, answer }));
}

/** The answer, or of one that is too large its text, or nothing. */
function bounded(answer: unknown): unknown {
  if (JSON.stringify(answer).length <= ANSWER_CHARS) return answer;
  const text = answer !== null && typeof answer === "object" && "answer" in answer ? answer.answer : null;
  return typeof text === "string" ? { answer: cutText(text, ANSWER_CHARS) } : null;
}
