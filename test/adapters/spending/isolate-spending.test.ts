// The budgets of one isolate over a world of objects on a virtual clock: how often it asks, and what it says.
import { describe, expect, test } from "vitest";
import { IsolateSpending } from "../../../src/adapters/spending/isolate-spending.ts";
import {
  NOTHING_SPENT,
  type SpendingAccount,
  standingOf,
  takeReport,
} from "../../../src/core/spending/account.ts";
import type { SpendingRun } from "../../../src/core/spending/run-budgets.ts";
import type { SpendingRpc } from "../../../src/engine/worker-ports.ts";

class World {
  now = 1_764_000_000_000;
  hops = 0;
  isAway = false;
  readonly changes: boolean[] = [];
  readonly accounts = new Map<string, SpendingAccount>();
  private isolates = 0;

  isolate(): IsolateSpending {
    this.isolates += 1;
    const id = `isolate-${this.isolates}`;
    return new IsolateSpending({
      clock: { now: () => this.now, after: () => () => {} },
      object: (account) => this.object(account),
      isolateId: () => id,
      onChange: ({ isLost }) => this.changes.push(isLost),
    });
  }

  private object(name: string): SpendingRpc {
    const reach = async <T>(answer: (account: SpendingAccount) => T): Promise<T> => {
      this.hops += 1;
      if (this.isAway) throw new Error("not there");
      return answer(this.accounts.get(name) ?? NOTHING_SPENT);
    };
    return {
      report: (terms, report) =>
        reach((before) => {
          const { account, answer } = takeReport(before, terms, report, this.now);
          this.accounts.set(name, account);
          return answer;
        }),
      standing: (terms) => reach((account) => standingOf(account, terms, this.now)),
    };
  }

  standing(name = "acme/tenant/60") {
    const terms = { cost_usd: 1, window_seconds: 60 };
    return standingOf(this.accounts.get(name) ?? NOTHING_SPENT, terms, this.now);
  }
}

