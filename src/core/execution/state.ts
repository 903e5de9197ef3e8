// ExecutionState: the fold of the log. Everything that a decision needs and nothing that is not in the log.
// Values are never changed in place: `evolve` makes new ones.
import type { ErrorInfo, ExecutionStatus } from "../../contract/execution.ts";
import type { EventOf } from "../../contract/event.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { PauseMode } from "../../contract/requests.ts";
import type { StageError, StageResult, Usage } from "../../contract/stage.ts";
import type { RunSpec } from "./run-spec.ts";
import { type UnitName, unitPlace } from "./units/unit-name.ts";

/**
 * A stage's internal phase, in addition to its public status: `calling` has a call in flight, `delayed` sits out a
 * delay between tries, `interrupted` lost its call (a pause in mode abort, a crash) and is called again under the same
 * attempt, `lookup` waits for the last good result to be found. All four keep their place among the concurrent stages.
 * `waiting` waits for an answer from outside, and has no place among them; nor has `queued`, which waits until its agent
 * may be called. `mapping` has its items at work.
 */
type Phase =
  | "pending"
  | "queued"
  | "calling"
  | "delayed"
  | "interrupted"
  | "lookup"
  | "waiting"
  | "mapping"
  | "ended";

/** What a stage in phase `waiting` waits for. */
export interface OutsideWait {
  /** The `seq` of its stage.waiting: an answer that is bound to another wait does not answer this one. */
  readonly seq: number;
  /**
   * An answer to the question of a wait stage, the result of an agent that has answered 202, or the execution that the
   * stage runs, which is paused or waits itself.
   */
  readonly reason: "wait" | "callback" | "execution";
  /** When it began, ms since the epoch. */
  readonly since: number;
  /** From then on it has had no answer, ms since the epoch. */
  readonly expires_at: number;
  /** What is shown to the person who answers; empty for a callback. */
  readonly prompt: JsonObject;
  /** Of the answer's data, where an agent asks; null for any object, and where the definition has it. */
  readonly schema: JsonObject | null;
  /** Of an agent that asks for input; null for any other wait. */
  readonly continuation: JsonObject | null;
  /** Where the agent's 202 says that its work can be cancelled: a URL of its own origin. */
  readonly location: string | null;
  /** A person is asked, by this stage or within the execution that it runs. */
  readonly asks: boolean;
}

/** Why a call waits before it is made. */
interface CallQueue {
  readonly reason: EventOf<"stage.queued">["data"]["reason"];
  /** When it began to wait, ms since the epoch. */
  readonly since: number;
  /** Since when it waits for this reason. */
  readonly reason_since: number;
  /** When it is made, or asks again, ms since the epoch; null where that is not known. */
  readonly until: number | null;
  /** The number of the try that is to be made. */
  readonly attempt: number;
  /** The try was begun before: see StageState. */
  readonly repeated: boolean;
}

/** An answer from outside, as it is accepted. */
export type OutsideAnswer = { ok: true; data: JsonObject } | { ok: false; message: string };

/** An answer that came before its question. */
interface EarlyAnswer {
  readonly answer: OutsideAnswer;
  /** What its data adds to the execution, in bytes. */
  readonly bytes: number;
  readonly by: string;
}

/** An answer that was accepted: the same one again is no other answer. */
export interface AcceptedAnswer {
  /**
   * The `seq` of the stage.started of the call that a callback answered, or of the question of an agent; null for the
   * answer to a wait stage.
   */
  readonly call: number | null;
  /** Of the answer's canonical JSON. */
  readonly digest: string;
}

/** An answer to an agent, with what it had given for the call that follows. */
interface AgentReply {
  readonly continuation: JsonObject;
  readonly data: JsonObject;
}

/** How far the events of an execution were read that a stage runs. */
export interface SeenChild {
  /** The last of them. */
  readonly seq: number;
  /** Its units whose questions are open, or have some within. */
  readonly asking: readonly string[];
  /** What it has used so far, where its run has a budget. */
  readonly usage?: Usage;
}

/** The items of a stage with `map`, once their list is known and until the stage has ended. */
export interface MappedItems {
  /** In the order of the list. */
  readonly units: readonly StageState[];
  /** How many have begun: the first of the list. */
  readonly begun: number;
  /** The places of those that have begun and not ended. */
  readonly open: readonly number[];
}

