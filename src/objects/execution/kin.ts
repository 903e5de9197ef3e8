// What the object of an execution does for another one: for that whose stage runs it, and for those that its stages run.
import { type CoordinatorError } from "../../contract/problem.ts";
import type { ParentStage } from "../../core/execution/run-spec.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { wholeResult } from "../../core/execution/view/view.ts";
import { CANCEL, commandFor, submitOnceIdle } from "../../engine/call/child-news.ts";
import type { ChildEnd, ControlCommand } from "../../engine/object-protocol.ts";
import type { ExecutionDriver } from "../../engine/run/driver.ts";
import type { Text } from "../../engine/watch/text-stream.ts";
import type { RunKeeper } from "./run-keeper.ts";

export class Kin {
  /** The execution has been cancelled before it was there. Its id is of one unit of one run: none other may have it. */
  isUnwanted = false;
  private readonly runs: RunKeeper;

  constructor(runs: RunKeeper) {
    this.runs = runs;
  }

  /** See ExecutionRpc. @param driver null where there is no execution */
  steer(driver: ExecutionDriver | null, command: ControlCommand): void {
    if (driver === null) {
      this.isUnwanted ||= command.type === "cancel";
      return;
    }
    driver.recover();
    // What is refused is so already, or has ended.
    driver.submit(command);
    this.written(driver);
  }

  /** See ExecutionRpc. @param driver null where there is no execution */
  async childMoved(
    driver: ExecutionDriver | null,
    unit: string,
    child: string,
    seq: number | null,
  ): Promise<ControlCommand | null> {
    // It was deleted.
    if (driver === null) return CANCEL;
    driver.recover();
    const command = commandFor(driver.state as ExecutionState, unit, child);
    if (seq === null || command?.type === "cancel") {
      this.written(driver);
      return command;
    }
    const refusal = await submitOnceIdle(driver, this.runs.clock, {
      type: "child",
      stage: unit,
      child,
      seq,
    });
    this.written(driver);
    if (refusal?.reason === "in_flight") throw new Error("the call of its stage is in flight");
    return command;
  }

  /** See ExecutionRpc. */
  ending(driver: ExecutionDriver): Text {
    const state = driver.state as ExecutionState;
    const end: ChildEnd = { data: wholeResult(state), usage: state.usage };
    const text = this.runs.textOf([JSON.stringify(end)].values());
    this.runs.rest();
    return text;
  }

  /** @throws what broke the run */
  private written(driver: ExecutionDriver): void {
    driver.flush();
    if (driver.fault !== null) throw driver.fault.cause;
    this.runs.rest();
  }
}

/** It is paused and resumed with the execution whose stage runs it. */
export function ofParent(
  execution_id: string,
  { type }: ControlCommand,
  { execution_id: parent }: ParentStage,
): CoordinatorError {
  const why = `a stage of the execution ${parent} runs ${execution_id}: ${type} that one`;
  return { code: "EXECUTION_CONFLICT", execution_id, why };
}
