// Notices when nothing is in flight any more in a run that holds much: a wait for a retry may begin without an alarm
// that is being handled, and so without anybody who would let go of the run then.
import type { ExecutionDriver, Watcher } from "./driver.ts";
import type { Ports } from "../ports.ts";

/** @param onRest called after the turn in which the run came to rest */
export function restWatch(
  driver: ExecutionDriver,
  { clock, memory }: Pick<Ports, "clock" | "memory">,
  onRest: () => void,
): Watcher {
  return {
    sees_batches: false,
    callBegan: () => {},
    wake: () => {
      if (memory?.isLarge === true && driver.isAtRest) clock.after(0, onRest);
    },
  };
}
