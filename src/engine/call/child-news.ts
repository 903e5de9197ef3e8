// What an execution and the ones that its stages run say to each other: receivers of the outbox, so that it is said until
// the other has it (I13), and how the one that hears of its stage's execution takes it.
import type { ControlCommand, ExecutionRpc } from "../object-protocol.ts";
import type { Command, Refusal } from "../../core/execution/command.ts";
import { budgetLeft } from "../../core/execution/gates/budget.ts";
import { type ExecutionState, isAtRest, isTerminal } from "../../core/execution/state.ts";
import { childOf, isOver, liveChildren } from "../../core/execution/units/child.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Clock } from "../ports.ts";
import type { Receiver } from "../watch/outbox.ts";

type RpcOf = (tenant: string, execution_id: string) => Pick<ExecutionRpc, "steer" | "childMoved">;

/** The stage that runs the execution hears that it has begun, rests, goes on or has ended, and says what it is to do. */
export function parentReceiver(rpcOf: RpcOf): Receiver {
  return {
    name: "parent",
    receive: async (state, change) => {
      const { parent, tenant, execution_id } = state.spec;
      // Of one that waits on, questions have opened or closed.
      if (parent === undefined || (!change.status && state.status !== "waiting")) return;
      const hasEnded = isTerminal(state.status);
      // Of its beginning the stage hears by the stream that it follows, and its own run pauses it.
      const isPaused = state.status === "paused" && !state.isOverspent;
      const isKnown = isPaused || (!isAtRest(state) && state.pausedSpans.length === 0);
      const seq = isKnown && !hasEnded ? null : state.seq;
      const command = await rpcOf(tenant, parent.execution_id).childMoved(parent.unit, execution_id, seq);
      // Its run pauses as well once this report has come, and is resumed with it.
      if (state.isOverspent && command?.type === "resume") return;
      if (command !== null && !hasEnded) await rpcOf(tenant, execution_id).steer(command);
    },
  };
}

/**
 * Pauses, resumes and cancels the executions of the stages with the one that they are of, and cancels those that have
 * lost their use before. One that is not there yet asks when it is: see `parentReceiver`.
 */
export function childrenReceiver(rpcOf: RpcOf): Receiver {
  return {
    name: "children",
    receive: async (state, change) => {
      const { tenant } = state.spec;
      const { wanted, unwanted } = liveChildren(state);
      const command = change.status ? commandOf(state) : null;
      const steered = command === null ? [] : wanted.map((child) => rpcOf(tenant, child).steer(command));
      await Promise.all([...steered, ...unwanted.map((child) => rpcOf(tenant, child).steer(CANCEL))]);
    },
  };
}

/** For what has lost its use. */
export const CANCEL: ControlCommand = {
  type: "cancel",
  reason: "the stage that runs it has ended, or its execution has",
};

function commandOf(state: ExecutionState): ControlCommand | null {
  const { status, lastPause } = state;
  if (status === "paused") return { type: "pause", mode: lastPause ?? "drain" };
  if (isTerminal(status)) return CANCEL;
  // Only what was paused can be resumed.
  if (lastPause === null) return null;
  const budget = budgetLeft(state);
  return budget === undefined ? { type: "resume" } : { type: "resume", budget };
}

/** What an execution is to do that one of these units runs; null where it goes on as it does. */
export function commandFor(state: ExecutionState, unit: string, child: string): ControlCommand | null {
  if (isOver(state, unit)) return CANCEL;
  // A crash may have lost the beginning of its call, which is begun again then.
  return isTerminal(state.status) || childOf(state, unit) === child ? commandOf(state) : null;
}

/** Submits once the call that the command is about is over, as it soon will be; else with the refusal. */
export async function submitOnceIdle(
  driver: ExecutionDriver,
  clock: Clock,
  command: Command,
): Promise<Refusal | null> {
  const first = driver.submit(command);
  if (first?.reason !== "in_flight") return first;
  const over = Promise.withResolvers<Refusal | null>();
  const again = () => {
    const refusal = driver.submit(command);
    if (refusal?.reason !== "in_flight") over.resolve(refusal);
  };
  const unwatch = driver.watch({ sees_batches: false, callBegan: () => {}, wake: again });
  const stop = clock.after(TIMINGS.CHILD_HEARD_MS, () => over.resolve(first));
  try {
    return await over.promise;
  } finally {
    stop();
    unwatch();
  }
}
