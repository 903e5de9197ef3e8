// Isolates that spend of one budget, over a network that loses, delays and refuses messages, with crashes of isolates and
// of the budget's object, and clocks that are set back. What calls cost is known here by real time alone.
import { IsolateSpending } from "../../../../src/adapters/spending/isolate-spending.ts";
import {
  NOTHING_SPENT,
  type SpendingAccount,
  standingOf,
  takeReport,
} from "../../../../src/core/spending/account.ts";
import type { SpendingRun } from "../../../../src/core/spending/run-budgets.ts";
import type { SpendingRpc } from "../../../../src/engine/worker-ports.ts";
import { VirtualTime } from "../../../engine/simulation/virtual-time.ts";
import { type Chance, seeded } from "../../../support/values/chance.ts";

export const TERMS = { scope: "tenant", cost_usd: 10, window_seconds: 60 };
export const WINDOW_MS = 60_000;
export const MOST_USD = 0.05;
export const ISOLATES = 6;
const RUNS = 3;

export interface Counts {
  requestLost: number;
  answerLost: number;
  late: number;
  isolateCrashed: number;
  objectRestarted: number;
  isolateClockBack: number;
  objectClockBack: number;
  refused: number;
  withoutHop: number;
  throughUnanswered: number;
}

export const noCounts = (): Counts => ({
  requestLost: 0,
  answerLost: 0,
  late: 0,
  isolateCrashed: 0,
  objectRestarted: 0,
  isolateClockBack: 0,
  objectClockBack: 0,
  refused: 0,
  withoutHop: 0,
  throughUnanswered: 0,
});

interface Cost {
  at: number;
  usd: number;
  /** Not counted by the budget: its isolate crashed meanwhile, or the budget had not answered. */
  isFree: boolean;
}

interface Isolate {
  spending: IsolateSpending;
  clock: number;
  life: object;
  /** Answered in time, or not. */
  requests: { isAnswered: boolean }[];
  costs: Cost[];
  /** What has been spent and is not reported, and what the budget has lent it last. */
  unreported: number;
  loan: number;
  holders: Map<string, { n: number; total: number }>;
}

export class World {
  readonly time = new VirtualTime(1_764_000_000_000);
  readonly chance: Chance;
  readonly counts: Counts;
  readonly costs: Cost[] = [];
  faults: number;
  hops = 0;
  calls = 0;
  private readonly isolates: Isolate[] = [];
  private disk: SpendingAccount = NOTHING_SPENT;
  private memory: SpendingAccount = NOTHING_SPENT;
  private objectClock = 0;
  /** Outstanding when it last lent something. */
  private lent = 0;
  private runs = 0;
  private busy = true;

  /** @param faults in a thousand messages, of each kind */
  constructor(seed: number, faults: number, counts = noCounts()) {
    this.chance = seeded(seed);
    this.faults = faults;
    this.counts = counts;
    for (let at = 0; at < ISOLATES; at += 1) this.boot(at);
  }

  private boot(at: number): void {
    const life = {};
    const isolate: Isolate = {
      life,
      clock: 0,
      requests: [],
      costs: [],
      unreported: 0,
      loan: 0,
      holders: new Map(),
      spending: {} as IsolateSpending,
    };
    isolate.spending = new IsolateSpending({
      object: () => this.object(isolate),
      clock: {
        now: () => this.time.now + isolate.clock,
        after: (ms, task) => this.time.after(ms, task, life),
      },
      isolateId: () => `isolate-${at}-${this.time.now}`,
    });
    this.isolates[at] = isolate;
    for (let run = 0; run < RUNS; run += 1) this.nextRun(isolate);
  }

  private at(isolate: Isolate, ms: number, task: () => void): void {
    this.time.after(ms, task, isolate.life);
  }

  private nextRun(isolate: Isolate): void {
    if (!this.busy) return;
    this.runs += 1;
    const run: SpendingRun = {
      tenant: "acme",
      execution_id: `ex_${this.runs}`,
      pipeline: "p",
      pipeline_version: 1,
      config: { budgets: [TERMS] },
    };
    this.at(isolate, this.chance.below(2_000), () => this.call(isolate, run, 1 + this.chance.below(4)));
  }

  private call(isolate: Isolate, run: SpendingRun, left: number): void {
    const asked = isolate.requests.length;
    const checked = isolate.spending.check(run);
    if (!(checked instanceof Promise)) {
      this.counts.withoutHop += 1;
      this.send(isolate, run, left, false);
      return;
    }
    // A check makes its request at once, or none where the object has not answered before.
    const request = isolate.requests[asked];
    void checked.then((spent) => {
      const isFree = request?.isAnswered !== true;
      if (spent === null) {
        if (isFree) this.counts.throughUnanswered += 1;
        this.send(isolate, run, left, isFree);
        return;
      }
      this.counts.refused += 1;
      isolate.spending.rests(run);
      this.nextRun(isolate);
    });
  }

