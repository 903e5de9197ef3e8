// src/contract/README.md section 2: tries, delays, deadlines of a try, codes. Each test's name is the rule.
import { describe, expect, test } from "vitest";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";
import { BROKEN, Play, REJECTED, stage, status, TIMEOUT, TRUNCATED } from "./play.ts";

const one = (tries = 3) => [stage("one", { retry_attempts: tries })];

/** Fails every try, waiting as told, until the stage has ended; how many calls that were. */
function exhaust(play: Play, failure: CallFailure): number {
  while (play.status === "running") {
    if (play.calls.length === 0) play.after(play.wakesIn as number).tick();
    else play.fail("one", failure);
  }
  return play.of("stage.started").length;
}

test("retry_attempts is the total number of tries.", () => {
  for (const tries of [1, 2, 5]) expect(exhaust(new Play(one(tries)), REJECTED)).toBe(tries);
});

test("A timeout is a try.", () => {
  const play = new Play(one(2));
  expect(exhaust(play, TIMEOUT)).toBe(2);
  expect(play.result("one").attempts).toBe(2);
});

test("A call interrupted by a pause in mode abort or by a crash of the coordinator is not a try.", () => {
  const play = new Play(one(1));
  play.pause("abort");
  expect(play.result("one")).toMatchObject({ status: "pending", attempts: 0 });
  play.resume().crash();
  expect(play.of("stage.started").map((event) => event.attempt)).toEqual([1, 1, 1]);
  play.answer("one");
  expect(play.result("one")).toMatchObject({ status: "completed", attempts: 1 });
});

test("An answer from the cache, and a call that an open breaker refused, are no tries, however they end.", () => {
  const refused = new Play(one(3));
  refused.fail("one", { kind: "refused", agent_type: "agent_one", retry_at: refused.now });
  expect(refused.result("one")).toMatchObject({
    status: "failed",
    attempts: 0,
    error: { code: "AGENT_UNAVAILABLE" },
  });
  expect(refused.view.error_info?.retry_attempts).toBe(0);
  const answer = { ok: true, answer: { data: { n: 1 } }, bytes: 7, cached: true } as const;
  expect(new Play(one(3)).answer("one", answer).result("one")).toMatchObject({ attempts: 0, cached: true });
  const large = new Play(one(3), { memory_limit_mb: 0.001 }).answer("one", { ...answer, bytes: 2_000 });
  expect(large.view.error_info).toMatchObject({ code: "RESOURCE_EXHAUSTED", retry_attempts: 0 });
});

test("attempts and error_info.retry_attempts count tries made.", () => {
  const play = new Play(one(3));
  exhaust(play, REJECTED);
  expect(play.result("one").attempts).toBe(3);
  expect(play.view.error_info?.retry_attempts).toBe(3);
  expect(play.view.performance_metrics.retries).toBe(2);
});

