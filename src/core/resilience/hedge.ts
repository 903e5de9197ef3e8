// The limit of hedge calls (hedge_after_ms) per agent: 5 % of its calls over a window, so that an agent that
// is slow throughout is not sent twice the work. The first few are free: a share of few calls means nothing.

/** Calls and hedges of the window now, and of the one before it. */
export interface HedgeCount {
  window: number;
  calls: number;
  hedges: number;
  before: { calls: number; hedges: number };
}

const WINDOW_MS = 30_000;
const SHARE = 0.05;
const FREE = 3;

export const NO_HEDGES: HedgeCount = { window: 0, calls: 0, hedges: 0, before: { calls: 0, hedges: 0 } };

/** The count after one more call or hedge. */
export function counted(count: HedgeCount, what: "calls" | "hedges", now: number): HedgeCount {
  const current = moved(count, now);
  return { ...current, [what]: current[what] + 1 };
}

export function mayHedge(count: HedgeCount, now: number): boolean {
  const { calls, hedges, before } = moved(count, now);
  return hedges + before.hedges + 1 <= Math.max(FREE, (calls + before.calls) * SHARE);
}

function moved(count: HedgeCount, now: number): HedgeCount {
  const window = Math.floor(now / WINDOW_MS);
  if (window <= count.window) return count;
  const { calls, hedges } = count;
  const before = window === count.window + 1 ? { calls, hedges } : NO_HEDGES.before;
  return { window, calls: 0, hedges: 0, before };
}
