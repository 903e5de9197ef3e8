// What the runs of an isolate may hold together: the bounds by size and by tenant, what is taken back from objects that
// are gone, and what a run's driver makes of it.
import { describe, expect, test } from "vitest";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { jsonWeight, textWeight } from "../../../src/core/json/json-weight.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { IsolateBudget } from "../../../src/engine/memory/isolate-budget.ts";
import type { AgentRequest, CallHooks, MemoryShare, Ports } from "../../../src/engine/ports.ts";
import { MemoryLog } from "../../../src/adapters/log/memory-log.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const MB = 1024 * 1024;

/** Shares of a budget of 64 MB, whose objects live as long as the test. */
function budgetOf() {
  const budget = new IsolateBudget(64 * MB);
  const clock = { time: 0, now: () => clock.time };
  const holders: object[] = [];
  const share = (run: string, tenant = "acme"): MemoryShare => {
    const holder = {};
    holders.push(holder);
    return budget.share(run, tenant, holder, clock);
  };
  return { budget, clock, share };
}

describe("the budget", () => {
  test("one tenant's large runs take 36 of 64 MB, all tenants' 48, small ones the rest", () => {
    const { budget, share } = budgetOf();
    expect(share("a").take(16 * MB)).toBe(true);
    expect(share("b").take(16 * MB)).toBe(true);
    expect(share("c").take(5 * MB)).toBe(false);
    expect(share("c").take(4 * MB)).toBe(true);
    // Another tenant has what is left of 48.
    expect(share("d", "globex").take(9 * MB)).toBe(false);
    expect(share("d", "globex").take(8 * MB)).toBe(true);
    expect(share("e", "globex").take(4 * MB)).toBe(true);
    expect(share("f", "globex").take(2 * MB)).toBe(false);
    // Large runs have all that they may have; small ones go on, of any tenant.
    for (let run = 0; run < 12; run += 1) expect(share(`small-${run}`).take(MB), String(run)).toBe(true);
    expect(share("one-more").take(MB)).toBe(false);
    for (let run = 0; run < 4; run += 1) expect(share(`other-${run}`, "globex").take(MB)).toBe(true);
    expect(budget.used).toBe(64 * MB);
    expect(share("last", "initech").take(1)).toBe(false);
  });

  test("what a caller asks for is read beside that, as far as the tenant's part of the whole goes", () => {
    const { share } = budgetOf();
    for (const run of ["a", "b"]) expect(share(run).take(16 * MB)).toBe(true);
    expect(share("c").take(16 * MB)).toBe(false);
    expect(share("c").take(16 * MB, true)).toBe(true);
    expect(share("d").take(16 * MB, true)).toBe(false);
    expect(share("e", "globex").take(16 * MB, true)).toBe(true);
  });

  test("a refusal changes nothing, to hold less is never refused, and what is freed is free", () => {
    const { budget, share } = budgetOf();
    const run = share("a");
    expect(run.take(36 * MB)).toBe(true);
    expect(run.take(37 * MB)).toBe(false);
    expect(budget.used).toBe(36 * MB);
    expect(run.take(20 * MB)).toBe(true);
    expect(share("b").take(9 * MB)).toBe(true);
    run.free();
    run.free();
    // Room to grow into.
    expect(budget.used).toBe(16 * MB);
    expect(run.isLarge).toBe(false);
  });

  test("what is there already counts whether there is room or not, and keeps others out", () => {
    const { budget, share } = budgetOf();
    share("a").keep(70 * MB);
    expect(budget.used).toBe(70 * MB);
    expect(share("b", "globex").take(1)).toBe(false);
  });

  test("an instance takes over the share of the previous one", () => {
    const { budget, share } = budgetOf();
    share("a").take(16 * MB);
    const next = share("a");
    expect(next.take(8 * MB)).toBe(true);
    expect(budget.used).toBe(8 * MB);
    next.free();
    expect(budget.used).toBe(0);
  });

  test("a run that rests is taken to be gone once the platform has had the time, if its room is needed", () => {
    const { budget, clock, share } = budgetOf();
    const resting = share("a");
    resting.take(36 * MB);
    resting.rest();
    clock.time = TIMINGS.ISOLATE_REST_MS - 1;
    expect(share("b").take(MB * 2)).toBe(false);
    clock.time += 1;
    expect(share("b").take(MB * 2)).toBe(true);
    expect(budget.used).toBe(2 * MB);
    // It was there all the same.
    expect(resting.take(8 * MB)).toBe(true);
    expect(budget.used).toBe(10 * MB);
  });

  test("of many runs that grow together some get what they need, and the rest give theirs back", () => {
    const { share } = budgetOf();
    const growing = Array.from({ length: 12 }, (_, run) => share(`run-${run}`));
    let alive = growing;
    for (let held = 1; held <= 15; held += 1) {
      alive = alive.filter((run) => {
        const fits = run.take(held * MB);
        if (!fits) run.free();
        return fits;
      });
    }
    expect(alive).toHaveLength(2);
  });

  test("the room of a run that has ended is taken where it is needed", () => {
    const { budget, share } = budgetOf();
    const [ended, other] = [share("a"), share("b")];
    ended.take(32 * MB);
    ended.leave();
    expect(other.take(4 * MB)).toBe(true);
    expect(budget.used).toBe(36 * MB);
    expect(other.take(8 * MB)).toBe(true);
    expect(budget.used).toBe(8 * MB);
  });

  test("a run that goes on does not rest any more", () => {
    const { clock, share } = budgetOf();
    const run = share("a");
    run.take(36 * MB);
    run.rest();
    run.take(36 * MB);
    clock.time = 10 * TIMINGS.ISOLATE_REST_MS;
    expect(share("b").take(2 * MB)).toBe(false);
  });
});

