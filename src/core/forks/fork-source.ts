// What a fork needs of the execution that it is made of, from that one's log: what it was pinned to, and of each stage
// that completed the result, what it added to the context, and which context it had seen.
import type { JsonObject } from "../../contract/json.ts";
import type { StageResult } from "../../contract/stage.ts";
import { keptText, type LogEvent, type LogEventOf } from "../execution/log-event.ts";
import type { ExecutionStatus } from "../../contract/execution.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import type { ExecutionState } from "../execution/state.ts";

/** An execution as it is when it is forked. */
export interface ForkSource {
  spec: RunSpec;
  /** The last event's `seq`. */
  seq: number;
  status: ExecutionStatus;
  /** Ms since the epoch. */
  started_at: number;
  /** When it ended, ms since the epoch; null where it goes on. */
  ended_at: number | null;
  /** In definition order. */
  stages: SourceStage[];
}

export interface SourceStage {
  result: StageResult;
  /** The `seq` of the event with which it began, and with which its last call, or its question, did. */
  began_seq: number;
  asked_seq: number;
  /** The `seq` of the event that ended it; 0 before. */
  ended_seq: number;
  /** What a wait stage had shown. */
  prompt?: JsonObject;
  /** What its answer added to the context. */
  patch?: JsonObject;
  /** What it had streamed, where the log has it. */
  text?: string;
  /** Of a stage that was taken over itself: the stages whose patches its call had seen. */
  saw?: string[];
}

type Found = Omit<SourceStage, "result" | "ended_seq">;

/** @param events the log, whole and in order */
export function forkSource(state: ExecutionState, events: Iterable<LogEvent>): ForkSource {
  const found = new Map<string, Found>();
  for (const event of events) {
    if (event.stage === undefined) continue;
    const before = found.get(event.stage) ?? { began_seq: 0, asked_seq: 0 };
    const began_seq = before.began_seq || event.seq;
    switch (event.type) {
      case "stage.started":
        found.set(event.stage, { ...before, began_seq, asked_seq: event.seq });
        break;
      case "stage.skipped": {
        const saw = event.internal?.saw;
        found.set(event.stage, {
          ...before,
          began_seq,
          asked_seq: before.asked_seq || event.seq,
          ...(saw === undefined ? {} : { saw }),
        });
        break;
      }
      case "stage.waiting":
        if (event.data.reason === "wait") {
          found.set(event.stage, { ...before, began_seq, asked_seq: event.seq, prompt: event.data.prompt });
        }
        break;
      case "stage.iterated":
        found.set(event.stage, { ...before, ...withPatch(before, event.internal?.context) });
        break;
      case "stage.completed":
        if (event.item === undefined) found.set(event.stage, completed(before, event));
        else found.set(event.stage, { ...before, ...withPatch(before, event.internal?.context) });
        break;
      default:
    }
  }
  return {
    spec: state.spec,
    seq: state.seq,
    status: state.status,
    started_at: state.started_at,
    ended_at: state.ended_at,
    stages: state.stages.map(({ result, ended_seq }) => ({
      ...(found.get(result.stage) ?? { began_seq: 0, asked_seq: 0 }),
      result,
      ended_seq,
    })),
  };
}

/** What items, or iterations, add to the context is what their stage adds. */
function withPatch({ patch: before }: Found, patch: JsonObject | undefined): Pick<Found, "patch"> {
  return patch === undefined ? {} : { patch: { ...before, ...patch } };
}

function completed(before: Found, event: LogEventOf<"stage.completed">): Found {
  const { context: patch, saw, prompt } = event.internal ?? {};
  const text = keptText(event);
  return {
    ...before,
    began_seq: before.began_seq || event.seq,
    asked_seq: before.asked_seq || event.seq,
    ...withPatch(before, patch),
    ...(text === null ? {} : { text }),
    ...(saw === undefined ? {} : { saw }),
    ...(prompt === undefined ? {} : { prompt }),
  };
}
