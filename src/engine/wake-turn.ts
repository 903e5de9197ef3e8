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
  const now = clock.now();
  const wait_ms = Math.min(
    Math.max(0, fullAt - now - PACE.WAKING_AT_ONCE * PACE.WAKING_GAP_MS),
    PACE.WAKING_WAIT_MS,
  );
  fullAt = Math.max(now, fullAt) + PACE.WAKING_GAP_MS;
  if (wait_ms === 0) return;
  await new Promise<void>((resolve) => {
    clock.after(wait_ms, resolve);
  });
}
