// The critical path of a run: the chain of stages that determined when the run ended, by time. Everything that shows a
// critical path of a run (the execution, its terminal event and trace, the metrics, the page, the terminal) takes it
// from here. The path of a pipeline's definition, which has no times of its own, is in pipeline/graph.ts.
//
// The chain is walked back from the stage that ended last. Before each stage comes what it started after: the
// dependency that ended last, or the stage whose end freed the place that it waited for. Order is that of the log, since
// several events may have the same millisecond.
import type { CriticalPathLink } from "../../../contract/execution.ts";
import { timeOf } from "../../time.ts";
import { isExclusive, specOf } from "../schedule.ts";
import type { ExecutionState, StageState } from "../state.ts";

export type Span = readonly [from: number, to: number];

/** Of runs that have ended: the execution, its report and its trace show the same one. */
const paths = new WeakMap<ExecutionState, readonly CriticalPathLink[]>();

/** The chain in the order of time. The `ms` of all links add up to the run's duration. */
export function criticalPathOf(state: ExecutionState): readonly CriticalPathLink[] {
  if (state.ended_at === null) return walkBack(state);
  let path = paths.get(state);
  if (path === undefined) {
    path = walkBack(state);
    paths.set(state, path);
  }
  return path;
}

function walkBack(state: ExecutionState): CriticalPathLink[] {
  const links: CriticalPathLink[][] = [];
  const end = state.ended_at ?? state.updated_at;
  let stage = lastStage(state);
  // A link ends where the one after it begins, also where a clock was set back.
  let at = stage === null ? end : within(endOf(state, stage), state.started_at, end);
  links.push(gap(state, null, at, end, "overhead"));
  while (stage !== null) {
    const began = within(beginOf(stage), state.started_at, at);
    links.unshift(shares(state, stage, began, at));
    const before = predecessor(state, stage);
    at = before === null ? state.started_at : within(endOf(state, before.stage), state.started_at, began);
    const queued = unitsIn(stage).flatMap((unit) => queuedOf(unit, began));
    links.unshift(gap(state, stage.result.stage, at, began, before?.kind ?? "overhead", queued));
    stage = before?.stage ?? null;
  }
  if (links.length === 1) links.unshift(gap(state, null, state.started_at, at, "overhead"));
  return links.flat();
}

/** The names of the stages on the path, in the order of time. */
export function stagesOn(links: readonly CriticalPathLink[]): string[] {
  return links.flatMap(({ kind, stage }) => (kind === "stage" && stage !== null ? [stage] : []));
}

/** What a stage has of the path, in ms: the time of its calls and of the delays between them. */
export function shareOf(links: readonly CriticalPathLink[], name: string): number {
  return links
    .filter(({ kind, stage }) => stage === name && (kind === "stage" || kind === "retry_wait"))
    .reduce((sum, { ms }) => sum + ms, 0);
}

export interface PlaceWait {
  /** From the end of its last dependency to its start. */
  ms: number;
  /** The stage whose end freed the place. */
  after: string;
}

/** How long a stage whose dependencies had ended waited for a place; null where it did not. */
export function placeWait(state: ExecutionState, stage: StageState): PlaceWait | null {
  const before = wasBegun(stage) ? predecessor(state, stage) : null;
  if (before === null || before.kind !== "concurrency_wait") return null;
  const ready = lastDependency(state, stage);
  const ready_at = ready === null ? state.started_at : endOf(state, ready);
  return { ms: Math.max(0, beginOf(stage) - ready_at), after: before.stage.result.stage };
}

/** True where the stage was called, or answered in place of a call. */
export function wasBegun(stage: StageState): boolean {
  return stage.began_seq > 0;
}

