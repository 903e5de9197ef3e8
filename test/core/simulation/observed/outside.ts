// What the observer knows of a stage's wait for the outside, and what each event of it must be: a model of its own that
// shares nothing with the core.
import type { LogEvent, LogEventOf } from "../../../../src/core/execution/log-event.ts";
import { hold } from "./hold.ts";
import { awaitsCallback, type Observed, type Sight, unitOf } from "./stage.ts";

/** A stage asks its question, or its agent has answered 202. */
export function asked(
  observer: Sight,
  stage: Observed,
  event: LogEventOf<"stage.waiting">,
  at: number,
): void {
  const { outside, spec, question } = stage;
  const { name } = spec;
  const { data, internal } = event;
  hold("I9", data.reason !== "execution", () => `${name} runs no pipeline`);
  if (data.reason === "execution") return;
  outside.reason = data.reason;
  outside.seq = event.seq;
  outside.since = at;
  outside.expires = Date.parse(data.expires_at);
  outside.displaced = true;
  let seconds: number;
  if (data.reason === "wait") {
    hold(
      "I3",
      stage.phase === "pending" && stage.readySeq !== null,
      () => `${name} asks while ${stage.phase}`,
    );
    hold("I11", observer.status === "running", () => `${name} asks while ${observer.status}`);
    hold("I11", at < observer.deadline, () => `${name} asks after the deadline`);
    hold("I17", question !== null, () => `${name} asks, and has no question`);
    hold("I5", event.attempt === 0, () => `the question of ${name} is try ${event.attempt}`);
    seconds = question?.timeout_seconds ?? 0;
    observer.bytes += internal?.bytes ?? 0;
  } else {
    hold("I4", stage.phase === "calling", () => `the agent of ${name} answers 202 while ${stage.phase}`);
    hold("I5", event.attempt === stage.attempt, () => `the 202 names try ${event.attempt}`);
    seconds = Math.min(spec.callback_timeout_seconds ?? 0, spec.heartbeat_seconds ?? 1e9);
    stage.callAt = internal?.began_at ?? stage.callAt;
  }
  hold("I1", outside.expires === at + seconds * 1_000, () => `${name} waits until ${data.expires_at}`);
  stage.phase = "waiting";
  stage.shown = true;
  observer.recoveriesWithoutProgress = 0;
}

/** An answer before its question, or a sign of life. Gives the bytes that it adds. */
export function signalled(stage: Observed, event: LogEventOf<"stage.signalled">, at: number): number {
  const { outside, spec } = stage;
  const { name } = spec;
  const { data, internal } = event;
  hold("I9", data.signal !== "continue", () => `${name} runs no pipeline`);
  if (data.signal === "continue") return 0;
  if (data.signal !== "heartbeat") {
    hold(
      "I17",
      stage.phase === "pending" && stage.question !== null,
      () => `${name} keeps an answer for nothing`,
    );
    hold("I17", !outside.answered, () => `${name} has a second answer`);
    outside.answered = true;
    outside.early = data.signal;
    return internal?.bytes ?? 0;
  }
  hold(
    "I1",
    stage.phase === "waiting" && outside.reason === "callback",
    () => `${name} has no agent at work`,
  );
  const expires = Date.parse(data.expires_at);
  const { callback_timeout_seconds = 0, heartbeat_seconds } = spec;
  const step = (heartbeat_seconds ?? callback_timeout_seconds) * 1_000;
  const most =
    outside.since + (heartbeat_seconds === undefined ? 30 * 86_400 : callback_timeout_seconds) * 1_000;
  hold("I1", expires > outside.expires, () => `a heartbeat of ${name} moves nothing`);
  hold(
    "I1",
    expires >= Math.min(most, at + step),
    () => `a heartbeat of ${name} gives it less than its time`,
  );
  hold(
    "I1",
    expires <= Math.min(most, at + step * 1.1 + 1),
    () => `${name} may be silent until ${data.expires_at}`,
  );
  outside.expires = expires;
  return 0;
}

/** Every event that ends a wait, or a call that a callback answers. */
export function endedFromOutside(stage: Observed, event: LogEvent, at: number): void {
  const { outside, spec } = stage;
  const internal = event.internal !== undefined && "answered" in event.internal ? event.internal : undefined;
  const answered = internal?.answered;
  const late = () => `an answer of ${spec.name} was taken ${at - outside.expires} ms after its time`;
  if (answered !== undefined && answered.call === null) {
    hold("I17", !outside.answered, () => `${spec.name} has a second answer`);
    hold("I17", stage.phase === "waiting" && outside.reason === "wait", () => `${spec.name} does not ask`);
    hold("I17", at < outside.expires, late);
    outside.answered = true;
  } else if (answered?.call != null) {
    const { call } = answered;
    hold("I17", awaitsCallback(stage, call), () => `${spec.name} took the callback of another call`);
    hold("I17", !outside.called.has(call), () => `a call of ${spec.name} was answered twice`);
    hold("I17", stage.phase !== "waiting" || at < outside.expires, late);
    outside.called.add(call);
  } else if (stage.phase === "waiting" && outside.early === null && event.type !== "stage.cancelled") {
    hold("I1", at >= outside.expires, () => `${spec.name} has no answer, and time for it`);
  }
}

/** A question has ended: by whom, and as it must. */
export function answeredBy(
  stage: Observed,
  event: LogEventOf<"stage.completed" | "stage.failed">,
  at: number,
): void {
  const { outside, spec, question } = stage;
  const { answered_by, status } = event.data;
  if (answered_by === "timeout") {
    hold("I17", at >= outside.expires, () => `${spec.name} timed out ${outside.expires - at} ms too early`);
    hold("I17", !outside.answered, () => `${spec.name} timed out and has an answer`);
    const given = typeof question?.on_timeout === "object" ? "completed" : "failed";
    // Data that do not fit fail it, too.
    hold("I17", status === given || status === "failed", () => `${spec.name} timed out and is ${status}`);
    return;
  }
  hold("I17", outside.answered, () => `${spec.name} has ended without an answer`);
  if (outside.early === null) return;
  const expected = outside.early === "complete" ? "completed" : "failed";
  hold("I17", status === expected, () => `${spec.name} is ${status}, its early answer was ${outside.early}`);
}

/** What did not come in time where this event ends a wait; null where it does not. */
export function missedBy(observer: Sight, event: LogEvent): string | null {
  const seen = observer.of(unitOf(event));
  if (seen?.phase !== "waiting" || Date.parse(event.timestamp) < seen.outside.expires) return null;
  if (event.type === "stage.cancelled") return null;
  const { reason, expires, since } = seen.outside;
  if (reason === "wait") return `no answer: ${event.type}`;
  return expires < since + (seen.spec.callback_timeout_seconds ?? 0) * 1_000 ? "no heartbeat" : "no callback";
}
