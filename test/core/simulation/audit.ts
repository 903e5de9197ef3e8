// What must hold between the core's state and the observer's: after every turn, and at the end of a run.
import type { Command } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { type AlarmFacts, nextAlarm } from "../../../src/core/execution/alarm/next-alarm.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import type { ExecutionState, StageState } from "../../../src/core/execution/state.ts";
import { viewExecution } from "../../../src/core/execution/view/view.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { auditMetrics, auditUsage } from "./metrics.ts";
import type { Observer } from "./observer.ts";
import { hold } from "./observed/hold.ts";
import { hasRoom } from "./observed/items.ts";
import { nameOf, type Observed } from "./observed/stage.ts";
import { hasPlace } from "./observed/places.ts";
import type { World } from "./world.ts";

const PHASES = {
  pending: "pending",
  calling: "calling",
  delayed: "delayed",
  cut: "interrupted",
  lookup: "lookup",
  queued: "queued",
  waiting: "waiting",
  mapping: "mapping",
  ended: "ended",
};

const ANSWERS: ReadonlySet<Command["type"]> = new Set(["answer", "signal", "callback"]);

/** Whether the deadline or the longest pause has passed, by the observer's reckoning. */
export function overdue(observer: Observer, world: World, now: number): "deadline" | "pause" | null {
  if (observer.terminal !== null) return null;
  if (observer.stillSince === null && now >= observer.deadline) return "deadline";
  const longest = world.scenario.spec.config.max_pause_seconds * 1_000;
  return observer.pausedAt !== null && now >= observer.pausedAt + longest ? "pause" : null;
}

/** After every turn: the state says what the observer saw, and everything that may happen has happened. */
export function auditTurn(world: World, state: ExecutionState, command: Command, refused: boolean): void {
  const { observer } = world;
  hold("I9", state.status === observer.status, () => `${state.status} is not ${observer.status}`);
  hold("I6", state.seq === observer.seq, () => `the state's seq ${state.seq} is not ${observer.seq}`);
  const { invoke, wake_at } = nextActions(state);
  const ended = observer.terminal !== null;
  hold("I15", (wake_at === null) === ended, () => `${state.status} with wake_at ${wake_at}`);
  const calling: number[] = [];
  const shown: string[] = [];
  let due = observer.stillSince === null ? observer.deadline : Number.POSITIVE_INFINITY;
  const longest = world.scenario.spec.config.max_pause_seconds * 1_000;
  if (observer.pausedAt !== null) due = Math.min(due, observer.pausedAt + longest);
  for (const [stage, seen] of unitsOf(state, observer)) {
    const name = nameOf(seen);
    hold("I9", stage.phase === PHASES[seen.phase], () => `${name} is ${stage.phase}, not ${seen.phase}`);
    auditUnit(stage, seen);
    const handed = seen.phase === "waiting" && seen.outside.reason === "callback";
    const trying = (seen.phase === "calling" || handed) && seen.rescued === null;
    hold("I5", stage.result.attempts === (trying ? seen.attempt : seen.tries), () => {
      return `${name} tells ${stage.result.attempts} tries, made were ${seen.tries}`;
    });
    const looks = seen.phase === "lookup" && observer.status === "running";
    if (seen.phase === "calling" || looks) calling.push(seen.call);
    if (seen.shown && seen.item === null) shown.push(name);
    const place = !seen.outside.displaced || hasPlaceAgain(observer, seen);
    if (seen.phase === "delayed" && observer.status === "running" && place) due = Math.min(due, seen.due);
    if (seen.phase === "waiting") due = Math.min(due, seen.outside.expires);
    hold("I10", stage.displaced === seen.outside.displaced || seen.phase === "ended", () => {
      return `${name} ${stage.displaced ? "has left its place" : "has a place"}`;
    });
  }
  const invoked = invoke.map((invocation) => invocation.call).join();
  hold(
    "I11",
    invoked === (ended ? "" : calling.join()),
    () => `the calls ${invoked} are not ${calling.join()}`,
  );
  auditAlarm(world, state, due);
  if (ended) return;
  hold("I15", wake_at === due, () => `wakes at ${wake_at}, due is ${due}`);
  hold(
    "I1",
    state.deadline_at === observer.deadline,
    () => `deadline ${state.deadline_at} is not ${observer.deadline}`,
  );
  const now = Math.max(world.clock(), state.updated_at);
  const late = observer.expiring(now)[0];
  hold("I1", late === undefined, () => `${command.type} left ${late?.spec.name} waiting past its time`);
  for (const { outcome, spec, items } of observer.stages.values()) {
    hold("I12", outcome !== "cancelled", () => `${spec.name} is cancelled, the run is not`);
    const failed = outcome === null && items !== null ? items.failed : null;
    hold("I12", failed === null, () => `${spec.name} goes on although its item ${failed?.item} has failed`);
    const cancelled = outcome === null && items?.begun.find((item) => item.outcome === "cancelled");
    hold("I12", !cancelled, () => `an item of ${spec.name} is cancelled, ${spec.name} goes on`);
  }
  // A late answer moves nothing, even where a timer is overdue.
  if ((ANSWERS.has(command.type) && !refused) || command.type === "tick" || command.type === "recover") {
    hold(
      "I1",
      overdue(observer, world, now) === null,
      () => `${command.type} left an overdue run ${state.status}`,
    );
    if (state.status !== "paused") nothingLeftUndone(world, now);
  }
  if (world.points % 8 !== 0) return;
  const view = viewExecution(state);
  hold(
    "I7",
    view.current_stages.join() === shown.join(),
    () => `current_stages ${view.current_stages.join()}`,
  );
  hold("I7", view.current_stage === (shown[0] ?? null), () => `current_stage ${view.current_stage}`);
}

