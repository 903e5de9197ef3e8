// Whose turn it is to wake up. When an outage ends, the alarms of all runs fire at once; were they all taken up at
// once, nobody else would be served until the last of them is under way. So the runs of one isolate come up a few at
// once and then one after another. Only a number is shared between them: a place that is held could be lost with the
// object that held it.
import { PACE } from "../core/pace.ts";
import type { Clock } from "./ports.ts";

/** When the bucket of turns will be full again, ms since the epoch. */
let fullAt = 0;

/** Resolves when a run that its alarm has woken may be taken up: at once, but after an outage. */
export async function wakeTurn(clock: Clock): Promise<void> {
  const since = clock.now();
  for (let now = since; now - since < PACE.WAKING_WAIT_MS; now = clock.now()) {
    const wait_ms = Math.min(takePlace(now), since + PACE.WAKING_WAIT_MS - now);
    if (wait_ms === 0) return;
    await new Promise<void>((resolve) => {
      clock.after(wait_ms, resolve);
    });
    // A timer that comes late tells of a machine with more to do than it can: what is under way goes first.
    if (clock.now() - (now + wait_ms) < PACE.WAKING_LATE_MS) return;
  }
}

/** Takes the next place. How long it is until then, ms. */
function takePlace(now: number): number {
  const wait_ms = Math.max(0, fullAt - now - PACE.WAKING_AT_ONCE * PACE.WAKING_GAP_MS);
  fullAt = Math.max(now, fullAt) + PACE.WAKING_GAP_MS;
  return wait_ms;
}
