// What an answer and a verb must lead to, judged by what the observer knew before they came.
import type { ErrorInfo } from "../../../src/contract/execution.ts";
import type { ResolvedStage } from "../../../src/contract/stage.ts";
import type { CallEnding, Refusal } from "../../../src/core/execution/command.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { overdue } from "./audit.ts";
import { expected, expectedDelay, mostBudgetDelay } from "./expectations.ts";
import { hold } from "./observed/hold.ts";
import { verdictOn } from "./observed/iterations.ts";
import { nameOf, type Observed, unitOf } from "./observed/stage.ts";
import type { Observer } from "./observer.ts";
import type { Verb } from "./scenario.ts";
import type { Call, World } from "./world.ts";

export type Judge = (events: LogEvent[], refusal: Refusal | null) => void;

/** What an answer must lead to, judged by what was known before it came. */
export function judgeAnswer(world: World, call: Call, chance: number): Judge {
  const { observer } = world;
  const now = Math.max(world.clock(), observer.time);
  const seen = observer.of(call.stage);
  const awaited = seen.phase === "calling" || seen.phase === "lookup";
  const late = observer.terminal !== null || !awaited || seen.call !== call.call;
  const over = overdue(observer, world, now);
  const expiring = observer.terminal === null && observer.expiring(now).length > 0;
  const { outcome, later } = call.plan;
  const judge = judgeOutcome(world, seen, outcome, chance);
  return (events, refusal) => {
    if (over !== null) {
      hold("I1", events.at(-1) === observer.terminal, () => "an overdue run took an answer");
      const code = errorInfoOf(observer.terminal)?.code;
      hold(
        "I1",
        over === "pause" || code === "PIPELINE_TIMEOUT",
        () => `past the deadline it ended as ${code}`,
      );
      return;
    }
    if (late) {
      const none = expiring || events.length === 0;
      hold("I4", none && refusal?.reason === "stale", () => "a late answer was taken");
      return;
    }
    // What the end of another stage makes of the run is not foreseen here.
    if (expiring) return;
    if (later === undefined) {
      judge(events);
      return;
    }
    const first = events[0];
    const taken = first?.type === "stage.waiting" && first.data.reason === "callback";
    hold("I9", taken && unitOf(first) === call.stage, () => `a 202 of ${call.stage} led to ${first?.type}`);
    world.tally.verb("202");
  };
}