test("Delay before try n+1: uniform in [0, min(30 s, retry_delay_seconds · retry_backoff_factor^(n-1))].", () => {
  const delays = (chance: number) => {
    const play = new Play(one(8), { retry_delay_seconds: 1, retry_backoff_factor: 3 });
    const seen: number[] = [];
    for (let n = 1; n < 8; n += 1) {
      play.fail("one", REJECTED, chance);
      seen.push(play.delay);
      play.after(play.delay).tick();
    }
    return seen;
  };
  expect(delays(0.999_999)).toEqual([1_000, 3_000, 9_000, 27_000, 30_000, 30_000, 30_000]);
  expect(delays(0)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(delays(0.5)).toEqual([500, 1_500, 4_500, 13_500, 15_000, 15_000, 15_000]);
});

test("The delay is drawn once and recorded.", () => {
  const play = new Play(one(), { retry_delay_seconds: 20 });
  play.fail("one", REJECTED, 0.5);
  expect(play.of("stage.retrying")[0]?.data).toMatchObject({ delay_ms: 10_000, next_attempt: 2 });
  play.after(4_000).crash();
  expect(play.wakesIn).toBe(6_000);
  play.after(5_999).tick();
  expect(play.calls).toEqual([]);
  play.after(1).tick();
  expect(play.calls).toEqual(["one"]);
  expect(play.of("stage.retrying")).toHaveLength(1);
});

test("Retry-After on 429/503 is a floor.", () => {
  const delay = (code: number, chance: number) =>
    new Play(one()).fail("one", status(code, { retry_after_ms: 7_000 }), chance).delay;
  expect(delay(429, 0.5)).toBe(7_000);
  expect(delay(503, 0)).toBe(7_000);
  expect(delay(500, 0.5)).toBe(500);
  const longer = new Play(one(), { retry_delay_seconds: 20 });
  expect(longer.fail("one", status(429, { retry_after_ms: 7_000 }), 0.9).delay).toBe(18_000);
});

test("If the delay would pass the deadline, the stage fails now.", () => {
  const play = new Play(one(), { pipeline_timeout_seconds: 10 });
  play.after(4_000).fail("one", status(503, { retry_after_ms: 6_000 }));
  expect(play.status).toBe("failed");
  expect(play.now - play.began).toBe(4_000);
  expect(play.view.error_info).toMatchObject({ code: "AGENT_UNAVAILABLE", retry_attempts: 1 });
  const inTime = new Play(one(), { pipeline_timeout_seconds: 10 });
  inTime.after(4_000).fail("one", status(503, { retry_after_ms: 5_999 }));
  expect(inTime.delay).toBe(5_999);
});

describe("A spent retry budget delays tries (up to the longest delay), it never takes one away.", () => {
  const spent = (budget_wait_ms: number) => ({ ok: false, failure: REJECTED, budget_wait_ms }) as const;

  test("the try waits for its place, or for its own delay where that is longer", () => {
    const delay = (wait: number, chance: number, config = {}) =>
      new Play(one(), config).answer("one", spent(wait), chance).delay;
    expect(delay(4_500, 0.5)).toBe(4_500);
    expect(delay(300, 0.5)).toBe(500);
    expect(delay(300, 0.9, { retry_delay_seconds: 20 })).toBe(18_000);
    const play = new Play(one()).answer("one", spent(4_500), 0.5);
    expect(play.last).toMatchObject({
      type: "stage.retrying",
      data: { delay_ms: 4_500, next_attempt: 2 },
      message: expect.stringContaining("retry budget"),
    });
    expect(play.after(4_499).tick().calls).toEqual([]);
    expect(play.after(1).tick().calls).toEqual(["one"]);
  });

  test("where all places are taken tries are spread over the second half of the longest delay", () => {
    const delay = (chance: number) => new Play(one()).answer("one", spent(30_000), chance).delay;
    expect([delay(0), delay(0.5), delay(0.999_999)]).toEqual([30_000, 22_500, 15_000]);
  });

  test("every try is made, before the deadline, however long the budget would delay them", () => {
    for (const tries of [2, 4, 12]) {
      for (const pipeline_timeout_seconds of [1, 10, 60]) {
        const play = new Play(one(tries), { pipeline_timeout_seconds, retry_delay_seconds: 0.01 });
        while (play.status === "running") {
          if (play.calls.length === 0) play.after(play.wakesIn as number).tick();
          else play.answer("one", spent(30_000), 0);
        }
        expect(play.of("stage.started"), `${tries} in ${pipeline_timeout_seconds} s`).toHaveLength(tries);
        expect(play.view.error_info).toMatchObject({ code: "AGENT_UNAVAILABLE", retry_attempts: tries });
        expect(play.view.error_info?.message).not.toContain("budget");
      }
    }
  });

  test("what is not tried again fails at once, and so does what Retry-After puts past the deadline", () => {
    expect(new Play(one(1)).answer("one", spent(300)).status).toBe("failed");
    const play = new Play(one(), { pipeline_timeout_seconds: 10 });
    const failure = status(503, { retry_after_ms: 10_000 });
    play.answer("one", { ok: false, failure, budget_wait_ms: 300 });
    expect([play.status, play.now - play.began]).toEqual(["failed", 0]);
  });
});

test("A try that the pipeline's deadline cuts ends the execution with PIPELINE_TIMEOUT, not STAGE_TIMEOUT.", () => {
  const play = new Play([stage("one", { timeout_seconds: 10 })], { pipeline_timeout_seconds: 10 });
  play.after(10_000).fail("one", TIMEOUT);
  expect(play.view.error_info).toMatchObject({
    code: "PIPELINE_TIMEOUT",
    failed_stage: "one",
    retry_attempts: 1,
  });
  expect(play.result("one").status).toBe("cancelled");
  expect(play.refusal).toEqual({ reason: "stale" });
});

describe("Retried: a rejected fetch, a try's timeout, a truncated body or stream, 408, 425, 429, 500, 502, 503, 504.", () => {
  const retried = [408, 425, 429, 500, 502, 503, 504].map((code) => status(code));
  for (const failure of [REJECTED, TIMEOUT, TRUNCATED, ...retried]) {
    test(`${failure.kind} ${failure.kind === "status" ? failure.status : ""}`, () => {
      expect(exhaust(new Play(one()), failure)).toBe(3);
    });
  }
});

test('Not retried where the agent says "retryable": false.', () => {
  expect(exhaust(new Play(one()), status(503, { retryable: false }))).toBe(1);
  expect(
    exhaust(new Play(one()), { kind: "stream_error", status: 500, detail: null, retryable: false }),
  ).toBe(1);
  expect(exhaust(new Play(one()), status(400, { retryable: true }))).toBe(1);
});

describe("Not retried: other 4xx, 3xx (never followed), 501, 505, a body too large.", () => {
  const codes = [400, 401, 403, 404, 409, 410, 413, 422, 301, 302, 304, 307, 308, 501, 505];
  for (const code of codes) {
    test(String(code), () => expect(exhaust(new Play(one()), status(code))).toBe(1));
  }
  test("a body too large", () =>
    expect(exhaust(new Play(one()), { kind: "body_too_large", limit_bytes: 5 })).toBe(1));
  test("data too large", () => {
    const play = new Play(one());
    expect(exhaust(play, { kind: "result_too_large", limit_bytes: 1_048_576, bytes: 2_000_000 })).toBe(1);
    expect(play.view.error_info?.code).toBe("RESOURCE_EXHAUSTED");
    expect(play.view.error_info?.message).toMatch(/2000000.*1048576/);
  });
});

test("A reply that is not what section 4 says: one retry, then AGENT_PROCESSING_ERROR.", () => {
  const play = new Play(one(5));
  expect(exhaust(play, BROKEN)).toBe(2);
  expect(play.view.error_info?.code).toBe("AGENT_PROCESSING_ERROR");
  // Also where another failure came between.
  const mixed = new Play(one(5));
  mixed.fail("one", BROKEN, 0).tick();
  mixed.fail("one", REJECTED, 0).tick();
  mixed.fail("one", BROKEN, 0);
  expect(mixed.status).toBe("failed");
  expect(mixed.view.error_info?.retry_attempts).toBe(3);
});

test("AGENT_UNAVAILABLE is an agent that is not registered (not retried), a rejected fetch, 429, 502, 503, 504; STAGE_TIMEOUT a last try that timed out; everything else AGENT_PROCESSING_ERROR.", () => {
  const codeOf = (failure: CallFailure) => {
    const play = new Play(one(1));
    exhaust(play, failure);
    return play.view.error_info?.code;
  };
  const unregistered = new Play(one());
  expect(exhaust(unregistered, { kind: "unregistered", agent_type: "agent_one" })).toBe(1);
  expect(unregistered.view.error_info).toMatchObject({
    code: "AGENT_UNAVAILABLE",
    message: expect.stringContaining("agent_one"),
  });
  for (const failure of [REJECTED, ...[429, 502, 503, 504].map((code) => status(code))])
    expect(codeOf(failure)).toBe("AGENT_UNAVAILABLE");
  expect(codeOf(TIMEOUT)).toBe("STAGE_TIMEOUT");
  for (const failure of [TRUNCATED, BROKEN, ...[400, 408, 425, 500, 501].map((code) => status(code))])
    expect(codeOf(failure)).toBe("AGENT_PROCESSING_ERROR");
});
