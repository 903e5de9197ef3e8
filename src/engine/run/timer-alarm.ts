// The alarm of a run without storage (context_storage_backend: memory): a timer, which ends with the object that set it.
// A timer keeps its object in memory, so a wait of any length comes to its end where the platform does not restart.
import type { Alarm, Clock } from "../ports.ts";
import { LONGEST_TIMER_MS } from "../../contract/timer.ts";

/** @param handle called when the alarm comes; never for one that was set again meanwhile */
export function timerAlarm(clock: Clock, handle: () => void): Alarm {
  let stop = () => {};
  const set = (at: number) => {
    stop();
    const wait_ms = Math.max(0, at - clock.now());
    stop = clock.after(Math.min(wait_ms, LONGEST_TIMER_MS), () => {
      if (wait_ms > LONGEST_TIMER_MS) set(at);
      else handle();
    });
  };
  return { set: async (at) => set(at) };
}