  private send(isolate: Isolate, run: SpendingRun, left: number, isFree: boolean): void {
    this.calls += 1;
    const usd = this.chance.draw() * MOST_USD;
    const cost: Cost = { at: 0, usd, isFree };
    isolate.costs.push(cost);
    const ms = 50 + this.chance.below(this.chance.below(10) === 0 ? 20_000 : 500);
    this.at(isolate, ms, () => {
      cost.at = this.time.now;
      this.costs.push(cost);
      isolate.unreported += usd;
      isolate.spending.spent(run, usd);
      if (left > 1) return this.call(isolate, run, left - 1);
      isolate.spending.rests(run);
      this.nextRun(isolate);
    });
  }

  private get objectNow(): number {
    return this.time.now + this.objectClock;
  }

  private object(isolate: Isolate): SpendingRpc {
    return {
      report: (terms, report) =>
        this.reach(isolate, () => {
          const { account, answer } = takeReport(this.memory, terms, report, this.objectNow);
          this.memory = account;
          const { holder, n, total } = report;
          const known = isolate.holders.get(holder) ?? { n: 0, total: 0 };
          if (n > known.n) {
            isolate.holders.set(holder, { n, total });
            isolate.unreported -= total - known.total;
            isolate.loan = answer.loan_usd;
            if (answer.loan_usd > 0) this.lent = answer.lent_usd;
          }
          this.disk = structuredClone(account);
          return answer;
        }),
      standing: (terms) => this.reach(isolate, () => standingOf(this.memory, terms, this.objectNow)),
    };
  }

  private reach<T>(isolate: Isolate, answer: () => T): Promise<T> {
    this.hops += 1;
    const request = { isAnswered: false };
    isolate.requests.push(request);
    const fault = this.chance.below(1_000);
    const refuse = (kind: "requestLost" | "answerLost") => {
      this.counts[kind] += 1;
      throw new Error(kind);
    };
    return new Promise<T>((resolve, reject) => {
      const late = fault >= 2 * this.faults && fault < 2.1 * this.faults;
      if (late) this.counts.late += 1;
      this.at(isolate, late ? 400 + this.chance.below(3_000) : this.chance.below(8), () => {
        try {
          if (fault < this.faults) refuse("requestLost");
          const given = answer();
          if (fault < 2 * this.faults) refuse("answerLost");
          request.isAnswered = !late;
          resolve(given);
        } catch (cause) {
          reject(cause);
        }
      });
    });
  }

  crash(at: number): void {
    const isolate = this.isolates[at] as Isolate;
    this.counts.isolateCrashed += 1;
    this.time.forget(isolate.life);
    for (const cost of isolate.costs) {
      // What was in flight is paid for, too.
      if (cost.at === 0) this.costs.push({ ...cost, at: this.time.now, isFree: true });
    }
    // What it had spent beyond its loan and not reported is gone: the loan counts in full.
    let lost = isolate.unreported - isolate.loan;
    for (const cost of isolate.costs.toSorted((a, b) => b.at - a.at)) {
      if (lost <= 0) break;
      cost.isFree = true;
      lost -= cost.usd;
    }
    this.boot(at);
  }

  restart(): void {
    this.counts.objectRestarted += 1;
    this.memory = structuredClone(this.disk);
  }

  setBack(at: number | "object", ms: number): void {
    if (at === "object") {
      this.counts.objectClockBack += 1;
      this.objectClock -= ms;
      return;
    }
    this.counts.isolateClockBack += 1;
    (this.isolates[at] as Isolate).clock -= ms;
  }

  stop(): void {
    this.busy = false;
  }

  go(): void {
    this.busy = true;
    for (const isolate of this.isolates) this.nextRun(isolate);
  }

  /** What they may have cost at most: the budget, what was lent when it was not spent, and the calls in flight. */
  get most(): number {
    return TERMS.cost_usd + this.lent + ISOLATES * RUNS * MOST_USD;
  }

  /** What calls have cost within the last window, but for what the budget cannot count. */
  get counted(): number {
    return this.within(({ isFree }) => !isFree);
  }

  private within(which: (cost: Cost) => boolean): number {
    let sum = 0;
    for (let at = this.costs.length - 1; at >= 0; at -= 1) {
      const cost = this.costs[at] as Cost;
      if (cost.at <= this.time.now - WINDOW_MS) break;
      if (which(cost)) sum += cost.usd;
    }
    return sum;
  }

  async run(ms: number, check: () => void): Promise<void> {
    const end = this.time.now + ms;
    this.time.after(ms, () => {});
    while (this.time.now < end && (await this.time.step())) check();
  }
}
