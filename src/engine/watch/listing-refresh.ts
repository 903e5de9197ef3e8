// Keeps a run without storage in the index for as long as it is in memory. Its entry expires soon after it was last
// reported, so that the list does not show unreadable executions for days.
import { isTerminal } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Receiver } from "./outbox.ts";
import type { Clock } from "../ports.ts";

const NO_CHANGE = { status: false, opened: [] };

/** Reports the run again and again until it ends. A report that fails is made up for by the next. */
export function refreshListing(driver: ExecutionDriver, clock: Clock, listing: Receiver): void {
  clock.after(TIMINGS.MEMORY_LISTED_MS, () => {
    const { state, fault } = driver;
    if (state === null || fault !== null || isTerminal(state.status)) return;
    listing.receive(state, NO_CHANGE).catch(() => {});
    refreshListing(driver, clock, listing);
  });
}
