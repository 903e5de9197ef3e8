// What a wait stage asks and what has become of it: for the page of a question, and for tokens that are bound to it.
import type { JsonObject } from "../../../contract/json.ts";
import type { StageResult } from "../../../contract/stage.ts";
import { isoTime, timeOf } from "../../time.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, isTerminal, type StageState, stageOf } from "../state.ts";

/**
 * A wait stage's question. `expired`: no answer came in time; `cancelled`: the stage, or its execution, ended before it
 * was answered; `skipped` and `failed`: it never asked.
 */
export interface StageWait {
  state: "pending" | "open" | "answered" | "expired" | "cancelled" | "skipped" | "failed";
  /** The `seq` of its stage.waiting, to which a token is bound; null before it, and where it never asked. */
  seq: number | null;
  /** The run's start, ms since the epoch, to which a token is bound as well. */
  started_at: number;
  pipeline: string;
  conversation_id: string;
  /** What is shown to the person who answers; empty where it is not open. */
  prompt: JsonObject;
  /** JSON Schema of the answer's data; null where any object is an answer. */
  schema: JsonObject | null;
  /** When the question expires, or would have; null where it has not asked. */
  expires_at: string | null;
  /** The stage's result as it is now. */
  result: StageResult;
}

/** Null where the stage asks no question. @param name of a stage that the execution has */
export function stageWait(execution: ExecutionState, name: string): StageWait | null {
  const { wait: spec } = specOf(execution, name);
  const stage = stageOf(execution, name);
  if (spec === undefined) return agentsWait(execution, stage);
  const { wait, result } = stage;
  // Of a stage that has asked, it is the `seq` of its question.
  const hasAsked = wait !== null || stage.outside.length > 0;
  const until = result.start_time === null ? 0 : timeOf(result.start_time) + spec.timeout_seconds * 1_000;
  return {
    state: waitState(execution, stage),
    seq: hasAsked ? stage.began_seq : null,
    started_at: execution.started_at,
    pipeline: execution.spec.pipeline,
    conversation_id: execution.spec.conversation_id,
    prompt: wait?.prompt ?? {},
    schema: spec.schema ?? null,
    expires_at: hasAsked ? isoTime(until) : null,
    result,
  };
}

/** What the agent of a stage has asked last; null where it has asked nothing. */
function agentsWait(execution: ExecutionState, stage: StageState): StageWait | null {
  const { asked, wait, result } = stage;
  if (asked === null) return null;
  return {
    state: agentsWaitState(execution, stage, asked.seq),
    seq: asked.seq,
    started_at: execution.started_at,
    pipeline: execution.spec.pipeline,
    conversation_id: execution.spec.conversation_id,
    prompt: wait?.prompt ?? {},
    schema: asked.schema,
    expires_at: isoTime(asked.expires_at),
    result,
  };
}

/** @param seq the question's */
function agentsWaitState(
  { status }: ExecutionState,
  { wait, answers, result }: StageState,
  seq: number,
): StageWait["state"] {
  if (wait?.seq === seq && !isTerminal(status)) return "open";
  if (answers.some(({ call }) => call === seq)) return "answered";
  return result.answered_by === "timeout" ? "expired" : "cancelled";
}

function waitState({ status }: ExecutionState, { phase, early, result }: StageState): StageWait["state"] {
  if (result.answered_by !== null) return result.answered_by === "timeout" ? "expired" : "answered";
  if (phase === "ended") return result.status as "skipped" | "failed" | "cancelled";
  if (isTerminal(status)) return "cancelled";
  if (early !== null) return "answered";
  return phase === "waiting" ? "open" : "pending";
}
