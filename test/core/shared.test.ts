// The pure parts of what executions share: the breaker as a machine (I14), the retry budget, the share of hedges, the
// sliding window, the cache key and what comes out of a store.
import { assert as assertProperty, array, constantFrom, integer, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentCall } from "../../src/contract/agent.ts";
import { cacheKey } from "../../src/core/caching/cache-key.ts";
import {
  cachePolicy,
  entryText,
  isFresh,
  isKept,
  madeBy,
  readEntry,
  resultsOf,
} from "../../src/core/caching/cached-result.ts";
import { DEFAULT_CONFIG } from "../../src/contract/config.ts";
import { decide } from "../../src/core/execution/decide.ts";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { admit, type Breaker, CLOSED, reported, shownState } from "../../src/core/resilience/breaker.ts";
import { agentTypesOf, fallbackOf } from "../../src/core/resilience/fallback.ts";
import { counted, mayHedge, NO_HEDGES } from "../../src/core/resilience/hedge.ts";
import { fullBudget, placeRetry, type RetryBudget, spend } from "../../src/core/resilience/retry-budget.ts";
import {
  NOTHING_COUNTED,
  parseRateLimit,
  storedCount,
  take,
  type WindowCount,
} from "../../src/core/security/rate-limit.ts";
import { makeSpec, makeStage } from "./simulation/spec.ts";

const POLICY = { failure_threshold: 3, recovery_timeout_seconds: 10 };

describe("the breaker", () => {
  test("I14: one probe at a time, in any order of requests and reports", () => {
    const step = record({
      ms: integer({ min: 1, max: 4_000 }),
      what: constantFrom("ask", "ask", "success", "failure", "failure", "failure", "void"),
      probe: constantFrom("mine", "none", "stale"),
    });
    let probes = 0;
    let opened = 0;
    assertProperty(
      property(array(step, { minLength: 60, maxLength: 120 }), (steps) => {
        let breaker: Breaker = CLOSED;
        let now = 0;
        let out: { id: number; until: number } | null = null;
        const ids = new Set<number>();
        for (const { ms, what, probe } of steps) {
          now += ms;
          if (what === "ask") {
            const before = breaker;
            const asked = admit(breaker, now, 5_000);
            breaker = asked.breaker;
            if (asked.admission.admit === "probe") {
              expect(out === null || now >= out.until).toBe(true);
              expect(now).toBeGreaterThanOrEqual(before.retry_at as number);
              expect(ids.has(asked.admission.id)).toBe(false);
              ids.add(asked.admission.id);
              out = { id: asked.admission.id, until: now + 5_000 };
              probes += 1;
            }
            if (asked.admission.admit === "call") expect(before.state).toBe("closed");
            if (asked.admission.admit === "refuse") expect(asked.admission.retry_at).toBeGreaterThan(now);
          } else {
            const id = probe === "mine" ? (out?.id ?? null) : probe === "stale" ? (out?.id ?? 1) - 1 : null;
            const before = breaker;
            breaker = reported(breaker, what, id, POLICY, now, 0.5);
            const counts = before.state === "closed" || (id !== null && id === before.probe?.id);
            if (!counts) expect(breaker).toBe(before);
            if (counts && before.state !== "closed") out = null;
            if (breaker.state === "open" && before.state !== "open") opened += 1;
          }
        }
      }),
      { numRuns: 2_000, seed: 7 },
    );
    expect(probes).toBeGreaterThan(1_000);
    expect(opened).toBeGreaterThan(1_000);
  });

  test("opens at the threshold for the recovery time, give or take a tenth", () => {
    const fail = (breaker: Breaker, chance: number) =>
      reported(breaker, "failure", null, POLICY, 1_000, chance);
    const twice = fail(fail(CLOSED, 0.5), 0.5);
    expect(twice).toMatchObject({ state: "closed", failures: 2 });
    expect(reported(twice, "success", null, POLICY, 1_000, 0)).toEqual(CLOSED);
    expect(reported(twice, "void", null, POLICY, 1_000, 0)).toBe(twice);
    expect(fail(twice, 0)).toMatchObject({ state: "open", opened_at: 1_000, retry_at: 10_000 });
    expect(fail(twice, 0.999_999)).toMatchObject({ retry_at: 12_000 });
    expect(shownState(fail(twice, 0), 9_999)).toBe("open");
    expect(shownState(fail(twice, 0), 10_000)).toBe("half_open");
  });
});