let runs = 0;
function run(more: Partial<SpendingRun> = {}, scopes = ["tenant"]): SpendingRun {
  runs += 1;
  const budgets = scopes.map((scope) => ({ scope, cost_usd: 1, window_seconds: 60 }));
  const own = { tenant: "acme", execution_id: `ex_${runs}`, pipeline: "p", pipeline_version: 1 };
  return { ...own, ...more, config: { budgets } };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe("a run that calls", () => {
  test("of a tenant without budgets costs no request", async () => {
    const world = new World();
    const isolate = world.isolate();
    const free = run({}, []);
    expect(isolate.check(free)).toBeNull();
    expect(await isolate.admit(free)).toBeNull();
    isolate.spent(free, 5);
    isolate.rests(free);
    await settled();
    expect(world.hops).toBe(0);
  });

  test("asks once for what it is lent, spends that without asking, and gives the rest back at its end", async () => {
    const world = new World();
    const isolate = world.isolate();
    const one = run();
    expect(await isolate.check(one)).toBeNull();
    for (let call = 0; call < 10; call += 1) {
      expect(isolate.check(one)).toBeNull();
      isolate.spent(one, 0.01);
    }
    expect(world.hops).toBe(1);
    expect(world.standing()).toMatchObject({ spent_usd: 0, lent_usd: 0.125 });
    isolate.rests(one);
    isolate.rests(one);
    await settled();
    expect(world.hops).toBe(2);
    expect(world.standing().lent_usd).toBe(0);
    expect(world.standing().spent_usd).toBeCloseTo(0.1);
  });

  test("does not give back what another run of its isolate goes on with", async () => {
    const world = new World();
    const isolate = world.isolate();
    const [one, other] = [run(), run()];
    await isolate.check(one);
    expect(isolate.check(other)).toBeNull();
    isolate.rests(one);
    await settled();
    expect(isolate.check(other)).toBeNull();
    expect(world.hops).toBe(1);
    isolate.rests(other);
    await settled();
    expect(world.standing().lent_usd).toBe(0);
  });

  test("that has ended in a crash does not keep a loan for ever", async () => {
    const world = new World();
    const isolate = world.isolate();
    await isolate.check(run());
    world.now += 61_000;
    const other = run();
    await isolate.check(other);
    isolate.rests(other);
    await settled();
    expect(world.standing().lent_usd).toBe(0);
  });

  test("is refused what is spent, with the scope and when to come again, in every isolate", async () => {
    const world = new World();
    const [here, there] = [world.isolate(), world.isolate()];
    const one = run();
    await here.check(one);
    here.spent(one, 1.5);
    await settled();
    const spent = {
      scope: "tenant",
      limit_usd: 1,
      window_seconds: 60,
      spent_usd: 1.5,
      retry_after_seconds: 61,
    };
    expect(await here.check(one)).toEqual(spent);
    expect(await there.check(run())).toEqual(spent);
    expect(await there.admit(run())).toEqual(spent);
    expect(await there.check(run({ tenant: "other" }))).toBeNull();
    world.now += 61_001;
    expect(await there.admit(run())).toBeNull();
    expect(await here.check(one)).toBeNull();
  });

  test("by the values of its tags, each with a budget of its own", async () => {
    const world = new World();
    const isolate = world.isolate();
    const by = (user: string) => run({ tags: { user } }, ["tag:user"]);
    const one = by("u1");
    await isolate.check(one);
    isolate.spent(one, 2);
    await settled();
    expect(await isolate.check(by("u1"))).toMatchObject({ scope: "tag:user", spent_usd: 2 });
    expect(await isolate.check(by("u2"))).toBeNull();
    expect(isolate.check(run({}, ["tag:user"]))).toBeNull();
  });

  test("reports what it has cost also where it was lent nothing", async () => {
    const world = new World();
    const isolate = world.isolate();
    // The answer of an agent that answers later, in another isolate than the call.
    isolate.spent(run(), 0.4);
    await settled();
    expect(world.standing().spent_usd).toBe(0.4);
  });
});

describe("a run that is about to start", () => {
  test("is lent nothing, and goes by an answer of a second", async () => {
    const world = new World();
    const isolate = world.isolate();
    for (let at = 0; at < 20; at += 1) {
      expect(await isolate.admit(run())).toBeNull();
      world.now += 100;
    }
    expect(world.hops).toBe(2);
    expect(world.standing().lent_usd).toBe(0);
  });

  test("is refused at once for what its own isolate has spent", async () => {
    const world = new World();
    const isolate = world.isolate();
    const one = run();
    expect(await isolate.admit(one)).toBeNull();
    await isolate.check(one);
    isolate.spent(one, 1);
    expect(await isolate.admit(run())).toMatchObject({ spent_usd: 1 });
  });
});

test("a budget that does not answer lets calls and runs through, is logged once, and counts what they cost", async () => {
  const world = new World();
  const isolate = world.isolate();
  world.isAway = true;
  const one = run();
  for (let call = 0; call < 5; call += 1) {
    expect(await isolate.check(one)).toBeNull();
    isolate.spent(one, 0.3);
    await settled();
  }
  expect(await isolate.admit(run())).toBeNull();
  expect(world.changes).toEqual([true]);
  world.isAway = false;
  world.now += 5_001;
  await isolate.check(one);
  await settled();
  expect(world.changes).toEqual([true, false]);
  expect(await isolate.check(one)).toMatchObject({ limit_usd: 1 });
  expect(world.standing().spent_usd).toBeCloseTo(1.5);
});

test("a clock that is set back does not make a lease longer", async () => {
  const world = new World();
  const isolate = world.isolate();
  const one = run();
  await isolate.check(one);
  world.now += 29_000;
  expect(isolate.check(one)).toBeNull();
  world.now -= 3_600_000;
  expect(isolate.check(one)).toBeNull();
  world.now += 1_001;
  expect(isolate.check(one)).toBeInstanceOf(Promise);
});
