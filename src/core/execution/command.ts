// Command: every input of an execution. An effect's outcome (an answer, a timer, a restart) returns only in this
// form.
import type { AgentAnswer } from "../../contract/agent.ts";
import type { PauseMode } from "../../contract/requests.ts";
import type { CallFailure } from "../resilience/classify.ts";
import type { RunSpec } from "./run-spec.ts";

/** How a call ended. `bytes` is the size of the answer's data, context and usage as UTF-8 JSON. */
export type CallOutcome =
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
      /** The agent's retry budget is spent: a further try waits for this at least, in ms. */
      budget_wait_ms?: number;
    };

export type Command =
  | { type: "start"; spec: RunSpec }
  | {
      type: "answer";
      stage: string;
      /** The `seq` of the stage.started that began the call: an answer to any other call is stale. */
      call: number;
      outcome: CallOutcome;
      /** When the call was sent, ms since the epoch. */
      began_at: number;
      /** Uniform in [0, 1): the random number for the next try's delay. */
      chance: number;
    }
  /** Time has passed: tries, deadlines and pauses may be due. */
  | { type: "tick" }
  /**
   * The object has come up with this log and holds none of its calls. `crashes` is how often in a row it has come up to
   * end in a crash, as the platform counts it: the crashes of others in the same process are among them. `cut` is how
   * many recoveries in a row began at this place of the log and were cut before they had written anything.
   */
  | { type: "recover"; crashes?: number; cut?: number }
  | { type: "pause"; mode: PauseMode }
  | { type: "resume" }
  | { type: "cancel"; reason: string };

/** Why a command changes nothing. */
export type Refusal =
  /** There is no execution. */
  | { reason: "absent" }
  /** There is one already. */
  | { reason: "exists" }
  /** The call it answers is no longer in flight. */
  | { reason: "stale" }
  /** The verb does not apply to the status. */
  | { reason: "conflict"; verb: string; status: string };
