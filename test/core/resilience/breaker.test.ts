// The breaker as a machine (I14), and what it remembers of the failure that opened it: the last one's message, in
// short, until a call succeeds.
import { assert as assertProperty, array, constantFrom, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { admit, type Breaker, CLOSED, reported, shownState } from "../../../src/core/resilience/breaker.ts";
import { classify } from "../../../src/core/resilience/classify.ts";

const TWO_FAILURES = { failure_threshold: 2, recovery_timeout_seconds: 60 };

const failed = (breaker: Breaker, why?: string, probe: number | null = null) =>
  reported(breaker, "failure", probe, TWO_FAILURES, 1_000, 0.5, why);

test("the last failure's message is kept while failures count, and cleared by a success", () => {
  const once = failed(CLOSED, "first");
  expect(once.last_failure).toBe("first");
  const open = failed(once, "second");
  expect(open).toMatchObject({ state: "open", last_failure: "second" });
  expect(admit(open, 2_000, 100).admission).toMatchObject({ admit: "refuse", last_failure: "second" });
  const { breaker, admission } = admit(open, 100_000, 100);
  expect(breaker).toMatchObject({ state: "half_open", last_failure: "second" });
  expect(admit(breaker, 100_001, 100).admission).toMatchObject({ admit: "refuse", last_failure: "second" });
  const id = admission.admit === "probe" ? admission.id : null;
  expect(failed(breaker, "third", id)).toMatchObject({ state: "open", last_failure: "third" });
  expect(reported(breaker, "success", id, TWO_FAILURES, 1_000, 0.5)).not.toHaveProperty("last_failure");
});

test("it is cut between characters, and a record without one stays without", () => {
  const cut = failed(CLOSED, `${"x".repeat(299)}🦁`).last_failure ?? "";
  expect(cut).toBe("x".repeat(299));
  expect(failed(failed(CLOSED))).not.toHaveProperty("last_failure");
});

test("a refusal names it, and one without it says what it did before", () => {
  const refused = { kind: "refused" as const, agent_type: "a", retry_at: 0 };
  const open = "the circuit breaker of a is open: the next call is allowed at 1970-01-01T00:00:00.000Z";
  expect(classify(refused).error.message).toBe(open);
  const named = classify({ ...refused, last_failure: "no ink" });
  expect(named.error.message).toBe(`${open}; its last failure: no ink`);
});

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