/** The length of the union of spans, within `from` and `to`. */
export function covered(spans: readonly Span[], from: number, to: number): number {
  if (spans.length === 0) return 0;
  let sum = 0;
  let reached = from;
  for (const [begin, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const begins = Math.max(begin, reached);
    const ends = Math.min(end, to);
    if (ends <= begins) continue;
    sum += ends - begins;
    reached = ends;
  }
  return sum;
}

/**
 * The stage that determined the end: the one whose failure ended the run, else the one that ended last. While the run
 * goes on, the first of those that are active.
 */
function lastStage(state: ExecutionState): StageState | null {
  const failed = state.index.get(state.error_info?.failed_stage ?? "");
  const cause = failed === undefined ? undefined : state.stages[failed];
  if (cause !== undefined && wasBegun(cause)) return cause;
  return latest(state.stages.filter(wasBegun));
}

interface Predecessor {
  stage: StageState;
  kind: "overhead" | "concurrency_wait";
}

/** What the stage started after; null where it started with the run. */
function predecessor(state: ExecutionState, stage: StageState): Predecessor | null {
  let from = stage;
  for (;;) {
    const needed = lastDependency(state, from);
    const place = placeBefore(state, from, needed?.ended_seq ?? 0);
    if (place !== null) return { stage: place, kind: "concurrency_wait" };
    if (needed === null) return null;
    if (wasBegun(needed)) return { stage: needed, kind: "overhead" };
    // A skipped stage takes no time: the path goes through it to what it had waited for.
    from = needed;
  }
}

function lastDependency(state: ExecutionState, stage: StageState): StageState | null {
  const names = specOf(state, stage.result.stage).depends_on;
  const known = names.flatMap((name) => state.stages[state.index.get(name) ?? -1] ?? []);
  return latest(known.filter(({ ended_seq }) => ended_seq > 0));
}

/** The last stage that kept this one, whose dependencies had ended, from starting; null where none did. */
function placeBefore(state: ExecutionState, stage: StageState, ready_seq: number): StageState | null {
  const start = wasBegun(stage) ? stage.began_seq : stage.ended_seq;
  const ended = state.stages.filter(
    (other) => wasBegun(other) && other.ended_seq > ready_seq && other.ended_seq < start,
  );
  return (
    ended
      .toSorted((a, b) => b.ended_seq - a.ended_seq)
      .find((other) => wasBlockedBefore(state, stage, ready_seq, other.ended_seq)) ?? null
  );
}

/** True where the scheduler (schedule.ts) would not have started the stage just before the event `seq`. */
function wasBlockedBefore(state: ExecutionState, stage: StageState, ready_seq: number, seq: number): boolean {
  // What waits for the outside takes no place, and is not kept from beginning.
  if (isAsking(state, stage)) return false;
  const active = state.stages.filter(
    (other) =>
      other !== stage &&
      wasBegun(other) &&
      other.began_seq < seq &&
      isOpenAt(other, seq) &&
      !other.displaced &&
      !isAsking(state, other),
  );
  const exclusive = (of: StageState) => isExclusive(state, specOf(state, of.result.stage));
  if (active.length >= state.spec.config.max_concurrent_stages) return true;
  if (active.length === 0) return false;
  if (exclusive(stage) || active.some(exclusive)) return true;
  return state.stages.some(
    (other) =>
      exclusive(other) &&
      (wasBegun(other) ? other.began_seq : other.ended_seq) > seq &&
      readySeq(state, other) < ready_seq,
  );
}

function isAsking(state: ExecutionState, { result }: StageState): boolean {
  return specOf(state, result.stage).wait !== undefined;
}

/** The `seq` of the event after which the stage could start. */
function readySeq(state: ExecutionState, stage: StageState): number {
  return lastDependency(state, stage)?.ended_seq ?? 0;
}

function isOpenAt(stage: StageState, seq: number): boolean {
  return stage.ended_seq === 0 || stage.ended_seq >= seq;
}

/** The one of several that ended last in the log; an active stage is later than any that has ended. */
function latest(stages: readonly StageState[]): StageState | null {
  const order = ({ ended_seq }: StageState) => (ended_seq === 0 ? Number.POSITIVE_INFINITY : ended_seq);
  return stages.reduce<StageState | null>(
    (best, stage) => (best === null || order(stage) > order(best) ? stage : best),
    null,
  );
}

function beginOf(stage: StageState): number {
  return timeOf(stage.result.start_time ?? "");
}

function endOf(state: ExecutionState, stage: StageState): number {
  const { end_time } = stage.result;
  return end_time === null ? (state.ended_at ?? state.updated_at) : timeOf(end_time);
}

/**
 * The time between two stages of the chain: a pause as far as one covers it, a wait for the later one's agent, the rest
 * as `kind` names it.
 * @param queued those waits
 */
function gap(
  state: ExecutionState,
  stage: string | null,
  from: number,
  to: number,
  kind: "overhead" | "concurrency_wait",
  queued: readonly Span[] = [],
): CriticalPathLink[] {
  const pausedSpans = allPausedSpans(state);
  const pause = covered(pausedSpans, from, to);
  const agent = queued.length === 0 ? 0 : covered([...pausedSpans, ...queued], from, to) - pause;
  const rest = to - from - pause - agent;
  return [
    ...wait("pause", stage, pause),
    ...wait("agent_wait", stage, agent),
    // It names the reason why two stages without an edge follow each other, so it is there at 0 ms, too.
    ...(kind === "concurrency_wait" ? [{ kind, stage, ms: rest }] : wait(kind, stage, rest)),
  ];
}

/**
 * A stage's time by what it was spent on. Where spans overlap, a call counts before a pause, a pause before a
 * delay, a delay before a wait for the agent.
 */
function shares(state: ExecutionState, stage: StageState, from: number, to: number): CriticalPathLink[] {
  const name = stage.result.stage;
  const units = unitsIn(stage);
  const called = units.flatMap((unit) => callsOf(unit, to));
  const calls = covered(called, from, to);
  // An agent that answers later is at work; a person is waited for.
  const asked = units.flatMap(({ outside, wait: open }) =>
    open === null ? outside : [...outside, [open.since, to] as const],
  );
  const delays = units.flatMap(({ waits }) => waits);
  const withWaits = asked.length === 0 ? calls : covered([...called, ...asked], from, to);
  const pausedSpans = allPausedSpans(state);
  // Most runs have neither pauses nor retries, and every run's end comes through here.
  const withPauses =
    pausedSpans.length === 0 ? withWaits : covered([...called, ...asked, ...pausedSpans], from, to);
  const withDelays =
    delays.length === 0 ? withPauses : covered([...called, ...asked, ...pausedSpans, ...delays], from, to);
  const queued = units.flatMap((unit) => queuedOf(unit, to));
  const all =
    queued.length === 0
      ? withDelays
      : covered([...called, ...asked, ...pausedSpans, ...delays, ...queued], from, to);
  return [
    { kind: "stage", stage: name, ms: calls },
    ...wait("wait", name, withWaits - calls),
    ...wait("retry_wait", name, withDelays - withPauses),
    ...wait("agent_wait", name, all - withDelays),
    ...wait("pause", name, withPauses - withWaits),
    ...wait("overhead", name, to - from - all),
  ];
}

/** What has the times of a stage: its items while they are at work. */
function unitsIn(stage: StageState): readonly StageState[] {
  return stage.items === null || stage.phase === "ended" ? [stage] : stage.items.units;
}

/** @param to the end of a wait that is not over */
function queuedOf({ queue, queued }: StageState, to: number): readonly Span[] {
  return queue === null ? queued : [...queued, [queue.since, to]];
}

/** @param to the end of a call that is in flight */
function callsOf(unit: StageState, to: number): readonly Span[] {
  const isCalled = unit.phase === "calling" || unit.wait?.reason === "callback";
  return isCalled ? [...unit.calls, [unit.call_at, to]] : unit.calls;
}

function wait(kind: CriticalPathLink["kind"], stage: string | null, ms: number): CriticalPathLink[] {
  return ms > 0 ? [{ kind, stage, ms }] : [];
}

/** The spans in which the run's clock was stopped, the present one included. */
function allPausedSpans({ pausedSpans, drained_at, ended_at, updated_at }: ExecutionState): readonly Span[] {
  if (drained_at === null || ended_at !== null) return pausedSpans;
  return [...pausedSpans, [drained_at, updated_at]];
}

function within(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
