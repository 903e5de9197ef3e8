// What must hold of a run after its server was killed, and which phase of it a kill hit: judged from its log, from
// what its agents saw and from what its caller was told, by the one clock of this machine.
import { isDeepStrictEqual } from "node:util";
import { FIVE_STAGE } from "../../fixtures/pipelines/five-stage.ts";
import type { Received } from "../support/clients/sse.ts";
import { foretold, type StageCall } from "./agents.ts";
import type { Death } from "./kill-loop.ts";
import type { WatchedRun } from "./watched-run.ts";

export type Phase =
  | "first record"
  | "in a call"
  | "between calls"
  | "retry's wait"
  | "pause"
  | "last record"
  | "ended";

/** A run that a restart finds must show itself within this. */
const RECOVERY_MS = 1_000;
/** A terminal record this young when the kill came is what the kill was at. */
const JUST_WRITTEN_MS = 20;

export interface Verdict {
  faults: string[];
  recoveryMs: number;
  extraCalls: number;
}

export function judge(run: WatchedRun, allCalls: readonly StageCall[], deaths: readonly Death[]): Verdict {
  const faults: string[] = [];
  const calls = allCalls.filter((call) => call.execution_id === run.execution_id);
  if (run.final === null) {
    if (run.acknowledged || run.paused) faults.push("it was acknowledged, and is gone");
    if (calls.length > 0) faults.push("its agents were called, and it is gone");
    return { faults, recoveryMs: 0, extraCalls: 0 };
  }
  const { events, final } = run;
  if (final.status !== "completed") faults.push(`ended ${final.status}: ${JSON.stringify(final.error_info)}`);
  if (!isDeepStrictEqual(final.final_result, foretold(run.query))) faults.push("a wrong final_result");
  for (const [at, event] of events.entries()) {
    if (event.id !== at + 1 || event.data.seq !== at + 1) faults.push(`seq ${event.id} stands at ${at + 1}`);
  }
  if (events.filter((event) => /^execution\.(completed|failed|cancelled)$/.test(event.event)).length !== 1) {
    faults.push("not exactly one terminal event");
  }
  const log = events.map((event) => `${event.id} ${event.raw}`);
  for (const seen of run.seen) {
    if (!isDeepStrictEqual(seen, log.slice(0, seen.length)))
      faults.push("a replay differs from what was seen");
  }
  if (run.paused && !events.some((event) => event.event === "execution.paused")) {
    faults.push("its pause was acknowledged, and is gone");
  }
  for (const event of events.filter((each) => each.event === "stage.completed")) {
    const ended = Date.parse(event.data.timestamp);
    const late = calls.filter((call) => call.stage === event.data.stage && call.at > ended);
    if (late.length > 0) faults.push(`${event.data.stage} was called after its completion was committed`);
  }
  const recovered = events.filter((event) => event.event === "execution.recovered").length;
  if (recovered > deaths.length) faults.push(`${recovered} recoveries after ${deaths.length} kills`);
  const recovery = recoveries(run, calls, deaths);
  faults.push(...recovery.faults);
  let extraCalls = 0;
  for (const { name } of FIVE_STAGE.stages) {
    const undisturbed = name === "vector_retrieval" ? 2 : 1;
    const extra = calls.filter((call) => call.stage === name).length - undisturbed;
    // I5: each death, and each pause that aborts, may add one call that was not committed.
    if (extra > deaths.length + (run.paused ? 1 : 0) || extra < 0) {
      faults.push(`${name} was called ${undisturbed + extra} times, ${undisturbed} without kills`);
    }
    extraCalls += extra;
  }
  return { faults, recoveryMs: recovery.slowest, extraCalls };
}

/** How long each restart took to be felt by a run that nobody asked about. */
function recoveries(
  run: WatchedRun,
  calls: readonly StageCall[],
  deaths: readonly Death[],
): { slowest: number; faults: string[] } {
  let slowest = 0;
  const faults: string[] = [];
  for (const { at, up } of deaths) {
    const before = eventsBefore(run, at);
    const status = before.at(-1)?.data.status;
    if (before.length === 0 || isEnd(before.at(-1)) || isPaused(before)) continue;
    const due = Math.max(up, dueAt(before));
    const sign = Math.min(
      ...calls.filter((call) => call.at > at).map((call) => call.at),
      ...run.events.map((event) => Date.parse(event.data.timestamp)).filter((time) => time > at),
    );
    const next = deaths.find((death) => death.at > at);
    if (sign > due + RECOVERY_MS && (next === undefined || next.at > due + RECOVERY_MS)) {
      faults.push(`after a kill (${status}) it went on ${sign - due} ms late`);
    }
    if (Number.isFinite(sign)) slowest = Math.max(slowest, Math.min(sign - due, RECOVERY_MS * 10));
  }
  return { slowest, faults };
}

/** Which phase of a run a kill hit; null where the run had not been thought of. */
export function phaseAt(run: WatchedRun, allCalls: readonly StageCall[], at: number): Phase | null {
  const before = eventsBefore(run, at);
  const calls = allCalls.filter((call) => call.execution_id === run.execution_id && call.at <= at);
  const last = before.at(-1);
  if (last === undefined) return run.events.length === 0 ? "first record" : null;
  if (isEnd(last)) return at - Date.parse(last.data.timestamp) <= JUST_WRITTEN_MS ? "last record" : "ended";
  if (isPaused(before)) return "pause";
  const open = openCalls(before);
  if (open.length === 0) return dueAt(before) > 0 ? "retry's wait" : "between calls";
  const answered = open.filter(
    (stage) => (calls.findLast((call) => call.stage === stage)?.answered_at ?? Infinity) <= at,
  );
  if (answered.includes("answer_generation")) return "last record";
  if (answered.length === open.length) return "between calls";
  if (calls.length === 0) return "first record";
  return "in a call";
}

function eventsBefore(run: WatchedRun, at: number): Received[] {
  return run.events.filter((event) => Date.parse(event.data.timestamp) <= at);
}

function isEnd(event: Received | undefined): boolean {
  return event !== undefined && /^execution\.(completed|failed|cancelled)$/.test(event.event);
}

function isPaused(events: readonly Received[]): boolean {
  const verb = events.findLast((event) => /^execution\.(paused|resumed)$/.test(event.event));
  return verb?.event === "execution.paused";
}

/** Stages whose last call has begun and not ended. */
function openCalls(events: readonly Received[]): string[] {
  const open = new Set<string>();
  for (const { event, data } of events) {
    if (event === "stage.started") open.add(data.stage);
    else if (event.startsWith("stage.")) open.delete(data.stage);
  }
  return [...open];
}

/** When a stage that waits for its next try is due, ms since the epoch; 0 where none waits or others are at work. */
function dueAt(events: readonly Received[]): number {
  if (openCalls(events).length > 0) return 0;
  const retrying = events.findLast((event) => event.event === "stage.retrying");
  if (retrying === undefined) return 0;
  const later = events.slice(events.indexOf(retrying) + 1);
  if (later.some((event) => event.event === "stage.started" && event.data.stage === retrying.data.stage))
    return 0;
  return Date.parse(retrying.data.timestamp) + retrying.data.data.delay_ms;
}