describe("what a value weighs", () => {
  test("a text by its characters, a list of many small parts by these", () => {
    expect(textWeight("x".repeat(1_000))).toBeLessThan(1_100);
    expect(textWeight(`${"x".repeat(999)}€`)).toBeGreaterThanOrEqual(2_000);
    const lists = Array.from({ length: 1_000 }, () => []);
    expect(jsonWeight(lists)).toBeGreaterThan(10 * JSON.stringify(lists).length);
    expect(jsonWeight({ a: 1, b: [true, null], c: { d: "x" } })).toBeLessThan(400);
    expect([jsonWeight(null), jsonWeight(undefined), jsonWeight(true)]).toEqual([0, 0, 0]);
  });
});

/** A run of the real driver, whose isolate has so much room. */
async function run(limit: number, call: (request: AgentRequest, hooks: CallHooks) => Promise<CallOutcome>) {
  const time = new VirtualTime(1_764_000_000_000);
  const budget = new IsolateBudget(limit);
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const holder = {};
  const ports: Ports = {
    clock,
    chance: () => 0,
    log: new MemoryLog(),
    alarm: { set: async () => {} },
    agents: { call },
    memory: budget.share("a", "acme", holder, clock),
  };
  const driver = ExecutionDriver.open(ports);
  const stages = ["one", "two", "three"].map((name) => makeStage(name, { required: false, parallel: true }));
  driver.submit({ type: "start", spec: makeSpec(stages) });
  await drained();
  while (driver.state?.ended_at === null && (await time.step()));
  return { driver, budget };
}

const answer = (bytes: number): CallOutcome => ({
  ok: true,
  answer: { data: { pad: "x".repeat(bytes) } },
  bytes: bytes + 10,
});

const statuses = (driver: ExecutionDriver) =>
  driver.state?.stages.map(({ result }) => [result.status, result.error?.code ?? null]);

describe("a run", () => {
  test("whose answer does not fit fails that stage, typed and not tried again, and goes on with the rest", async () => {
    let calls = 0;
    const { driver, budget } = await run(4 * MB, async ({ call }) => {
      calls += 1;
      return answer(call.stage === "two" ? 3 * MB : 1_000);
    });
    expect(statuses(driver)).toEqual([
      ["completed", null],
      ["failed", "RESOURCE_EXHAUSTED"],
      ["completed", null],
    ]);
    expect(calls).toBe(3);
    expect(budget.used).toBeGreaterThan(2_000);
    expect(budget.used).toBeLessThan(MB);
  });

  test("whose text does not fit is cut off there", async () => {
    let said = 0;
    let aborted: () => boolean = () => false;
    const { driver, budget } = await run(4 * MB, async ({ call }, hooks) => {
      if (call.stage !== "two") return answer(1_000);
      aborted = () => hooks.signal.aborted;
      for (; said < 1_000 && !hooks.signal.aborted; said += 1) {
        hooks.delta("x".repeat(10_000));
        if (said % 50 === 0) await drained();
      }
      return answer(1_000);
    });
    expect(statuses(driver)?.[1]).toEqual(["failed", "RESOURCE_EXHAUSTED"]);
    expect(aborted()).toBe(true);
    expect(said).toBeLessThan(300);
    expect(budget.used).toBeLessThan(MB);
  });

  test("that holds little is not bothered by it", async () => {
    const { driver, budget } = await run(4 * MB, async () => answer(10_000));
    expect(driver.state?.status).toBe("completed");
    // A run, three answers, and what a text of 64 KB may be short of.
    expect(budget.used).toBeGreaterThan(3 * 10_000);
    expect(budget.used).toBeLessThan(3 * 10_000 + 2 * TIMINGS.ISOLATE_RUN_BYTES);
  });
});
