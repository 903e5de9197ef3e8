// What a fork needs of the execution that it is made of, from that one's log: what it was pinned to, and of each stage
// that completed the result, what it added to the context, and which context it had seen.
import type { JsonObject } from "../../contract/json.ts";
import type { StageResult } from "../../contract/stage.ts";
import { keptText, type LogEvent } from "../execution/log-event.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import type { ExecutionState } from "../execution/state.ts";

/** An execution as it is when it is forked. */
export interface ForkSource {
  spec: RunSpec;
  /** The last event's `seq`. */
  seq: number;
  /** When it ended, ms since the epoch; null where it goes on. */
  ended_at: number | null;
  /** In definition order. */
  stages: SourceStage[];
}

export interface SourceStage {
  result: StageResult;
  /** The `seq` of the event with which its last call, or its question, began; of a skipped stage that of its end. */
  asked_seq: number;
  /** The `seq` of the event that ended it; 0 before. */
  ended_seq: number;
  /** What a wait stage had shown. */
  prompt?: JsonObject;
  /** What its answer added to the context. */
  patch?: JsonObject;
  /** What it had streamed, where the log has it. */
  text?: string;
}

/** @param events the log, whole and in order */
export function forkSource(state: ExecutionState, events: Iterable<LogEvent>): ForkSource {
  const found = new Map<string, Omit<SourceStage, "result" | "ended_seq">>();
  for (const event of events) {
    if (event.stage === undefined) continue;
    const before = found.get(event.stage) ?? { asked_seq: 0 };
    switch (event.type) {
      case "stage.started":
      case "stage.skipped":
        found.set(event.stage, { ...before, asked_seq: event.seq });
        break;
      case "stage.waiting":
        if (event.data.reason === "wait") {
          found.set(event.stage, { ...before, asked_seq: event.seq, prompt: event.data.prompt });
        }
        break;
      case "stage.completed": {
        const patch = event.internal?.context;
        const text = keptText(event);
        found.set(event.stage, {
          ...before,
          asked_seq: before.asked_seq || event.seq,
          ...(patch === undefined ? {} : { patch }),
          ...(text === null ? {} : { text }),
        });
        break;
      }
    }
  }
  return {
    spec: state.spec,
    seq: state.seq,
    ended_at: state.ended_at,
    stages: state.stages.map(({ result, ended_seq }) => ({
      ...(found.get(result.stage) ?? { asked_seq: 0 }),
      result,
      ended_seq,
    })),
  };
}
