// The config's budgets as one isolate spends of them (src/core/spending). For each budget that its runs are in it holds
// what it was lent: while some of that is left, a call is checked without a request. It asks for more once that is used
// up, and reports with each request all that it has spent; a loan goes back when no run of the isolate is at the budget.
// An object that does not answer in time lets calls through: a budget must not stop runs that could go on.
//
// What objects of the isolate share are plain data: each awaits its own requests alone.
import { type RunBudget, runBudgets, type SpendingRun } from "../../core/spending/run-budgets.ts";
import type { SpendingStanding, SpendingTerms } from "../../core/spending/account.ts";
import type { Clock, RunSpending, SpentBudget } from "../../engine/ports.ts";
import type { SpendingRpc, StartSpending } from "../../engine/worker-ports.ts";
import { Guards, type GuardChange, LOST } from "../platform/guard.ts";
import { Lru } from "../platform/lru.ts";
import { SHARED_MS } from "../platform/time-limit.ts";

export interface SpendingWorld {
  /** The object of an account. */
  object(account: string): SpendingRpc;
  clock: Clock;
  /** No other isolate has it. */
  isolateId(): string;
  onChange?(change: GuardChange): void;
}

/** Maximum age of an answer by which a run is started. */
const STANDING_MS = 1_000;
const STANDINGS = 1_000;
/** A run that has shown no sign for so long may have crashed: it no longer keeps the loan from going back. */
const SILENT_MS = 60_000;

/** What the isolate holds of one budget. */
interface Purse extends RunBudget {
  holder: string;
  /** The number of the last request. */
  n: number;
  /** All that was spent. */
  total: number;
  /** What of it the object had counted in its last answer, and the number of that request. */
  acked: number;
  acked_n: number;
  /** Lent by that answer. */
  loan: number;
  /** The end of its lease, and the latest time at which it was looked at, ms since the epoch. */
  until: number;
  seen: number;
  /** Runs that are at the budget, with the time of their last sign. */
  runs: Map<string, number>;
}

export class IsolateSpending implements RunSpending, StartSpending {
  private readonly world: SpendingWorld;
  private readonly purses = new Map<string, Purse>();
  private readonly standings = new Lru<string, { at: number; standing: SpendingStanding }>({
    entries: STANDINGS,
  });
  private readonly guards: Guards;
  private isolate = "";
  private made = 0;

  constructor(world: SpendingWorld) {
    this.world = world;
    this.guards = new Guards(() => ({
      clock: world.clock,
      limit_ms: SHARED_MS,
      onChange: (change) => world.onChange?.(change),
    }));
  }

  check(run: SpendingRun): SpentBudget | null | Promise<SpentBudget | null> {
    const budgets = runBudgets(run);
    if (budgets.length === 0) return null;
    const asked: Promise<SpentBudget | null>[] = [];
    for (const budget of budgets) {
      const purse = this.purse(budget);
      purse.runs.set(run.execution_id, purse.seen);
      if (!hasRoom(purse)) asked.push(this.ask(purse, true));
    }
    return asked.length === 0 ? null : firstOf(asked);
  }

  spent(run: SpendingRun, usd: number): void {
    for (const budget of runBudgets(run)) {
      const purse = this.purse(budget);
      purse.total += usd;
      this.standings.delete(nameOf(budget));
      if (!hasRoom(purse)) void this.ask(purse, false);
    }
  }

  rests(run: SpendingRun): void {
    for (const budget of runBudgets(run)) {
      const purse = this.purses.get(nameOf(budget));
      if (purse === undefined || !purse.runs.delete(run.execution_id)) continue;
      this.look(purse);
      for (const [id, at] of purse.runs) if (purse.seen - at > SILENT_MS) purse.runs.delete(id);
      if (purse.runs.size === 0) void this.giveBack(purse);
    }
  }

  async admit(run: SpendingRun): Promise<SpentBudget | null> {
    const budgets = runBudgets(run);
    if (budgets.length === 0) return null;
    return firstOf(budgets.map((budget) => this.mayStart(budget)));
  }