/** Of a unit: a stage, or an item of one that maps. */
export interface StageState {
  readonly phase: Phase;
  readonly result: StageResult;
  /** The `seq` of its last stage.started, or of the stage.fallback whose lookup is in flight; 0 before the first. */
  readonly call: number;
  /** When that was, ms since the epoch. */
  readonly call_at: number;
  /**
   * The first call of the present try, of which a crash may have repeated some: the callback to any of them is its
   * result. 0 where there is none.
   */
  readonly first_call: number;
  /** The number of the current or last try. */
  readonly attempt: number;
  /** The call in flight has the attempt of one that was interrupted. */
  readonly repeated: boolean;
  /** When the next try may begin, ms since the epoch; only while delayed. */
  readonly due_at: number;
  /** Why the stage would have failed; from then on it is its fallback that is at work. */
  readonly rescued: StageError | null;
  /** Answers so far that broke the contract. */
  readonly contract_faults: number;
  /** Why the answer of the try before was not taken; null where that was no answer, or there was none. */
  readonly previous_error: StageError | null;
  /** The `seq` of the event with which it began, at `result.start_time`; 0 before, and where it never began. */
  readonly began_seq: number;
  /** The `seq` of the event that ended it; 0 before. */
  readonly ended_seq: number;
  /** `result` is the data of the event `ended_seq`, byte for byte: an earlier version's event may lack a key of it. */
  readonly isEventData: boolean;
  /** Tries made, as [sent, ended] in ms since the epoch; calls interrupted by a crash or a pause are not included. */
  readonly calls: readonly (readonly [number, number])[];
  /** Delays between tries, and calls that a pause interrupted, as [begin, end]. */
  readonly waits: readonly (readonly [number, number])[];
  /**
   * It has left its place to wait for the outside, one that maps because all of its items at work have: a further call of
   * it needs one again.
   */
  readonly displaced: boolean;
  /** While it waits for its agent, before a call. */
  readonly queue: CallQueue | null;
  /** Such waits that are over, as [begin, end]. */
  readonly queued: readonly (readonly [number, number])[];
  /** How long they took, in ms, by what was waited for. */
  readonly queue_reasons: { readonly [Reason in CallQueue["reason"]]?: number };
  /** While it waits for an answer from outside. */
  readonly wait: OutsideWait | null;
  /** Waits for answers from outside that are over, as [begin, end]. */
  readonly outside: readonly (readonly [number, number])[];
  /** An answer that is kept until the stage asks. */
  readonly early: EarlyAnswer | null;
  readonly answers: readonly AcceptedAnswer[];
  /** What its agent has asked so far, how often. */
  readonly questions: number;
  /** What its agent has asked last, also once that is over; null where it has asked nothing. */
  readonly asked: OutsideWait | null;
  /** The last answer to its agent, which goes into every call from then on; null where it has asked nothing. */
  readonly reply: AgentReply | null;
  /** What it had said when it was superseded; null where it was not, or had said nothing. */
  readonly said: string | null;
  /** Of a stage with `map`, while they are at work. */
  readonly items: MappedItems | null;
  /** Once a stage with `map` has ended: how long each item that began took, delays included, in the order of the list. */
  readonly items_ms: readonly number[];
  /** Its list, as JSON; also once it has ended, where the result cache may have results of its items. */
  readonly values: readonly unknown[];
  /** The present iteration of a unit with `repeat`, from 1; 0 before the first, and of any other. */
  readonly iteration: number;
  /** What was read of the execution that the unit runs, as of its last rest; null where it has not rested. */
  readonly seen: SeenChild | null;
  /** The data of the iteration before; null in the first. */
  readonly previous: JsonObject | null;
  /** What the tries and iterations before have used, which the execution's usage has already; null where that is nothing. */
  readonly used: Usage | null;
}

export interface ExecutionState {
  readonly spec: RunSpec;
  readonly status: ExecutionStatus;
  /** The last event's `seq`. */
  readonly seq: number;
  readonly started_at: number;
  /** The last event's time. */
  readonly updated_at: number;
  readonly ended_at: number | null;
  /** The execution's deadline; every span in which the clock was stopped extends it by its length. */
  readonly deadline_at: number;
  readonly paused_at: number | null;
  /** How it is paused, or was before; null where it never was. */
  readonly lastPause: PauseMode | null;
  /** It is paused since a budget of the config is spent. */
  readonly isOverspent: boolean;
  /** Since when the clock is stopped: queued, paused without a call in flight, or waiting. */
  readonly drained_at: number | null;
  /** Spans in which the clock was stopped, as [begin, end]. */
  readonly pausedSpans: readonly (readonly [number, number])[];
  /** In definition order. */
  readonly stages: readonly StageState[];
  readonly index: ReadonlyMap<string, number>;
  readonly context: JsonObject;
  /** UTF-8 bytes of all stages' data and usage, of the context, of prompts and of early answers, as added up. */
  readonly context_bytes: number;
  readonly usage: Usage;
  readonly error_info: ErrorInfo | null;
  /** The execution whose question has superseded this one. */
  readonly superseded_by: string | null;
  readonly recoveries: number;
  /** Recoveries in a row since a stage last got any further. */
  readonly recoveriesWithoutProgress: number;
}

/** True where nothing can change any more (I2). */
export function isTerminal(status: ExecutionStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The unit of this name; the caller knows that it exists, and that an item's stage has not ended. */
export function stageOf(state: ExecutionState, name: UnitName): StageState {
  const { stage: of, item } = unitPlace(name);
  const stage = state.stages[state.index.get(of) as number] as StageState;
  return item === undefined ? stage : (stage.items?.units[item] as StageState);
}

/** True if the stage occupies one of the concurrency slots. */
export function isActive({ phase, displaced }: StageState): boolean {
  return phase !== "pending" && phase !== "ended" && !displaced;
}

/**
 * True where the stage has a call of this try in flight, waits for its callback, or lost it in a crash: an agent that
 * knows a repeated call by its Idempotency-Key answers the first one.
 * @param call the `seq` of the stage.started that a callback is bound to
 */
export function awaitsCallback({ status }: ExecutionState, stage: StageState, call: number): boolean {
  const { phase, wait, first_call } = stage;
  if (isTerminal(status) || first_call === 0 || call < first_call || call > stage.call) return false;
  return (
    phase === "calling" || phase === "interrupted" || (phase === "waiting" && wait?.reason === "callback")
  );
}

/** True where a question is open. */
export function awaitsPerson({ stages }: ExecutionState): boolean {
  return stages.some(
    ({ wait, items }) =>
      wait?.asks === true || (items?.open.some((at) => items.units[at]?.wait?.asks === true) ?? false),
  );
}

/** True where nothing but the alarm or a command from outside makes the execution go on. */
export function isAtRest({ status, drained_at }: ExecutionState): boolean {
  return drained_at !== null && !isTerminal(status);
}
