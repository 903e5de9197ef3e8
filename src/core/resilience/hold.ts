// The hold on one agent's calls after a 429 or 503 with Retry-After, and how calls come back after it: one after another,
// no faster than the agent has answered calls before. Each isolate keeps its own count, so that all of them together do
// not exceed what they sent before.
import { LIMITS } from "../../contract/limits.ts";

export interface Hold {
  /** No call goes out before, ms since the epoch; 0 where there is no hold. */
  until: number;
  /** The last turn that was given to a call, ms since the epoch. */
  turn_at: number;
  /** Answers in one of the seconds before, at most; less by a tenth with each second since. */
  rate: number;
  /** The present second, since the epoch, and the answers in it so far. */
  second: number;
  answers: number;
}

export const NO_HOLD: Hold = { until: 0, turn_at: 0, rate: 0, second: 0, answers: 0 };

/** A turn that is further away was given before the clock was set back. */
const LONGEST_TURN_MS = 3_600_000;
const DECAY = 0.9;

/** The agent has asked for no calls for so long, in ms. */
export function holdFor(hold: Hold, ms: number, now: number): Hold {
  const until = now + Math.min(ms, LIMITS.HOLD_SECONDS * 1_000);
  return until > untilOf(hold.until, now) ? { ...hold, until } : hold;
}

/** The agent has answered a call. */
export function answered(hold: Hold, now: number): Hold {
  const second = Math.floor(now / 1_000);
  if (second === hold.second) return { ...hold, answers: hold.answers + 1 };
  return { ...hold, rate: rateAt(hold, now), second, answers: 1 };
}

function rateAt({ rate, second, answers }: Hold, now: number): number {
  const seconds = Math.max(0, Math.floor(now / 1_000) - second);
  return Math.max(rate * DECAY ** seconds, answers * DECAY ** Math.max(0, seconds - 1));
}

/**
 * When the next call may go out, ms since the epoch; null where that is now.
 * @param known until of the hold that other isolates have reported, ms since the epoch
 * @param waited the call has had a turn
 */
export function nextTurn(hold: Hold, known: number, waited: boolean, now: number): number | null {
  const until = Math.max(untilOf(hold.until, now), untilOf(known, now));
  const last = hold.turn_at - now > LONGEST_TURN_MS ? 0 : hold.turn_at;
  const gap_ms = 1_000 / Math.max(1, rateAt(hold, now));
  if (until > now) return Math.ceil(last === 0 ? until : Math.max(until, last + gap_ms));
  return last > now && !waited ? Math.ceil(last + gap_ms) : null;
}

/** 0 where it is over, or further away than any hold: the clock was set back. */
function untilOf(until: number, now: number): number {
  return until > now && until - now <= LIMITS.HOLD_SECONDS * 1_000 ? until : 0;
}
