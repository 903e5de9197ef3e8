// When a run that its alarm has woken may resume: at once, except after an outage, which wakes all runs of an isolate
// together. If they all resumed at once, no request would be served until the last of them has made its calls.
import { TIMINGS } from "../../core/timings.ts";
import { WakeQueue } from "../../core/resilience/wake-queue.ts";
import type { Clock } from "../ports.ts";

/** State of this isolate: a few numbers. A slot kept by an object could be lost with it. */
const isolateQueue = new WakeQueue();

export interface Waking {
  /** What the alarm was set to, ms since the epoch; null where that is not known. */
  scheduled: number | null;
  /** False where the alarm must not be set again: the platform counts the crashes of this one's handler. */
  mayMove: boolean;
  /** The run has ended: what is left to do for it costs little, and waits for no slot. */
  hasEnded: () => boolean;
}

/** Resolves with null when the run may resume, or with the time that its alarm is to be set to instead. */
export async function recoverySlot(
  clock: Clock,
  waking: Waking,
  queue = isolateQueue,
): Promise<number | null> {
  const { scheduled, mayMove, hasEnded } = waking;
  const began = clock.now();
  let slot = scheduled === null ? null : queue.claim(scheduled);
  if (slot === null) {
    if (!queue.isOpen(began) && hasEnded()) return null;
    slot = queue.next(began);
  }
  // Until then it stays in memory, and is then to wait by its alarm.
  let leaves_at: number | null = null;
  for (let now = began; ; now = clock.now()) {
    if (slot.at <= now) {
      if (queue.admits(slot, now)) return null;
      slot = queue.next(now, slot.rounds + 1);
      leaves_at = null;
      continue;
    }
    const stay_ms: number | null = mayMove && leaves_at === null ? queue.stay(slot, now) : null;
    if (stay_ms !== null) leaves_at = now + stay_ms;
    if (leaves_at !== null && leaves_at <= now) {
      queue.give(slot, now);
      return slot.at;
    }
    // A handler has 15 minutes: what is left of a longer wait is none.
    if (now - began >= TIMINGS.ALARM_HOLD_MS) return null;
    const wait_ms = Math.min(leaves_at ?? slot.at, began + TIMINGS.ALARM_HOLD_MS) - now;
    await new Promise<void>((resolve) => {
      clock.after(wait_ms, resolve);
    });
  }
}