describe("the retry budget", () => {
  const mayRetry = (budget: RetryBudget, own: number, now: number) =>
    placeRetry(budget, own, now).wait_ms === 0;
  const failed = (times: number) => {
    let budget = fullBudget(0);
    for (let made = 0; made < times; made += 1) budget = spend(budget, false, 0);
    return budget;
  };

  test("ten tokens; a failure takes one, a success gives a tenth; it is spent at or below five", () => {
    expect(mayRetry(failed(4), 0, 0)).toBe(true);
    expect(mayRetry(failed(5), 0, 0)).toBe(false);
    expect(mayRetry(spend(failed(5), true, 0), 0, 0)).toBe(true);
  });

  test("a stage's own failures do not count against it, and time gives tokens back", () => {
    expect(mayRetry(failed(8), 8, 0)).toBe(true);
    expect(mayRetry(failed(8), 1, 0)).toBe(false);
    expect(mayRetry(failed(8), 1, 3_000)).toBe(true);
    let alone = fullBudget(0);
    for (let own = 1; own < 100; own += 1) {
      alone = spend(alone, false, 0);
      expect(mayRetry(alone, own, 0), String(own)).toBe(true);
    }
  });

  test("where it is spent each try gets a place of its own, three a second, up to the longest delay", () => {
    let budget = failed(20);
    const waits: number[] = [];
    for (let asked = 0; asked < 120; asked += 1) {
      const placed = placeRetry(budget, 1, 0);
      ({ budget } = placed);
      waits.push(placed.wait_ms);
    }
    expect(waits.slice(0, 3)).toEqual([300, 600, 900]);
    expect(waits.slice(0, 99)).toEqual(Array.from({ length: 99 }, (_, at) => 300 * (at + 1)));
    expect(new Set(waits.slice(99))).toEqual(new Set([30_000]));
    // A place in the past is not given.
    expect(placeRetry(spend(budget, false, 29_000), 1, 29_000).wait_ms).toBe(0);
    const again = placeRetry({ ...failed(20), placed_at: 900 }, 1, 2_000);
    expect(again.wait_ms).toBe(300);
  });

  test("a clock that was set back does not leave all places taken", () => {
    const budget = { ...failed(20), placed_at: 1_000_000 };
    expect(placeRetry(budget, 1, 0).wait_ms).toBe(300);
    expect(placeRetry({ ...budget, placed_at: 29_000 }, 1, 0).wait_ms).toBe(29_300);
  });
});

test("hedges are 5 % of the calls of a window; the first few are free", () => {
  let count = NO_HEDGES;
  let hedges = 0;
  for (let made = 0; made < 1_000; made += 1) {
    const now = made * 10;
    count = counted(count, "calls", now);
    if (!mayHedge(count, now)) continue;
    count = counted(count, "hedges", now);
    hedges += 1;
  }
  expect(hedges).toBe(50);
  expect(mayHedge(count, 10_000)).toBe(false);
  expect(mayHedge(count, 120_000)).toBe(true);
});

