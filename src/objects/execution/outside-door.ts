// What comes to a run from outside: the answers to its questions, and the callbacks of agents that answer later. Owns
// how they are refused. An answer is written before it is acknowledged (I9, I17); the platform holds the response back
// until it is durable.
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import type { Refusal } from "../../core/execution/command.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import { stageWait, type StageWait } from "../../core/execution/view/stage-wait.ts";
import { receiptResponse } from "../../engine/callback-protocol.ts";
import {
  type CallbackReceipt,
  type CallbackTarget,
  refusalResponse,
  type Sent,
  type SignalMessage,
  type SignalReceipt,
  type WaitToken,
} from "../../engine/object-protocol.ts";
import type { ExecutionDriver } from "../../engine/run/driver.ts";
import type { RunKeeper } from "./run-keeper.ts";

export class OutsideDoor {
  private readonly runs: RunKeeper;
  private readonly existing: (started_at: number | null) => Result<ExecutionDriver>;

  /** @param existing the driver of the execution; of another run than the one that began then, a refusal */
  constructor(runs: RunKeeper, existing: (started_at: number | null) => Result<ExecutionDriver>) {
    this.runs = runs;
    this.existing = existing;
  }

  /** See ExecutionRpc. */
  signal({ command, started_at }: SignalMessage): Result<SignalReceipt> {
    const opened = this.opened(started_at);
    if (!opened.ok) return opened;
    const driver = opened.value;
    driver.recover();
    const refusal = driver.submit(command);
    // It also throws what broke the driver: then nothing was accepted.
    this.runs.flush(driver);
    const state = driver.state as ExecutionState;
    const error =
      refusal === null || refusal.reason === "repeated"
        ? null
        : refusalError(state, refusal, started_at !== null);
    const answer = error === null ? ok(receipt(state, command.stage)) : err(error);
    this.runs.rest();
    return answer;
  }

  /** See ExecutionRpc. */
  waitOf(stage: string, token: WaitToken | null): Result<StageWait> {
    const opened = this.opened(token?.started_at ?? null);
    if (!opened.ok) return opened;
    const { spec, index } = opened.value.state as ExecutionState;
    const { execution_id } = spec;
    const wait = index.has(stage) ? stageWait(opened.value.state as ExecutionState, stage) : null;
    this.runs.rest();
    if (token !== null)
      return wait !== null && wait.seq === token.seq ? ok(wait) : err({ code: "NOT_FOUND" });
    if (wait !== null) return ok(wait);
    if (!index.has(stage)) return err({ code: "STAGE_NOT_FOUND", execution_id, stage });
    return err({ code: "EXECUTION_CONFLICT", execution_id, stage, why: "it asks no question" });
  }

  /** The result, or a sign of life, of an agent that answers later. */
  async callback(target: CallbackTarget, sent: Sent): Promise<Response> {
    const taken = await this.receive(target, sent);
    this.runs.rest();
    return taken.ok ? receiptResponse(taken.value) : refusalResponse(taken.error);
  }

  private async receive(target: CallbackTarget, sent: Sent): Promise<Result<CallbackReceipt>> {
    const opened = this.opened(target.started_at);
    if (!opened.ok) return opened;
    opened.value.recover();
    return opened.value.callbacks.receive(target, sent);
  }

  /** To a token an execution that is not there, or another run of its id, is nothing at all. */
  private opened(started_at: number | null): Result<ExecutionDriver> {
    const opened = this.existing(started_at);
    if (opened.ok || started_at === null) return opened;
    const { code } = opened.error;
    return code === "EXECUTION_NOT_FOUND" || code === "UNAUTHORIZED" ? err({ code: "NOT_FOUND" }) : opened;
  }
}

function receipt(state: ExecutionState, name: string): SignalReceipt {
  const { phase, result } = stageOf(state, name);
  return { status: phase === "pending" ? 202 : 200, json: JSON.stringify(result) };
}

/** @param byToken to a caller with a token, what is not there is NOT_FOUND */
function refusalError({ spec }: ExecutionState, refusal: Refusal, byToken: boolean): CoordinatorError {
  const { execution_id } = spec;
  switch (refusal.reason) {
    case "mismatch":
      return { code: "SCHEMA_MISMATCH", stage: refusal.stage, errors: refusal.errors };
    case "unanswerable":
      return { code: "EXECUTION_CONFLICT", execution_id, stage: refusal.stage, why: refusal.why };
    case "unknown_stage":
      return byToken
        ? { code: "NOT_FOUND" }
        : { code: "STAGE_NOT_FOUND", execution_id, stage: refusal.stage };
    default:
      return { code: "EXECUTION_NOT_FOUND", execution_id };
  }
}