/** What the end of a call must lead to, which its stage waits for. */
export function judgeOutcome(
  world: World,
  seen: Observed,
  outcome: CallEnding,
  chance: number,
): (events: LogEvent[]) => void {
  const { observer } = world;
  const now = Math.max(world.clock(), observer.time);
  const deadline = observer.deadlineAt(now);
  const { config } = world.scenario.spec;
  const { attempt, broken, spec, rescued, tries } = seen;
  const name = nameOf(seen);
  const uncalled = outcome.ok ? outcome.cached === true : outcome.failure.kind === "refused";
  const limit = Math.floor(config.memory_limit_mb * 1_048_576);
  const fits = !outcome.ok || observer.bytesWith(outcome.bytes, outcome.answer.context) <= limit;
  const verdict = outcome.ok ? verdictOn(seen, outcome.answer.data) : "completes";
  return (events) => {
    const first = events[0];
    hold("I9", first !== undefined && unitOf(first) === name, () => `the answer of ${name} was dropped`);
    if (outcome.ok && fits && (verdict === "completes" || verdict === "repeats")) {
      const expected = verdict === "repeats" ? "stage.iterated" : "stage.completed";
      hold("I9", first?.type === expected, () => `a good answer of ${name} led to ${first?.type}`);
      return;
    }
    // Its result is not good, and there is no further iteration.
    const isBad = outcome.ok && fits;
    if (isBad) world.tally.unit(verdict === "AGENT_PROCESSING_ERROR" ? "on_max: fail" : "until: an error");
    const failure = outcome.ok
      ? ({ kind: "context_too_large", limit_bytes: limit, bytes: 0 } as const)
      : outcome.failure;
    if (outcome.ok && !fits) world.tally.fault("context_too_large");
    const { code, retried } = isBad ? { code: verdict, retried: "no" } : expected(failure);
    const delay = expectedDelay(config, attempt, chance, failure);
    const budget = outcome.ok ? 0 : (outcome.budget_wait_ms ?? 0);
    // A spent budget takes no try away.
    const may = rescued === null && (retried === "yes" || (retried === "once" && broken === 0));
    const again = may && attempt < spec.retry_attempts && now + delay < deadline;
    if (!again && rescued === null && first?.type === "stage.fallback") {
      hold("I12", spec.fallback !== undefined, () => `${spec.name} fell back and has no fallback`);
      hold("I12", first.internal?.rescued?.code === code, () => `the fallback stands for another failure`);
      world.tally.fault("fallback");
      return;
    }
    const lost = rescued === null && spec.fallback !== undefined && !tooLarge(spec.fallback, observer, limit);
    hold("I12", again || !lost, () => `${spec.name} failed although it has a fallback`);
    hold("I5", first?.type === (again ? "stage.retrying" : "stage.failed"), () => {
      return `${failure.kind} in try ${attempt} of ${spec.retry_attempts} led to ${first?.type}`;
    });
    if (first?.type !== "stage.retrying" && first?.type !== "stage.failed") return;
    const { error } = first.data;
    const told = rescued ?? code;
    hold("I12", error?.code === told, () => `${failure.kind} became ${error?.code}, not ${told}`);
    hold(
      "I12",
      rescued !== null || error?.retryable === (retried !== "no"),
      () => `${failure.kind} tells retryable ${error?.retryable}`,
    );
    if (again) {
      const waits = first.type === "stage.retrying" ? first.data.delay_ms : undefined;
      const left = deadline - now;
      const most = Math.max(delay, mostBudgetDelay(budget, left, attempt, spec.retry_attempts));
      // Where all places of the budget are taken, half of the longest delay is left to chance.
      const least = Math.max(delay, Math.floor(budget < 30_000 ? most : Math.min(most, 15_000)));
      const fits = typeof waits === "number" && waits >= least && waits <= most;
      hold("I5", fits, () => `the delay is ${String(waits)} ms, drawn was ${delay}, the budget's ${budget}`);
      hold("I5", now + Number(waits) < deadline, () => "the delay passes the deadline");
      if (budget > 0) world.tally.fault("budget spent");
      return;
    }
    const info: Record<string, unknown> = errorInfoOf(events.at(-1)) ?? {};
    const ends = info["failed_stage"] === spec.name;
    const required = spec.required && (seen.item === null || spec.map?.on_error === "fail");
    hold("I12", !required || ends, () => `required ${name} failed, the run goes on`);
    hold("I12", required || !ends, () => `optional ${name} failed and took the run with it`);
    if (!required) return;
    const made = rescued !== null ? tries : attempt - (uncalled ? 1 : 0);
    const want = JSON.stringify([told, spec.name, seen.item === null ? made : observer.of(spec.name).tries]);
    const has = JSON.stringify([info["code"], info["failed_stage"], info["retry_attempts"]]);
    hold("I12", has === want, () => `error_info tells ${has}, not ${want}`);
  };
}

/** A default that would make the execution too large is none. */
function tooLarge(
  fallback: NonNullable<ResolvedStage["fallback"]>,
  observer: Observer,
  limit: number,
): boolean {
  if (typeof fallback === "string" || fallback.strategy !== "use_default") return false;
  return observer.bytes + Buffer.byteLength(JSON.stringify(fallback.data)) > limit;
}

/** What a verb must lead to. */
export function judgeVerb(world: World, command: Verb): Judge {
  const { observer } = world;
  const { status } = observer;
  const now = Math.max(world.clock(), observer.time);
  const over = overdue(observer, world, now);
  const expiring = observer.terminal === null && observer.expiring(now).length > 0;
  return (events, refusal) => {
    const conflict = refusal?.reason === "conflict";
    if (over !== null) {
      const fits = command.type === "cancel" && observer.status === "cancelled";
      hold("I1", observer.terminal !== null && conflict !== fits, () => `${command.type} came too late`);
      return;
    }
    if (expiring) return;
    if (status === "waiting") world.tally.fault(`${command.type} while it waits`);
    const terminal = !["running", "waiting", "paused"].includes(status);
    const repeated =
      (command.type === "pause" && status === "paused") ||
      (command.type === "cancel" && status === "cancelled");
    const refused = !repeated && (terminal || (command.type === "resume" && status !== "paused"));
    hold(
      "I2",
      conflict === refused,
      () => `${command.type} of a ${status} run: ${refusal?.reason ?? "obeyed"}`,
    );
    if (refused || repeated) {
      hold("I2", events.length === 0, () => `${command.type} of a ${status} run made events`);
      return;
    }
    if (command.type === "pause")
      hold(
        "I11",
        events.length === 1 && observer.status === "paused",
        () => "the pause did not hold at once",
      );
    if (command.type === "resume") hold("I11", events[0]?.type === "execution.resumed", () => "not resumed");
    if (command.type === "cancel")
      hold("I8", events.at(-1)?.type === "execution.cancelled", () => "cancel did not cancel");
  };
}

/** The error of an execution that this event ends. */
function errorInfoOf(event: LogEvent | null | undefined): ErrorInfo | null {
  return event != null && "error_info" in event.data ? event.data.error_info : null;
}
