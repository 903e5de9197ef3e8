// A conversation's turn: the part of a completed execution that the next question receives. Bounded, since every
// agent of every later run receives it.
import type { ConversationTurn } from "../../contract/execution.ts";
import { cutText } from "../../contract/text.ts";
import { retentionEnd } from "../execution/alarm/retention.ts";
import type { ReplacedTurn } from "../execution/run-spec.ts";
import { type ExecutionState, stageOf } from "../execution/state.ts";
import { finalResult } from "../execution/view/view.ts";
import { sinks } from "../pipeline/graph.ts";

export interface KeptTurn extends ConversationTurn {
  execution_id: string;
  /** When it ended, ms since the epoch: turns are in this order. */
  ended_at: number;
  /** When it is forgotten, with its execution, ms since the epoch. */
  expires: number;
  /** The turn whose place it takes. */
  replaces?: ReplacedTurn;
}

/** Of an answer, in UTF-16 units of its JSON. */
const ANSWER_CHARS = 16 * 1024;
/** Of a question. */
const QUERY_CHARS = 4 * 1024;

/** The conversation turn of an execution; null if it has not completed, or was a single stage. */
export function turnOf(state: ExecutionState): KeptTurn | null {
  const { spec, ended_at } = state;
  if (ended_at === null || spec.pipeline_version === 0 || spec.no_turn === true) return null;
  if (spec.config.context_memory_size === 0) return null;
  const answered = answerOf(state);
  if (answered === null) return null;
  return {
    execution_id: spec.execution_id,
    query: cutText(spec.query, QUERY_CHARS),
    ...answered,
    ended_at,
    expires: retentionEnd(ended_at, spec),
    ...(spec.replaces === undefined ? {} : { replaces: spec.replaces }),
  };
}

/** What an execution has answered; of one that was superseded what it had said, if anything. */
function answerOf(state: ExecutionState): Pick<ConversationTurn, "answer" | "partial"> | null {
  if (state.status === "completed") return { answer: bounded(finalResult(state)) };
  if (state.superseded_by === null) return null;
  const said = sinks(state.spec.stages).map(({ name }) => stageOf(state, name).said);
  const text = said.findLast((each) => each !== null && each !== "");
  return text == null ? null : { answer: bounded({ answer: text }), partial: true };
}

/** The last turns that are still kept, oldest first, as agents get them. */
export function lastTurns(turns: readonly KeptTurn[], count: number, now: number): ConversationTurn[] {
  const kept = turns.filter((turn) => turn.expires > now);
  return kept
    .slice(Math.max(0, kept.length - count))
    .map(({ query, answer, partial }) => ({ query, answer, ...(partial === undefined ? {} : { partial }) }));
}

/** The answer, or of one that is too large its text, or nothing. */
function bounded(answer: unknown): unknown {
  if (JSON.stringify(answer).length <= ANSWER_CHARS) return answer;
  const text = answer !== null && typeof answer === "object" && "answer" in answer ? answer.answer : null;
  return typeof text === "string" ? { answer: cutText(text, ANSWER_CHARS) } : null;
}
