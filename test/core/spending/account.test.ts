// The account of one budget: what counts as spent, what is lent, and what a clock, a crash and a lost message do to both.
import { describe, expect, test } from "vitest";
import {
  emptyAt,
  NOTHING_SPENT,
  type SpendingAccount,
  type SpendingReport,
  standingOf,
  takeReport,
} from "../../../src/core/spending/account.ts";

const HOUR = { cost_usd: 8, window_seconds: 3_600 };
const START = 1_764_000_000_000;

class Account {
  now = START;
  terms = HOUR;
  private account: SpendingAccount = NOTHING_SPENT;
  private readonly sent = new Map<string, { n: number; total: number }>();

  /** The holder has spent so much more, and is answered. */
  report(holder: string, usd: number, wants = true, said: Partial<SpendingReport> = {}) {
    const { n, total } = this.sent.get(holder) ?? { n: 0, total: 0 };
    this.sent.set(holder, { n: n + 1, total: total + usd });
    const report = { holder, n: n + 1, total: total + usd, acked: total, wants, ...said };
    const { account, answer } = takeReport(this.account, this.terms, report, this.now);
    this.account = account;
    return answer;
  }

  get standing() {
    return standingOf(this.account, this.terms, this.now);
  }

  get emptyAt() {
    return emptyAt(this.account, this.terms);
  }

  get size() {
    return this.account.slots.length + this.account.holders.length;
  }
}

describe("what is lent", () => {
  test("is an eighth of the rest, so that loans never exceed it", () => {
    const account = new Account();
    expect(account.report("a", 0).loan_usd).toBe(1);
    expect(account.report("b", 0).loan_usd).toBeCloseTo(7 / 8);
    for (let at = 0; at < 30; at += 1) account.report(`c${at}`, 0);
    expect(account.standing.lent_usd).toBeLessThan(8);
    expect(account.standing.spent_usd).toBe(0);
  });

  test("is a thousandth at least, of a budget that is not spent", () => {
    const account = new Account();
    account.report("a", 7.999);
    expect(account.report("b", 0).loan_usd).toBeCloseTo(0.001);
    expect(account.report("c", 0).loan_usd).toBeCloseTo(0.001);
  });

  test("is nothing of one that is, nor to a holder that only reports", () => {
    const account = new Account();
    expect(account.report("a", 1, false).loan_usd).toBe(0);
    expect(account.report("a", 7).loan_usd).toBe(0);
    expect(account.standing).toMatchObject({ spent_usd: 8, lent_usd: 0 });
    expect(account.standing.retry_after_ms).toBeGreaterThan(3_600_000);
  });

  test("goes back with the holder's next report", () => {
    const account = new Account();
    account.report("a", 0);
    account.report("a", 0.25, false);
    expect(account.standing).toMatchObject({ spent_usd: 0.25, lent_usd: 0 });
  });

  test("counts in full, for a window, once its lease is over without a report", () => {
    const account = new Account();
    const { lease_ms } = account.report("a", 0);
    account.now += lease_ms - 1;
    expect(account.standing).toMatchObject({ spent_usd: 0, lent_usd: 1 });
    account.now += 1;
    expect(account.standing).toMatchObject({ spent_usd: 1, lent_usd: 0 });
    account.now += 3_599_999;
    expect(account.standing.spent_usd).toBe(1);
    // And a slot at most.
    account.now += 60_002;
    expect(account.standing.spent_usd).toBe(0);
  });

  test("counts for what was spent of it once its report comes after all", () => {
    const account = new Account();
    const { lease_ms } = account.report("a", 0);
    account.now += lease_ms + 5_000;
    account.report("a", 0.5, false);
    expect(account.standing.spent_usd).toBe(0.5);
  });
});

describe("what is spent", () => {
  test("counts for a window, and at most a sixtieth of it longer", () => {
    const account = new Account();
    const spent: { at: number; usd: number }[] = [];
    for (let at = 0; at < 2_000; at += 1) {
      account.now += 7_001;
      const usd = (at % 5) / 1_000;
      account.report("a", usd, false);
      spent.push({ at: account.now, usd });
      const within = (ms: number) =>
        spent.filter((one) => one.at > account.now - ms).reduce((sum, one) => sum + one.usd, 0);
      expect(account.standing.spent_usd).toBeGreaterThan(within(3_600_000) - 1e-9);
      expect(account.standing.spent_usd).toBeLessThan(within(3_660_001) + 1e-9);
    }
    expect(account.size).toBeLessThanOrEqual(64);
  });

  test("is over when the oldest of it has left the window", () => {
    const account = new Account();
    account.report("a", 6, false);
    account.now += 600_000;
    account.report("a", 3, false);
    const { retry_after_ms, resets_at } = account.standing;
    expect(retry_after_ms).toBe(3_000_000 + 60_000);
    expect(resets_at).toBe(account.now + 3_660_000);
    account.now += retry_after_ms ?? 0;
    expect(account.standing).toMatchObject({ spent_usd: 3, retry_after_ms: null });
  });

  test("counts once, also where a report is repeated, or comes after a later one", () => {
    const account = new Account();
    account.report("a", 1);
    // The answer was lost: it is reported again, with more.
    account.report("a", 1, true, { acked: 0 });
    expect(account.standing.spent_usd).toBe(2);
    expect(account.report("a", 0, true, { n: 1, total: 1, acked: 0 }).loan_usd).toBe(0);
    expect(account.standing.spent_usd).toBe(2);
    expect(account.standing.lent_usd).toBeGreaterThan(0);
  });

  test("of a holder that the account has forgotten counts from what it knows to be counted", () => {
    const account = new Account();
    account.report("a", 1, false);
    account.now += 4_000_000;
    account.report("b", 0, false);
    account.report("a", 1, false);
    expect(account.standing.spent_usd).toBe(1);
  });

  test.each([1_000, 3_000_000, 40_000_000_000])(
    "a clock set back by %d ms neither frees it nor keeps it for longer than a window",
    (back) => {
      const account = new Account();
      account.report("a", 8, false);
      account.now += 1_800_000;
      account.report("a", 0, false);
      account.now -= back;
      expect(account.standing.retry_after_ms).not.toBeNull();
      account.report("a", 0, false);
      account.now += 1_800_000 + 60_000;
      expect(account.standing.retry_after_ms).toBeNull();
    },
  );

  test("is nothing where a report says less than nothing, or no number", () => {
    const account = new Account();
    account.report("a", -5, false);
    account.report("b", Number.NaN, false);
    expect(account.standing).toMatchObject({ spent_usd: 0, resets_at: null });
  });
});

test("an account stays small, however many isolates have crashed with a loan", () => {
  const account = new Account();
  for (let at = 0; at < 5_000; at += 1) {
    account.now += 20_000;
    account.report(`a${at}`, 0.001);
  }
  expect(account.size).toBeLessThan(200);
});

test("is empty once all has left the window", () => {
  const account = new Account();
  expect(account.emptyAt).toBeNull();
  account.report("a", 1);
  expect(account.emptyAt).toBe(START + 3_660_000);
});