  async standing(account: string, terms: SpendingTerms): Promise<SpendingStanding | null> {
    const answer = await this.guards.of(account).ask(() => this.world.object(account).standing(terms));
    return answer === LOST ? null : answer;
  }

  private async mayStart(budget: RunBudget): Promise<SpentBudget | null> {
    const purse = this.purses.get(nameOf(budget));
    if (purse !== undefined) {
      this.look(purse);
      if (hasRoom(purse)) return null;
      // The object is not to answer without what was spent here.
      if (purse.total > purse.acked) return this.ask(purse, purse.runs.size > 0);
    }
    const name = nameOf(budget);
    const now = this.world.clock.now();
    const known = this.standings.peek(name);
    if (known !== undefined && now - known.at >= 0 && now - known.at <= STANDING_MS) {
      return spentBudget(budget, known.standing);
    }
    const standing = await this.standing(budget.account, budget);
    if (standing === null) return null;
    this.standings.set(name, { at: now, standing });
    return spentBudget(budget, standing);
  }

  /** Nothing of this isolate is at the budget any more. */
  private async giveBack(purse: Purse): Promise<void> {
    const name = nameOf(purse);
    const isSettled = purse.total === purse.acked && purse.loan === 0;
    if (!isSettled) await this.ask(purse, false);
    const isQuiet = purse.runs.size === 0 && purse.total === purse.acked && purse.loan === 0;
    if (isQuiet && this.purses.get(name) === purse) this.purses.delete(name);
  }

  /** Reports, and asks for more where more is wanted. Null where the object does not answer in time. */
  private async ask(purse: Purse, wants: boolean): Promise<SpentBudget | null> {
    purse.n += 1;
    const { n, total, acked, holder, account, cost_usd, window_seconds } = purse;
    const sent_at = this.world.clock.now();
    const report = { holder, n, total, acked, wants };
    const answer = await this.guards
      .of(account)
      .ask(() => this.world.object(account).report({ cost_usd, window_seconds }, report));
    if (answer === LOST) return null;
    // An earlier request's loan was taken back by the later one.
    if (n > purse.acked_n) {
      this.look(purse);
      purse.acked_n = n;
      purse.acked = total;
      purse.loan = answer.loan_usd;
      purse.until = Math.min(sent_at, purse.seen) + answer.lease_ms;
      this.standings.set(nameOf(purse), { at: purse.seen, standing: answer });
    }
    return spentBudget(purse, answer);
  }

  private purse(budget: RunBudget): Purse {
    const name = nameOf(budget);
    let purse = this.purses.get(name);
    if (purse === undefined) {
      if (this.isolate === "") this.isolate = this.world.isolateId();
      this.made += 1;
      const holder = `${this.isolate}.${this.made}`;
      const nothing = { n: 0, total: 0, acked: 0, acked_n: 0, loan: 0, until: 0, seen: 0 };
      purse = { ...budget, ...nothing, holder, runs: new Map() };
      this.purses.set(name, purse);
    }
    this.look(purse);
    return purse;
  }

  /** Notes the time. A clock that was set back does not make the lease longer than it was then. */
  private look(purse: Purse): void {
    const now = this.world.clock.now();
    if (now < purse.seen) purse.until -= purse.seen - now;
    purse.seen = now;
  }
}

/** Runs that were started under another amount have a loan of their own. */
function nameOf({ account, cost_usd }: RunBudget): string {
  return `${account} ${cost_usd}`;
}

function hasRoom({ loan, total, acked, until, seen }: Purse): boolean {
  return seen < until && loan - (total - acked) > 0;
}

function spentBudget(
  { scope, cost_usd, window_seconds }: RunBudget,
  { spent_usd, retry_after_ms }: SpendingStanding,
): SpentBudget | null {
  if (retry_after_ms === null) return null;
  const retry_after_seconds = Math.max(1, Math.ceil(retry_after_ms / 1_000));
  return { scope, spent_usd, limit_usd: cost_usd, window_seconds, retry_after_seconds };
}

async function firstOf(asked: readonly Promise<SpentBudget | null>[]): Promise<SpentBudget | null> {
  return (await Promise.all(asked)).find((spent) => spent !== null) ?? null;
}
