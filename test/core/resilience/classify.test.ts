// Each way in which a call can fail: its code, whether it is retried, and the Retry-After that counts.
import { describe, expect, test } from "vitest";
import {
  type CallFailure,
  classify,
  retryAfter,
  type RetryRule,
} from "../../../src/core/resilience/classify.ts";

const status = (code: number, retryable: boolean | null = null): CallFailure => ({
  kind: "status",
  status: code,
  detail: null,
  retryable,
  retry_after_ms: 1_000,
});
const streamError = (code: number | null, retryable: boolean | null = null): CallFailure => ({
  kind: "stream_error",
  status: code,
  detail: null,
  retryable,
});

describe("classify", () => {
  test.each<readonly [CallFailure, string, RetryRule]>([
    [{ kind: "unregistered", agent_type: "a" }, "AGENT_UNAVAILABLE", "no"],
    [{ kind: "not_callable", detail: "no" }, "AGENT_UNAVAILABLE", "no"],
    [{ kind: "rejected" }, "AGENT_UNAVAILABLE", "yes"],
    [{ kind: "timeout", timeout_ms: 5, idle: false }, "STAGE_TIMEOUT", "yes"],
    [{ kind: "truncated", detail: "it ends" }, "AGENT_PROCESSING_ERROR", "yes"],
    [{ kind: "contract", detail: "no data", status: 200 }, "AGENT_PROCESSING_ERROR", "once"],
    [{ kind: "body_too_large", limit_bytes: 1 }, "AGENT_PROCESSING_ERROR", "no"],
    [{ kind: "result_too_large", limit_bytes: 1, bytes: 2 }, "RESOURCE_EXHAUSTED", "no"],
    [{ kind: "context_too_large", limit_bytes: 1, bytes: 2 }, "RESOURCE_EXHAUSTED", "no"],
    [{ kind: "isolate_full", bytes: 2 }, "RESOURCE_EXHAUSTED", "no"],
    [{ kind: "refused", agent_type: "a", retry_at: 0 }, "AGENT_UNAVAILABLE", "no"],
    [{ kind: "nothing_cached" }, "AGENT_UNAVAILABLE", "no"],
    [status(400), "AGENT_PROCESSING_ERROR", "no"],
    [status(408), "AGENT_PROCESSING_ERROR", "yes"],
    [status(425), "AGENT_PROCESSING_ERROR", "yes"],
    [status(429), "AGENT_UNAVAILABLE", "yes"],
    [status(500), "AGENT_PROCESSING_ERROR", "yes"],
    [status(501), "AGENT_PROCESSING_ERROR", "no"],
    [status(502), "AGENT_UNAVAILABLE", "yes"],
    [status(503), "AGENT_UNAVAILABLE", "yes"],
    [status(504), "AGENT_UNAVAILABLE", "yes"],
    // An agent may forbid a retry, and not ask for one that its status rules out.
    [status(503, false), "AGENT_UNAVAILABLE", "no"],
    [status(400, true), "AGENT_PROCESSING_ERROR", "no"],
    [streamError(null), "AGENT_PROCESSING_ERROR", "yes"],
    [streamError(null, false), "AGENT_PROCESSING_ERROR", "no"],
    [streamError(429), "AGENT_UNAVAILABLE", "yes"],
    [streamError(422), "AGENT_PROCESSING_ERROR", "no"],
  ])("%o is %s, retried: %s", (failure, code, retry) => {
    const classified = classify(failure);
    expect(classified).toMatchObject({ error: { code, retryable: retry !== "no" }, retry });
    expect(classified.error.message).not.toBe("");
  });

  test("shows the address that was called, and the status where there was one", () => {
    const url = "https://agents.example/a";
    expect(classify({ ...status(502), url }).error).toMatchObject({ url, status: 502 });
    const unreached = classify({ kind: "timeout", timeout_ms: 20, idle: true, url }).error;
    expect(unreached).toMatchObject({ url, message: `the agent at ${url} was silent for 20 ms` });
    expect(unreached).not.toHaveProperty("status");
  });

  test("an agent's own detail comes before the message that its status gives", () => {
    expect(classify({ ...status(400), detail: "no ink" } as CallFailure).error.message).toBe("no ink");
    expect(classify({ ...status(400), words: "no pen" } as CallFailure).error.message).toContain("no pen");
    const moved = { ...status(302), location: "https://agents.example/b" } as CallFailure;
    expect(classify(moved).error.message).toContain("Location: https://agents.example/b");
  });
});

test.each<readonly [CallFailure, number | null]>([
  [status(429), 1_000],
  [status(503), 1_000],
  [status(500), null],
  [status(400), null],
  [streamError(503), null],
  [{ kind: "rejected" }, null],
])("the Retry-After of %o that counts: %s", (failure, ms) => {
  expect(retryAfter(failure)).toBe(ms);
});
