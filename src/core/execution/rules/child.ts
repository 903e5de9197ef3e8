// The execution that a stage runs: where it is paused or waits, its stage waits for it, and goes on with it.
import { LIMITS } from "../../../contract/limits.ts";
import { isoTime } from "../../time.ts";
import type { CallOutcome, Command, Refusal } from "../command.ts";
import { specOf } from "../schedule.ts";
import { stageOf } from "../state.ts";
import { childOf } from "../units/child.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";
import { isOpen } from "../units/units.ts";
import type { Batch } from "./batch.ts";

/** @param began_at when it was asked, ms since the epoch */
export function takeRest(
  batch: Batch,
  name: UnitName,
  { seen }: Extract<CallOutcome, { ok: "rests" }>,
  began_at: number,
): void {
  const { attempt } = stageOf(batch.state, name);
  batch.emit({
    type: "stage.waiting",
    stage: name,
    status: "waiting",
    attempt,
    message: `${name} waits for its execution, which is paused or waits itself`,
    data: {
      reason: "execution",
      child_execution_id: childOf(batch.state, name) ?? "",
      ...(seen.asking.length === 0 ? {} : { asks: true as const }),
      // It says when it goes on, and is asked again then.
      expires_at: isoTime(batch.now + LIMITS.WAIT_SECONDS * 1_000),
    },
    internal: { began_at, seen },
  });
  // What pauses an execution within pauses its run, which alone is resumed.
}

/** It has gone on since its rest: the stage follows it again. */
export function takeChild(
  batch: Batch,
  { stage: name, child, seq }: Extract<Command, { type: "child" }>,
): Refusal | null {
  const { stage } = unitPlace(name);
  if (!batch.state.index.has(stage)) return { reason: "unknown_stage", stage };
  const isKnown = isOpen(batch.state, name) && specOf(batch.state, name).pipeline !== undefined;
  if (!isKnown || childOf(batch.state, name) !== child) return { reason: "stale" };
  const { phase, wait, seen } = stageOf(batch.state, name);
  if (phase === "calling") return { reason: "in_flight" };
  // It may say a rest that has been read.
  if (wait?.reason === "execution" && seq > (seen?.seq ?? 0)) follow(batch, name, child);
  return null;
}

/** Its stage has heard nothing of it for as long as any wait may be. */
export function askAgain(batch: Batch, name: UnitName): void {
  follow(batch, name, childOf(batch.state, name) ?? "");
}

function follow(batch: Batch, name: UnitName, child_execution_id: string): void {
  batch.emit({
    type: "stage.signalled",
    stage: name,
    status: "waiting",
    attempt: stageOf(batch.state, name).attempt,
    message: `${name}: its execution goes on`,
    data: { signal: "continue", child_execution_id },
  });
}
