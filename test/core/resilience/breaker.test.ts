// What a breaker remembers of the failure that opened it: the last one's message, in short, until a call succeeds.
import { expect, test } from "vitest";
import { admit, type Breaker, CLOSED, reported } from "../../../src/core/resilience/breaker.ts";
import { classify } from "../../../src/core/resilience/classify.ts";

const POLICY = { failure_threshold: 2, recovery_timeout_seconds: 60 };
const failed = (breaker: Breaker, why?: string, probe: number | null = null) =>
  reported(breaker, "failure", probe, POLICY, 1_000, 0.5, why);

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
  expect(reported(breaker, "success", id, POLICY, 1_000, 0.5)).not.toHaveProperty("last_failure");
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