describe("the sliding window", () => {
  /** The calls that are let through of those that come at these times. */
  const passed = (limit: { requests: number; seconds: number }, times: readonly number[]) => {
    let counted: WindowCount = NOTHING_COUNTED;
    return times.filter((now) => {
      const taken = take(counted, limit, now);
      counted = taken.counted;
      expect(taken.verdict.remaining).toBeGreaterThanOrEqual(0);
      expect(taken.verdict.reset_at).toBeGreaterThan(now);
      return taken.verdict.allowed;
    });
  };

  test("never lets more than its number through in any window, and little less over time", () => {
    const limit = { requests: 10, seconds: 1 };
    const times = Array.from({ length: 1_000 }, (_, at) => at * 20);
    const calls = passed(limit, times);
    for (const begin of calls) {
      expect(calls.filter((at) => at >= begin && at < begin + 1_000).length).toBeLessThanOrEqual(10);
    }
    expect(calls.length).toBeGreaterThan(190);
    expect(calls.length).toBeLessThanOrEqual(200);
  });

  test("two bursts around an edge share one allowance, wherever they lie", () => {
    const limit = { requests: 10, seconds: 60 };
    const edge = Date.UTC(2026, 10, 23, 12);
    for (const [before, after] of [
      [1, 0],
      [1_000, 1_000],
      [5_000, 30_000],
      [100, 59_899],
    ] as const) {
      const burst = (at: number) => Array.from({ length: 20 }, () => at);
      const calls = passed(limit, [...burst(edge - before), ...burst(edge + after)]);
      expect(calls).toHaveLength(10);
    }
  });

  test("holds for any bursts", () => {
    const gaps = array(tuple(integer({ min: 0, max: 1_500 }), integer({ min: 1, max: 12 })), {
      maxLength: 40,
    });
    assertProperty(
      property(gaps, integer({ min: 1, max: 8 }), (bursts, requests) => {
        let now = 1_700_000_000_000;
        const times = bursts.flatMap(([gap, count]) => {
          now += gap;
          return Array.from({ length: count }, () => now);
        });
        const calls = passed({ requests, seconds: 2 }, times);
        for (const end of calls) {
          expect(calls.filter((at) => at > end - 2_000 && at <= end).length).toBeLessThanOrEqual(requests);
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test("returns what is left, and when there is room again", () => {
    const limit = { requests: 2, seconds: 10 };
    const first = take(NOTHING_COUNTED, limit, 1_000);
    expect(first.verdict).toEqual({ allowed: true, remaining: 1, reset_at: 11_000 });
    const second = take(first.counted, limit, 4_000);
    expect(second.verdict).toEqual({ allowed: true, remaining: 0, reset_at: 11_000 });
    const third = take(second.counted, limit, 10_999);
    expect(third.verdict).toEqual({ allowed: false, remaining: 0, reset_at: 11_000 });
    const fourth = take(third.counted, limit, 11_000);
    expect(fourth.verdict).toEqual({ allowed: true, remaining: 0, reset_at: 14_000 });
  });

  test("costs a bounded number of slots, however many calls come", () => {
    let counted: WindowCount = NOTHING_COUNTED;
    for (let now = 0; now < 100_000; now += 7) {
      counted = take(counted, { requests: 1_000_000, seconds: 10 }, now).counted;
    }
    expect(counted.slots.length).toBeLessThanOrEqual(61);
  });

  test("a clock that is set back neither opens the window nor shuts it for longer than two", () => {
    const limit = { requests: 1, seconds: 10 };
    const { counted } = take(NOTHING_COUNTED, limit, 3_600_000);
    expect(take(counted, limit, 3_595_000).verdict.allowed).toBe(false);
    expect(take(counted, limit, 3_609_999).verdict.allowed).toBe(false);
    expect(take(counted, limit, 3_610_000).verdict.allowed).toBe(true);
    expect(take(counted, limit, 0).verdict.allowed).toBe(true);
  });

  test("a count that an earlier version stored starts at zero", () => {
    expect(storedCount({ window: 7, count: 3, before: 1 })).toEqual(NOTHING_COUNTED);
    expect(storedCount(undefined)).toEqual(NOTHING_COUNTED);
    const { counted } = take(NOTHING_COUNTED, { requests: 1, seconds: 10 }, 1);
    expect(storedCount(structuredClone(counted))).toEqual(counted);
  });
});

test("a rate limit is REQUESTS/SECONDS", () => {
  expect(parseRateLimit("60/60")).toEqual({ requests: 60, seconds: 60 });
  for (const text of ["", "60", "60/", "/60", "0/1", "1/0", "-1/1", "1.5/1", "a/b", "1/1/1"]) {
    expect(parseRateLimit(text), text).toBeNull();
  }
});

describe("the result cache", () => {
  const call: AgentCall = {
    execution_id: "ex_1",
    conversation_id: "c1",
    stage: "s",
    agent_type: "a",
    attempt: 1,
    query: "q",
    config: { a: 1, b: { c: [1, 2] } },
    inputs: { x: { y: 1 } },
    context: { z: 1 },
    history: [],
    timeout_ms: 1_000,
  };
  const registration = { url: "https://agents.example/a", protocol: "native" as const };
  const exact = (fields: Partial<AgentCall>, tenant = "acme", registered = registration) =>
    cacheKey(tenant, registered, { ...call, ...fields }).exact;

  test("its key contains the agent's input, in any order, and neither caller nor time", () => {
    const same = exact({});
    expect(exact({ execution_id: "ex_2", conversation_id: "c2", attempt: 7, timeout_ms: 5 })).toBe(same);
    expect(exact({ config: { b: { c: [1, 2] }, a: 1 } })).toBe(same);
    const others = [
      exact({}, "other"),
      exact({}, "acme", { ...registration, url: "https://agents.example/b" }),
      exact({ stage: "t" }),
      exact({ agent_type: "b" }),
      exact({ query: "Q" }),
      exact({ config: { a: 1, b: { c: [2, 1] } } }),
      exact({ inputs: { x: { y: 2 } } }),
      exact({ inputs: { x: null } }),
      exact({ context: {} }),
      exact({ history: [{ query: "q", answer: "a" }] }),
    ];
    expect(new Set([same, ...others]).size).toBe(others.length + 1);
  });

  test("what comes out of a store is an entry, or nothing", () => {
    const entry = { result: { data: { a: 1 }, context: {}, text: "t", bytes: 7 }, at: 1, ttl_seconds: 2 };
    expect(readEntry(entryText(entry))).toEqual(entry);
    const broken = [
      null,
      7,
      "",
      "[]",
      "{}",
      '{"result":1,"at":1,"ttl_seconds":1}',
      '{"result":{"data":[],"bytes":1},"at":1,"ttl_seconds":1}',
      '{"result":{"data":{},"bytes":"1"},"at":1,"ttl_seconds":1}',
      '{"result":{"data":{"__proto__":{}},"bytes":1},"at":1,"ttl_seconds":1}',
      '{"result":{"data":{},"bytes":1,"text":1},"at":1,"ttl_seconds":1}',
    ];
    for (const text of broken) expect(readEntry(text), String(text)).toBeNull();
    const made = { by: "ex_1", ...entry };
    expect(readEntry(entryText(made))).toEqual(made);
    expect(entryText(made)?.startsWith(madeBy("ex_1"))).toBe(true);
    expect(entryText(made)?.startsWith(madeBy("ex_"))).toBe(false);
    expect(entryText(entry)?.startsWith(madeBy("ex_1"))).toBe(false);
    const large = { ...entry, result: { data: { a: "x".repeat(600_000) }, bytes: 1 } };
    expect(entryText(large)).toBeNull();
  });

  test("another generation of the agent is another input; one without a number is the first", () => {
    const first = cacheKey("acme", registration, call);
    const second = cacheKey("acme", { ...registration, generation: 1 }, call);
    expect(new Set([first.exact, second.exact, exact({})])).toEqual(new Set([first.exact, second.exact]));
    expect(second.exact).not.toBe(first.exact);
    expect(second.family).toBe(first.family);
  });

  test("what a run has made is found by its spec alone: the families of the stages that began and may be kept", () => {
    const stages = [
      makeStage("s", { config: { a: 1 } }),
      makeStage("off", { cache: false, depends_on: ["s"] }),
      makeStage("late", { depends_on: ["off"] }),
    ];
    const spec = makeSpec(stages, {}, { execution_id: "ex_9" });
    const begun = decide(null, { type: "start", spec }, 1_000).state as ExecutionState;
    const { state } = decide(begun, { type: "cancel", reason: "enough" }, 2_000);
    const ended = state as ExecutionState;
    const key = cacheKey("local", registration, {
      ...call,
      agent_type: "agent_s",
      config: { a: 1 },
      query: spec.query,
    });
    expect(resultsOf(ended, 3_000)).toEqual({
      tenant: "local",
      execution_id: "ex_9",
      // It began under a version without generations.
      shards: 8,
      question: key.question,
      families: [key.family],
    });
    // All that it made has expired.
    expect(resultsOf(ended, 2_000 + 86_400_000)).toBeNull();
    const unkept = makeSpec([makeStage("off", { cache: false })]);
    expect(resultsOf(decide(null, { type: "start", spec: unkept }, 1).state as ExecutionState, 2)).toBeNull();
  });

  test("who stored it and who asks may both limit how long it is fresh; it is kept a day", () => {
    const entry = { result: { data: {}, bytes: 2 }, at: 0, ttl_seconds: 10 };
    expect(isFresh(entry, 20, 9_999)).toBe(true);
    expect(isFresh(entry, 20, 10_000)).toBe(false);
    expect(isFresh(entry, 5, 5_000)).toBe(false);
    expect(isKept(entry, 86_399_999)).toBe(true);
    expect(isKept(entry, 86_400_000)).toBe(false);
  });

  test("config and stage say whether and how long", () => {
    const config = { ...DEFAULT_CONFIG };
    expect(cachePolicy(makeStage("s"), config)).toEqual({ serve: true, ttl_seconds: 1_800 });
    expect(cachePolicy(makeStage("s", { cache: { ttl_seconds: 3 } }), config)?.ttl_seconds).toBe(3);
    expect(cachePolicy(makeStage("s", { cache: false }), config)).toBeNull();
    expect(cachePolicy(makeStage("s"), { ...config, enable_caching: false })).toBeNull();
    const kept = makeStage("s", { cache: false, fallback: "use_cached_results" });
    expect(cachePolicy(kept, config)?.serve).toBe(false);
  });
});

test("a stage's own fallback comes before the config's for its name, and names the agents that a run needs", () => {
  const config = { fallback_strategies: { s: "use_cached_results" as const } };
  expect(fallbackOf(makeStage("s"), config)).toEqual({ strategy: "use_cached_results" });
  expect(fallbackOf(makeStage("toString"), config)).toBeNull();
  const simple = makeStage("s", { config: { a: 1 }, fallback: "use_simple_model" });
  expect(fallbackOf(simple, config)).toMatchObject({
    agent_type: "agent_s",
    config: { a: 1, model: "simple" },
  });
  const other = makeStage("s", {
    fallback: { strategy: "use_simple_model", agent_type: "b", config: { c: 1 } },
  });
  expect(fallbackOf(other, config)).toMatchObject({ agent_type: "b", config: { c: 1 } });
  expect(agentTypesOf([simple, other], config)).toEqual(["agent_s", "b"]);
});
