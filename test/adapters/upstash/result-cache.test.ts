// The result cache in Redis: a deletion waits for the results that are still being sent.
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { GuardedRedis } from "../../../src/adapters/upstash/redis.ts";
import { UpstashCache } from "../../../src/adapters/upstash/result-cache.ts";

// Node's own hash takes time that a clock of the test's does not have.
vi.spyOn(crypto.subtle, "digest").mockImplementation(async (_algorithm, data) => {
  const bytes = new Uint8Array(data as ArrayBuffer);
  return createHash("sha256").update(bytes).digest().buffer;
});

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

test("a deletion is sent after the run's results, however slowly those are taken, and others' in between", async () => {
  const sent: string[] = [];
  const redis = {
    askInBackground: async (what: string) => {
      const isKeeping = what === "results are not cached";
      if (isKeeping) await new Promise((resolve) => setTimeout(resolve, 1_900));
      sent.push(isKeeping ? "kept" : "deleted");
    },
  } as unknown as GuardedRedis;
  const cache = new UpstashCache(redis, { now: () => Date.now() });
  const report = (execution_id: string) => {
    const key = {
      tenant: "acme",
      stage: "a",
      question: "q",
      family: "family",
      exact: `exact ${execution_id}`,
    };
    const run = {
      tenant: "acme",
      execution_id,
      question: "q",
      history: "[]",
      input: "[]",
      until: 60_000,
      ttl_seconds: 60,
      shards: 8,
    };
    const made = {
      key,
      caller: { execution_id, call: 1 },
      result: { data: {}, bytes: 2 },
      ttl_seconds: 60,
      at: 0,
    };
    return cache.report(run, [made]);
  };
  const reports = [report("slow")];
  await vi.advanceTimersByTimeAsync(1_200);
  reports.push(report("other"));
  const forgotten = cache.forget({
    tenant: "acme",
    execution_id: "slow",
    question: "q",
    families: [],
    shards: 8,
  });
  await vi.advanceTimersByTimeAsync(3_000);
  await forgotten;
  await Promise.all(reports);
  expect(sent).toEqual(["kept", "deleted", "kept"]);
});
