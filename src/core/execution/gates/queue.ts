// How a call begins to wait for its agent: for a place where the agent has limits, or until its Retry-After is over. The
// wait is no try, and leaves the stage's place to the calls of other agents.
import { isoTime } from "../../time.ts";
import type { CallOutcome, Command, Refusal } from "../command.ts";
import type { LogEventOf } from "../log-event.ts";
import { nextItem } from "../schedule.ts";
import { type StageState, stageOf } from "../state.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";
import { isOpen } from "../units/units.ts";
import type { Batch } from "../rules/batch.ts";

/** A try that is to be made. */
export interface Try {
  attempt: number;
  /** It was begun before. */
  repeated: boolean;
}

export const FIRST_TRY: Try = { attempt: 1, repeated: false };

/** The try that a unit makes next. */
export function nextTry({ phase, attempt, rescued, queue }: StageState): Try {
  if (phase === "queued" && queue !== null) return queue;
  if (phase === "delayed") return { attempt: attempt + 1, repeated: false };
  if (phase !== "interrupted") return FIRST_TRY;
  // A fallback's call has the attempt of the try that it follows; the first try of an iteration is no repetition.
  return { attempt: Math.max(1, attempt), repeated: attempt > 0 || rescued !== null };
}

type Queued = LogEventOf<"stage.queued">["data"];

const REASONS: Readonly<Record<Queued["reason"], string>> = {
  concurrency: "for a place at its agent, which has as many calls as it takes at once",
  rate: "for a place at its agent, which has had as many calls as it takes in a period",
  retry_after: "until its agent may be called again (Retry-After)",
};

export function queueUnit(batch: Batch, name: UnitName, { attempt, repeated }: Try, data: Queued): void {
  batch.emit({
    type: "stage.queued",
    stage: name,
    status: "pending",
    attempt,
    message: `${name} waits ${REASONS[data.reason]}`,
    data,
    ...(repeated ? { internal: { repeated } } : {}),
  });
}

/** The call was not sent: its agent may not be called now. */
export function takeQueued(
  batch: Batch,
  name: UnitName,
  { reason, until }: Extract<CallOutcome, { ok: "queued" }>,
): void {
  const { attempt } = stageOf(batch.state, name);
  const data = until === null ? { reason } : { reason, until: isoTime(until) };
  queueUnit(batch, name, { attempt, repeated: true }, data);
}

/** Its agent has no place for the unit's next call. */
export function takeNoPlace(
  batch: Batch,
  { stage: name, reason, until }: Extract<Command, { type: "no_place" }>,
): Refusal | null {
  const { stage, item } = unitPlace(name);
  if (!batch.state.index.has(stage)) return { reason: "unknown_stage", stage };
  if (batch.state.status !== "running" || !isOpen(batch.state, name)) return { reason: "stale" };
  const unit = stageOf(batch.state, name);
  if (!MAY_CALL.has(unit.phase) || unit.queue?.reason === reason) return { reason: "stale" };
  // An item begins with this where it may begin.
  const isNew = item !== undefined && unit.phase === "pending";
  if (isNew && nextItem(batch.state) !== name) return { reason: "stale" };
  const data = until === null ? { reason } : { reason, until: isoTime(until) };
  queueUnit(batch, name, nextTry(unit), data);
  return null;
}

const MAY_CALL: ReadonlySet<StageState["phase"]> = new Set(["pending", "delayed", "interrupted", "queued"]);
