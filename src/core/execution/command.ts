// Command: every input of an execution. An effect's outcome (an answer, a timer, a restart) returns only in this
// form.
import type { AgentAnswer } from "../../contract/agent.ts";
import type { RaisedBudget } from "../../contract/budget.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Usage } from "../../contract/stage.ts";
import type { InputError } from "../../contract/problem.ts";
import type { PauseMode } from "../../contract/requests.ts";
import type { CallFailure } from "../resilience/classify.ts";
import type { RunSpec } from "./run-spec.ts";
import type { OutsideAnswer, SeenChild } from "./state.ts";
import type { UnitName } from "./units/unit-name.ts";

/** How a call ended. `bytes` is the size of the answer's data, context and usage as UTF-8 JSON. */
export type CallOutcome = CallEnding | AcceptedCall | AskedCall | RestingCall | QueuedCall | OverspentCall;

/** It was not made: a budget of the config is spent. */
interface OverspentCall extends Overspent {
  ok: "overspent";
}

/** A budget of the config that is spent. */
export interface Overspent {
  /** As the config has it. */
  scope: string;
  spent_usd: number;
  limit_usd: number;
}

/** It was not sent: its agent may not be called now, or has no place for it. */
interface QueuedCall {
  ok: "queued";
  reason: "retry_after" | "concurrency";
  /** When it may be sent, ms since the epoch; null where that is not known. */
  until: number | null;
}

/** The execution that the stage runs is paused, or waits itself: it says when it goes on. */
interface RestingCall {
  ok: "rests";
  seen: SeenChild;
  /** Why it is paused, where a budget of the config is spent. */
  overspent?: Overspent;
}

/** The agent asks for input before it goes on. */
export interface AskedCall {
  ok: "asks";
  /** What is shown to the person who answers. */
  prompt: JsonObject;
  /** Of the answer's data; null where any object is one. */
  schema: JsonObject | null;
  /** Goes with the answer into the further call; kept from readers. */
  continuation: JsonObject;
  /** What the call has used, as far as its agent has reported. */
  usage?: Usage;
}

/** The agent has answered 202: its result comes by a callback. */
export interface AcceptedCall {
  ok: "later";
  /** Where its work can be cancelled: a URL of the agent's own origin. */
  location?: string;
}

/** How a call ended for good. */
export type CallEnding =
  | {
      ok: true;
      answer: AgentAnswer;
      bytes: number;
      /** The call's deltas, if any. */
      text?: string;
      /** From the result cache: no agent was called. */
      cached?: true;
    }
  | {
      ok: false;
      failure: CallFailure;
      /** What the call has used, as far as its agent has reported. */
      usage?: Usage;
      /** The agent's retry budget is spent: a further try waits for this at least, in ms. */
      budget_wait_ms?: number;
    };

export type Command =
  | {
      type: "start";
      spec: RunSpec;
      /** It waits for the execution before it in its conversation. */
      queued?: QueuePlace;
    }
  /** The execution before it has ended: the one that waits starts, with the history as it is now. */
  | { type: "admit"; history: ConversationTurn[] }
  | {
      type: "answer";
      /** Its unit. */
      stage: UnitName;
      /** The `seq` of the stage.started that began the call: an answer to any other call is stale. */
      call: number;
      outcome: CallOutcome;
      /** When the call was sent, ms since the epoch. */
      began_at: number;
      /** Uniform in [0, 1): the random number for the next try's delay. */
      chance: number;
    }
  /** A person or a system answers a wait stage. */
  | {
      type: "signal";
      stage: string;
      /** The `seq` of the stage.waiting that it answers, where it is bound to one by a token. */
      wait: number | null;
      answer: OutsideAnswer;
      /** Who answers, as `answered_by` has it. */
      by: string;
    }
  /** The result of an agent that answers later. */
  | {
      type: "callback";
      /** Its unit. */
      stage: UnitName;
      /** The `seq` of the stage.started of its call. */
      call: number;
      outcome: CallEnding;
    }
  /** The execution that a stage runs goes on, or has ended. `stage`: its unit. */
  | {
      type: "child";
      stage: UnitName;
      child: string;
      /** Its last event. */
      seq: number;
    }
  /** An agent with limits has no place for the unit's next call. */
  | {
      type: "no_place";
      stage: UnitName;
      reason: "concurrency" | "rate";
      /** When there may be one, ms since the epoch; null where that is not known. */
      until: number | null;
    }
  /** A sign of life of such an agent. */
  | { type: "heartbeat"; stage: UnitName; call: number }
  /** Time has passed: tries, deadlines, pauses and waits may be due. */
  | { type: "tick" }
  /**
   * A new instance of the object has opened this log and has none of its calls. `crashes`: how many instances in a row
   * have crashed, as the platform counts them; crashes of other objects in the process are among them. `cut`: how many
   * recoveries in a row began at this position of the log and were interrupted before they had written anything.
   */
  | { type: "recover"; crashes?: number; cut?: number }
  | { type: "pause"; mode: PauseMode }
  | {
      type: "resume";
      /** What it replaces of the run's budget. */
      budget?: RaisedBudget;
    }
  /** A call in flight has reported what it has used so far: see Gates. */
  | { type: "usage" }
  | {
      type: "cancel";
      reason: string;
      /** The execution whose question supersedes this one, and what its units have said so far. */
      superseded?: { by: string; texts: Readonly<Record<UnitName, string>> };
    };

/** A place in the queue of a conversation. */
export interface QueuePlace {
  /** The execution that it waits for. */
  behind: string;
  /** 1 for the next. */
  position: number;
}

/** Why a command changes nothing. */
export type Refusal =
  /** There is no execution. */
  | { reason: "absent" }
  /** An execution exists already. */
  | { reason: "exists" }
  /** The call is in flight, and may be about to end by itself. */
  | { reason: "in_flight" }
  /** The call it answers is no longer in flight. */
  | { reason: "stale" }
  /** It has spent more than its budget, as it is or is to be. */
  | { reason: "over_budget"; why: string }
  /** The verb does not apply to the status. */
  | { reason: "conflict"; verb: string; status: string }
  /** The execution has no such stage. */
  | { reason: "unknown_stage"; stage: string }
  /** The same answer was accepted before. */
  | { reason: "repeated"; stage: string }
  /** The stage does not take the answer: it is no wait, it has another answer, or its wait is over. */
  | { reason: "unanswerable"; stage: string; why: string }
  /** The answer's data does not satisfy the stage's schema. */
  | { reason: "mismatch"; stage: string; errors: InputError[] };
