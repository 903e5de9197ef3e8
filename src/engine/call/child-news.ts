// What an execution and the ones that its stages run say to each other: receivers of the outbox, so that it is said until
// the other has it (I13), and how the one that hears of its stage's execution takes it.
import type { ControlCommand, ExecutionRpc } from "../object-protocol.ts";
import type { Command, Refusal } from "../../core/execution/command.ts";
import { type ExecutionState, isTerminal, stageOf } from "../../core/execution/state.ts";
import { specOf } from "../../core/execution/schedule.ts";
import { childOf } from "../../core/execution/units/child.ts";
import { unitName } from "../../core/execution/units/unit-name.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Clock } from "../ports.ts";
import type { Receiver } from "../watch/outbox.ts";

type RpcOf = (tenant: string, execution_id: string) => Pick<ExecutionRpc, "steer" | "childMoved">;

/** Tells the stage that runs the execution that it goes on, or has ended. */
export function parentReceiver(rpcOf: RpcOf): Receiver {
  return {
    name: "parent",
    receive: async ({ spec, status }, change) => {
      const { parent, tenant, execution_id } = spec;
      // Of a rest it hears by the stream that it follows.
      if (parent === undefined || !change.status || status === "paused" || status === "waiting") return;
      await rpcOf(tenant, parent.execution_id).childMoved(parent.unit, execution_id);
    },
  };
}

/** Pauses, resumes and cancels the executions of the stages with the one that they are of. */
export function childrenReceiver(rpcOf: RpcOf): Receiver {
  return {
    name: "children",
    receive: async (state, change) => {
      const command = change.status ? commandOf(state) : null;
      if (command === null) return;
      const { tenant } = state.spec;
      const known = await Promise.all(childrenIn(state).map((child) => rpcOf(tenant, child).steer(command)));
      // One that is about to be started is to be paused, too.
      if (command.type === "pause" && known.includes(false)) throw new Error("an execution is not there yet");
    },
  };
}

function commandOf({ status, wasPaused }: ExecutionState): ControlCommand | null {
  if (status === "paused") return { type: "pause", mode: "drain" };
  if (isTerminal(status)) return { type: "cancel", reason: "the execution whose stage runs it has ended" };
  // Only what was paused can be resumed.
  return wasPaused ? { type: "resume" } : null;
}

/** The executions that units have begun and that have not ended, as far as this one knows. */
function childrenIn(state: ExecutionState): string[] {
  return state.stages.flatMap(({ items, result: { stage } }) => {
    if (specOf(state, stage).pipeline === undefined) return [];
    const names = items === null ? [stage] : items.units.map((_, item) => unitName(stage, item));
    return names.flatMap((name) => {
      const { status } = stageOf(state, name).result;
      return status === "completed" || status === "failed" ? [] : (childOf(state, name) ?? []);
    });
  });
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
