// How a wait for the outside begins, is prolonged, is answered before it begins, and ends, in the fold of the log.
import { timeOf } from "../../time.ts";
import type { LogEventOf } from "../log-event.ts";
import type { ExecutionState, OutsideAnswer, OutsideWait, StageState } from "../state.ts";
import { withStage } from "./stages.ts";

/** The events with which a call, and with it a wait, ends. */
export type CallEndEvent = LogEventOf<
  | "stage.completed"
  | "stage.failed"
  | "stage.skipped"
  | "stage.cancelled"
  | "stage.retrying"
  | "stage.iterated"
  | "stage.fallback"
>;

/** The stage asks: a wait stage its question, or an agent that has answered 202 for time. It leaves its place. */
export function asked(state: ExecutionState, event: LogEventOf<"stage.waiting">, at: number): ExecutionState {
  const { data, internal } = event;
  const wait: OutsideWait = {
    seq: event.seq,
    reason: data.reason,
    since: at,
    expires_at: timeOf(data.expires_at),
    prompt: data.reason === "wait" ? data.prompt : {},
    schema: data.reason === "wait" ? data.schema : null,
    continuation: internal?.continuation ?? null,
    location: internal?.location ?? null,
    asks: data.reason === "wait" || (data.reason === "execution" && data.asks === true),
  };
  const next = withStage(state, event, (stage) => ({
    phase: "waiting",
    displaced: true,
    began_seq: stage.began_seq || event.seq,
    call_at: internal?.began_at ?? stage.call_at,
    ...(wait.continuation === null
      ? {}
      : { ...callOver(stage, internal?.began_at ?? at, at), questions: stage.questions + 1, asked: wait }),
    ...(wait.reason === "execution"
      ? { ...callOver(stage, internal?.began_at ?? at, at), seen: internal?.seen ?? null }
      : {}),
    wait,
    result: {
      ...stage.result,
      status: "waiting",
      start_time: stage.result.start_time ?? event.timestamp,
    },
  }));
  const context_bytes = next.context_bytes + (internal?.bytes ?? 0);
  return { ...next, context_bytes, recoveriesWithoutProgress: 0 };
}

/** The call is over; no callback to it counts any more. */
function callOver(
  { calls, call_at }: StageState,
  began_at: number,
  at: number,
): Pick<StageState, "calls" | "first_call"> {
  const began = Math.min(Math.max(began_at, call_at), at);
  return { calls: [...calls, [began, at]], first_call: 0 };
}

/** An answer that is kept until its stage asks, or a sign of life of an agent that answers later. */
export function signalled(state: ExecutionState, event: LogEventOf<"stage.signalled">): ExecutionState {
  const { data, internal } = event;
  if (data.signal === "heartbeat") {
    const expires_at = timeOf(data.expires_at);
    return withStage(state, event, ({ wait }) => (wait === null ? {} : { wait: { ...wait, expires_at } }));
  }
  if (data.signal === "continue") return followedAgain(state, event);
  const { answer, bytes = 0 } = internal ?? {};
  if (answer === undefined) return state;
  if (data.signal === "complete" && event.status === "waiting") return replied(state, event, answer, bytes);
  const next = withStage(state, event, (stage) => ({
    early: { answer, bytes, by: data.answered_by },
    answers: withAnswer(stage, event),
  }));
  return { ...next, context_bytes: next.context_bytes + bytes };
}

/** The execution that the stage runs is followed again, as soon as there is a place for it. */
function followedAgain(state: ExecutionState, event: LogEventOf<"stage.signalled">): ExecutionState {
  const at = timeOf(event.timestamp);
  const next = withStage(state, event, (stage) => ({
    phase: "interrupted",
    wait: null,
    outside: stage.wait === null ? stage.outside : [...stage.outside, [stage.wait.since, at]],
    result: { ...stage.result, status: "pending" },
  }));
  return { ...next, recoveriesWithoutProgress: 0 };
}

/** An agent that has asked is called again, as soon as there is a place for it. */
function replied(
  state: ExecutionState,
  event: LogEventOf<"stage.signalled">,
  answer: OutsideAnswer,
  bytes: number,
): ExecutionState {
  const at = timeOf(event.timestamp);
  const data = answer.ok ? answer.data : {};
  const next = withStage(state, event, (stage) => ({
    phase: "interrupted",
    wait: null,
    outside: stage.wait === null ? stage.outside : [...stage.outside, [stage.wait.since, at]],
    reply: { continuation: stage.wait?.continuation ?? {}, data },
    answers: withAnswer(stage, event),
    result: { ...stage.result, status: "pending" },
  }));
  return { ...next, context_bytes: next.context_bytes + bytes, recoveriesWithoutProgress: 0 };
}

type AnsweringEvent = CallEndEvent | LogEventOf<"stage.signalled">;

/** A wait for the outside, where there was one, ends with this event. */
export function outsideEnded(
  stage: StageState,
  event: CallEndEvent,
  at: number,
): Pick<StageState, "wait" | "outside" | "answers"> {
  const { wait, outside } = stage;
  return {
    wait: null,
    outside: wait === null ? outside : [...outside, [wait.since, at]],
    answers: withAnswer(stage, event),
  };
}

function withAnswer({ answers }: StageState, { internal }: AnsweringEvent): StageState["answers"] {
  if (internal === undefined || !("answered" in internal) || internal.answered === undefined) return answers;
  return [...answers, internal.answered];
}
