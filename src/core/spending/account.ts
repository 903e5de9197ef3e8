// One budget of the config and what its runs have spent: in slots of a sixtieth of the window, each of which counts until
// its last cost has left the window, and in loans. An isolate is lent a part of the rest, spends it without asking, and
// reports what it has spent. A loan that is not reported counts in full from the end of its lease, for a window.
//
// What is spent counts at most a slot too long, and never too short. Something is lent until `cost_usd` is spent, so that
// in any window the real cost is at most that, what is lent then, and the calls in flight.

/** A budget's amount and window. */
export interface SpendingTerms {
  cost_usd: number;
  window_seconds: number;
}

/** One holder's loan, and its last report. */
interface Holder {
  holder: string;
  /** The number of its last report, and all that it had spent by then. */
  n: number;
  total: number;
  /** Lent since; 0 where nothing is. */
  usd: number;
  /** The end of the lease, ms since the epoch. */
  until: number;
}

/** What has been spent within a slot of time, and when it leaves the window, ms since the epoch. */
type Slot = readonly [leaves: number, usd: number];

export interface SpendingAccount {
  /** The latest time at which it was used, ms since the epoch: the clock may be set back. */
  at: number;
  /** The first to leave first. */
  slots: readonly Slot[];
  holders: readonly Holder[];
}

export const NOTHING_SPENT: SpendingAccount = { at: 0, slots: [], holders: [] };

/** A report of a holder's. One that is repeated, or comes after a later one, counts for nothing. */
export interface SpendingReport {
  holder: string;
  n: number;
  /** All that it has spent, and what of that it knows to be counted. */
  total: number;
  acked: number;
  /** It is about to spend more. */
  wants: boolean;
}

/** Where a budget is. */
export interface SpendingStanding {
  spent_usd: number;
  lent_usd: number;
  /** When there is something to spend again, in ms; null where there is now. */
  retry_after_ms: number | null;
  /** When all that is spent now has left the window, ms since the epoch; null where nothing is spent. */
  resets_at: number | null;
}

export interface SpendingAnswer extends SpendingStanding {
  loan_usd: number;
  lease_ms: number;
}

const SLOTS = 60;
/** The part of the rest that is lent at once: eight isolates then have two thirds of it. */
const LOAN_SHARE = 1 / 8;
/** The least that is lent of a budget that is not spent, as a share of it: calls near its end ask one by one. */
const LEAST_SHARE = 1 / 1_000;
/** Longer than most calls, and short beside an hour's window, in which the loan of a crashed isolate counts. */
const LEASE_MS = 30_000;
const LEAST_LEASE_MS = 5_000;
/** A report may be so late that the loan it is about has been counted: then both count. */
const LATE_MS = 600_000;
/** Costs are sums of doubles. */
const EXACT = 1e-9;

/** Takes a report, and lends where more is wanted and the budget is not spent. */
export function takeReport(
  before: SpendingAccount,
  terms: SpendingTerms,
  report: SpendingReport,
  now: number,
): { account: SpendingAccount; answer: SpendingAnswer } {
  const account = aged(before, terms, now);
  const lease_ms = leaseOf(terms);
  const last = account.holders.find(({ holder }) => holder === report.holder);
  if (last !== undefined && last.n >= report.n) {
    return { account, answer: { ...standing(account, terms, now), loan_usd: 0, lease_ms } };
  }
  const { holder, n, total, acked, wants } = report;
  const settled = {
    ...account,
    slots: withSpent(account.slots, terms, now, total - Math.max(last?.total ?? 0, acked)),
    holders: account.holders.filter((other) => other !== last),
  };
  const loan_usd = wants ? loanOf(settled, terms, now) : 0;
  const held = { holder, n, total, usd: loan_usd, until: now + lease_ms };
  const after = { ...settled, holders: [...settled.holders, held] };
  return { account: after, answer: { ...standing(after, terms, now), loan_usd, lease_ms } };
}

/** Where the budget is now. */
export function standingOf(account: SpendingAccount, terms: SpendingTerms, now: number): SpendingStanding {
  return standing(aged(account, terms, now), terms, now);
}

