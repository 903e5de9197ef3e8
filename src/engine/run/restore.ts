// The state of the run that a log holds.
import { replay } from "../../core/execution/evolve.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { type Log, LogCorrupted } from "../ports.ts";

/** Null where the log is empty. @throws LogCorrupted */
export function restore(log: Log): ExecutionState | null {
  try {
    return replay(log.read(0));
  } catch (cause) {
    // The bytes are intact, but they are not an execution's log.
    if (cause instanceof RangeError || cause instanceof TypeError) throw new LogCorrupted(cause.message);
    throw cause;
  }
}