/** The core's units beside the observer's. */
function* unitsOf(
  { stages }: ExecutionState,
  observer: Observer,
): Generator<readonly [StageState, Observed]> {
  for (const stage of stages) {
    const seen = observer.of(stage.result.stage);
    yield [stage, seen];
    if (seen.phase !== "mapping" || seen.items === null) continue;
    const { units = [], begun, open } = stage.items ?? {};
    hold("I9", begun === seen.items.begun.length, () => `${begun} items of ${seen.spec.name} have begun`);
    hold("I9", units.length === seen.items.list.length, () => `${seen.spec.name} has ${units.length} items`);
    const busy = seen.items.begun.filter(({ phase }) => phase !== "ended").map(({ item }) => item);
    hold("I9", open?.join() === busy.join(), () => `items ${open?.join()} are at work, not ${busy.join()}`);
    for (const [at, item] of seen.items.begun.entries()) yield [units[at] as StageState, item];
  }
}

/** What the next call of a unit is about: its item and its iteration. */
function auditUnit(unit: StageState, seen: Observed): void {
  const name = nameOf(seen);
  if (seen.phase === "ended") return;
  hold("repeat", unit.iteration === seen.iteration, () => `${name} is in iteration ${unit.iteration}`);
  const previous = same(unit.previous, seen.previous);
  hold("repeat", previous === null, () => `${name} has another result before it, at ${previous}`);
  if (seen.items === null) return;
  const values = same(unit.values, seen.items.list);
  hold("map", values === null, () => `${name} has another list, at ${values}`);
}

/** True where a further call of a unit that has left its place may begin. */
function hasPlaceAgain(observer: Observer, unit: Observed): boolean {
  const stage = observer.stageOf(unit);
  return !stage.outside.displaced || hasPlace(observer, stage);
}

/** I15: the alarm comes when a run that waits is due, soon where it is busy, and at the end of retention. */
function auditAlarm(world: World, state: ExecutionState, due: number): void {
  const { terminal } = world.observer;
  const now = world.clock();
  const facts: AlarmFacts = {
    now,
    set: null,
    isAsLeft: false,
    isHandled: false,
    blockedUntil: null,
    isBusy: false,
    needsHandler: false,
    reports: "none",
  };
  const rests = nextAlarm(state, facts);
  const kept_ms = world.scenario.spec.config.retention_seconds * 1_000;
  const wanted = terminal === null ? due : Math.floor(Date.parse(terminal.timestamp) + kept_ms);
  hold("I15", rests === wanted, () => `the alarm of a run at rest is at ${rests}, not at ${wanted}`);
  const soon = now + TIMINGS.ALARM_JOIN_MS;
  for (const reason of [{ isBusy: true }, { reports: "pending" }, { needsHandler: true }] as const) {
    const at = nextAlarm(state, { ...facts, ...reason });
    const first = Math.min(soon, terminal === null ? due : wanted - 1);
    hold("I15", at === first, () => `${Object.keys(reason).join()}: the alarm is at ${at}, not at ${first}`);
    const kept = nextAlarm(state, { ...facts, ...reason, now: now + 1, set: at });
    hold("I15", kept === at, () => `the alarm is moved from ${at} to ${kept}, for nothing`);
  }
}

