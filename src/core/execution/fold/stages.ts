// How the fold changes one unit of a state: a stage, or an item of one that maps.
import type { StageResult } from "../../../contract/stage.ts";
import { type ExecutionState, type MappedItems, type StageState, stageOf } from "../state.ts";

interface UnitEvent {
  type: string;
  stage: string;
  item?: number | undefined;
}

/** @throws RangeError where the event names a stage, or an item, that the execution does not have */
export function withStage(
  state: ExecutionState,
  { type, stage: name, item }: UnitEvent,
  change: (unit: StageState) => Partial<StageState>,
): ExecutionState {
  const at = state.index.get(name);
  if (at === undefined) throw new RangeError(`${type} names the unknown stage ${name}`);
  const stage = stageOf(state, name);
  if (item === undefined) return { ...state, stages: state.stages.with(at, { ...stage, ...change(stage) }) };
  const { items } = stage;
  const unit = items?.units[item];
  if (items === null || unit === undefined)
    throw new RangeError(`${type} names the unknown item ${name}[${item}]`);
  const changed = withItem(items, item, { ...unit, ...change(unit) });
  // Where none of them is at work any more, it has its place or not as before.
  const displaced =
    changed.open.length === 0
      ? stage.displaced
      : changed.open.every((open) => (changed.units[open] as StageState).displaced);
  return { ...state, stages: state.stages.with(at, { ...stage, items: changed, displaced }) };
}

function withItem({ units, begun, open }: MappedItems, at: number, unit: StageState): MappedItems {
  const isOpen = unit.phase !== "ended";
  return {
    units: units.with(at, unit),
    begun: Math.max(begun, at + 1),
    open: isOpen === open.includes(at) ? open : isOpen ? [...open, at] : open.filter((other) => other !== at),
  };
}

/** A unit before its first event. */
export function newUnit(stage: string, agent_type: string | null): StageState {
  return {
    phase: "pending",
    result: pendingResult(stage, agent_type),
    call: 0,
    call_at: 0,
    first_call: 0,
    attempt: 0,
    repeated: false,
    due_at: 0,
    rescued: null,
    contract_faults: 0,
    previous_error: null,
    began_seq: 0,
    ended_seq: 0,
    isEventData: false,
    calls: [],
    waits: [],
    queue: null,
    queued: [],
    queue_reasons: {},
    wait: null,
    outside: [],
    displaced: false,
    early: null,
    answers: [],
    said: null,
    questions: 0,
    asked: null,
    reply: null,
    items: null,
    items_ms: [],
    values: [],
    iteration: 0,
    seen: null,
    previous: null,
    used: null,
  };
}

function pendingResult(stage: string, agent_type: string | null): StageResult {
  return {
    stage,
    agent_type,
    status: "pending",
    attempts: 0,
    start_time: null,
    end_time: null,
    duration_ms: null,
    data: null,
    error: null,
    cached: false,
    fallback: null,
    skip_reason: null,
    usage: null,
    answered_by: null,
    reused_from: null,
  };
}
