// Notices when nothing is in flight any more in a large run: a wait for a retry may begin while no alarm is handled,
// and so without a handler that would release the run.
import type { ExecutionDriver, Watcher } from "./driver.ts";
import type { Ports } from "../ports.ts";

/** @param onRest called after the turn of the event loop in which the run came to rest */
export function restWatch(
  driver: ExecutionDriver,
  { clock, memory }: Pick<Ports, "clock" | "memory">,
  onRest: () => void,
): Watcher {
  return {
    sees_batches: false,
    callBegan: () => {},
    wake: () => {
      if (memory?.isLarge === true && !driver.isBusy) clock.after(0, onRest);
    },
  };
}