/** I1: a run that runs has begun whatever may begin. */
function nothingLeftUndone(world: World, now: number): void {
  const { observer } = world;
  const stages = [...observer.stages.values()];
  for (const unit of observer.units()) {
    const { phase, due } = unit;
    const isIdle = phase === "cut" || phase === "delayed";
    if (isIdle && unit.outside.displaced && !hasPlaceAgain(observer, unit)) {
      world.tally.fault("no place to come back to");
      continue;
    }
    hold("I1", phase !== "cut", () => `${nameOf(unit)} was interrupted and is not called again`);
    hold("I1", phase !== "delayed" || due > now, () => `${nameOf(unit)} is due and is not tried again`);
  }
  for (const stage of stages.filter(hasRoom)) {
    hold("I1", !hasPlaceAgain(observer, stage), () => `${nameOf(stage)} has an item that may begin`);
    world.tally.unit("no place for a further item");
  }
  hold(
    "I1",
    stages.some((stage) => stage.phase !== "ended"),
    () => "all stages have ended, the run has not",
  );
  const ready = observer.ready();
  const question = ready.find((stage) => stage.question !== null);
  hold("I17", question === undefined, () => `${question?.spec.name} is ready, and does not ask`);
  const active = observer.active();
  if (ready.length === 0) return;
  hold("I1", active.length > 0, () => `${ready[0]?.spec.name} is ready, and nothing is in flight`);
  const free = active.length < world.scenario.spec.config.max_concurrent_stages;
  if (!free || active.some((stage) => stage.exclusive)) return;
  const blocked = ready.some((stage) => stage.exclusive);
  hold("I10", blocked, () => `${ready[0]?.spec.name} is ready, may overlap, and does not start`);
}

/** At the end: one terminal event with the execution as it then is, and nothing changes it any more. */
export function auditEnd(world: World, state: ExecutionState, log: LogEvent[], restartedAt: number): void {
  const { observer } = world;
  const { terminal } = observer;
  if (terminal === null) throw new Error("auditEnd before the end");
  hold("I9", log.length === state.seq, () => "the end is not in the log");
  hold("I8", log.at(-1)?.type === terminal.type, () => `the log ends with ${log.at(-1)?.type}`);
  const lateness = 400;
  const latest = Math.max(observer.deadline, restartedAt) + lateness;
  const still = observer.stillSince !== null;
  hold(
    "I1",
    still || (state.ended_at as number) <= latest,
    () => `ended ${(state.ended_at as number) - latest} ms late`,
  );
  const view = viewExecution(state);
  if (!("truncated" in terminal.data)) {
    const told = JSON.stringify(log.at(-1)?.data);
    hold("I8", told === JSON.stringify(view), () => `the terminal event is not the execution: ${told}`);
  }
  for (const [name, result] of Object.entries(view.stage_results)) {
    const seen = observer.of(name);
    hold(
      "I12",
      result.status === (seen.outcome ?? "pending"),
      () => `${name} is ${result.status}, not ${seen.outcome}`,
    );
    hold(
      "I5",
      result.attempts === seen.tries,
      () => `${name} tells ${result.attempts} tries of ${seen.tries}`,
    );
  }
  hold("I5", view.execution_metadata.recoveries === observer.recoveries, () => "recoveries are miscounted");
  auditMetrics(world, view);
  auditUsage(world, view, log);
  const commands: Command[] = [
    { type: "tick" },
    { type: "recover" },
    { type: "pause", mode: "abort" },
    { type: "resume" },
    { type: "cancel", reason: "again" },
    ...[...observer.stages.keys()].map((stage): Command => {
      return {
        type: "signal",
        stage,
        wait: null,
        answer: { ok: true, data: { approved: true } },
        by: "key:9",
      };
    }),
    { type: "start", spec: world.scenario.spec },
  ];
  for (const command of commands) {
    const after = decide(state, command, (state.ended_at as number) + 1e9);
    hold("I2", after.state === state && after.events.length === 0, () => `${command.type} changed the end`);
  }
  world.tally.runs += 1;
  world.tally.events += log.length;
  world.tally.end(state.status);
}

/** Where two values differ, as a path; null where they are the same, key for key. */
export function same(a: unknown, b: unknown): string | null {
  if (Object.is(a, b)) return null;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return "";
  if (a instanceof Map && b instanceof Map) return same([...a], [...b]);
  if (Array.isArray(a) !== Array.isArray(b)) return "";
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return " (keys)";
  for (const key of keys) {
    if (!Object.hasOwn(b, key)) return `.${key}`;
    const found = same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]);
    if (found !== null) return `.${key}${found}`;
  }
  return null;
}