/** When the account holds nothing any more unless something is spent meanwhile, ms since the epoch; null where it does not. */
export function emptyAt(
  { slots, holders }: SpendingAccount,
  { window_seconds }: SpendingTerms,
): number | null {
  if (slots.length === 0 && holders.length === 0) return null;
  const over = holders.map(({ until }) => until + window_seconds * 1_000);
  return Math.max(0, ...over, slots.at(-1)?.[0] ?? 0);
}

/** The account at this time: without what has left the window. */
export function aged(account: SpendingAccount, terms: SpendingTerms, now: number): SpendingAccount {
  const window_ms = terms.window_seconds * 1_000;
  // A clock that was set back: as if no time had passed since.
  const shift = Math.min(0, now - account.at);
  let slots: readonly Slot[] = account.slots
    .map(([leaves, usd]): Slot => [leaves + shift, usd])
    .filter(([leaves]) => leaves > now);
  const holders: Holder[] = [];
  for (const one of account.holders) {
    const held = { ...one, until: one.until + shift };
    const isOver = held.usd === 0 ? held.until <= now : held.until + Math.min(window_ms, LATE_MS) <= now;
    if (!isOver) holders.push(held);
    else if (held.until + window_ms > now) slots = withSpent(slots, terms, held.until, held.usd);
  }
  return { at: now, slots, holders };
}

function withSpent(
  slots: readonly Slot[],
  { window_seconds }: SpendingTerms,
  at: number,
  usd: number,
): readonly Slot[] {
  if (!(usd > 0)) return slots;
  const window_ms = window_seconds * 1_000;
  const width = window_ms / SLOTS;
  const first = slots.findIndex(([leaves]) => leaves >= at + window_ms);
  const found = slots[first];
  if (found !== undefined && found[0] <= at + window_ms + width) {
    return slots.with(first, [found[0], found[1] + usd]);
  }
  const place = first === -1 ? slots.length : first;
  return slots.toSpliced(place, 0, [Math.ceil(at + window_ms + width), usd]);
}

/** What counts as spent, and when it ceases to. */
function spentOf(
  { slots, holders }: SpendingAccount,
  { window_seconds }: SpendingTerms,
  now: number,
): Slot[] {
  const lost = holders
    .filter(({ usd, until }) => usd > 0 && until <= now)
    .map(({ usd, until }): Slot => [until + window_seconds * 1_000, usd]);
  return [...slots, ...lost].toSorted((a, b) => a[0] - b[0]);
}

function lentOf({ holders }: SpendingAccount, now: number): number {
  return holders.reduce((sum, { usd, until }) => (until > now ? sum + usd : sum), 0);
}

function loanOf(account: SpendingAccount, terms: SpendingTerms, now: number): number {
  const { cost_usd } = terms;
  const spent = sum(spentOf(account, terms, now));
  if (isSpent(spent, cost_usd)) return 0;
  const rest = cost_usd - spent - lentOf(account, now);
  return Math.min(cost_usd - spent, Math.max(rest * LOAN_SHARE, cost_usd * LEAST_SHARE));
}

function standing(account: SpendingAccount, terms: SpendingTerms, now: number): SpendingStanding {
  const spent = spentOf(account, terms, now);
  const spent_usd = sum(spent);
  const lent_usd = lentOf(account, now);
  let left = spent_usd;
  let retry_after_ms: number | null = null;
  for (const [leaves, usd] of spent) {
    if (!isSpent(left, terms.cost_usd)) break;
    left -= usd;
    retry_after_ms = leaves - now;
  }
  return { spent_usd, lent_usd, retry_after_ms, resets_at: spent.at(-1)?.[0] ?? null };
}

function sum(slots: readonly Slot[]): number {
  return slots.reduce((all, [, usd]) => all + usd, 0);
}

function isSpent(spent_usd: number, cost_usd: number): boolean {
  return spent_usd >= cost_usd * (1 - EXACT);
}

function leaseOf({ window_seconds }: SpendingTerms): number {
  return Math.min(LEASE_MS, Math.max(LEAST_LEASE_MS, window_seconds * 1_000));
}
