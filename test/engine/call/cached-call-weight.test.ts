// What a result weighs when it goes into the cache and when it comes out of it.
import { describe, expect, test } from "vitest";
import type { AgentCall } from "../../../src/contract/agent.ts";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import type { CachedResult } from "../../../src/core/caching/cached-result.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import type { AgentHealth, AgentRequest, StageCache } from "../../../src/engine/ports.ts";
import { lastResult, throughCache } from "../../../src/engine/call/cached-call.ts";
import { makeStage } from "../../core/simulation/spec.ts";

const state = { spec: { config: DEFAULT_CONFIG } } as unknown as ExecutionState;
const request = {
  tenant: "t",
  registration: { url: "https://agent.example", protocol: "native" },
  call: { execution_id: "e", history: [] as unknown[], timeout_ms: 1_000 } as AgentCall,
} as AgentRequest;
const hooks = { signal: new AbortController().signal, delta() {}, progress() {}, another() {} };

/** A cache that knows `result`, or nothing, and remembers what is put. */
function cacheOf(result: CachedResult | "miss") {
  const put: CachedResult[] = [];
  const cache: StageCache = {
    take: async () => result,
    follow: async () => "miss",
    put: async (_key, _caller, kept) => void put.push(kept),
    release: async () => {},
    last: async () => (result === "miss" ? null : result),
  };
  const clock = { now: () => 0, after: () => () => {} };
  return { ports: { clock, shared: { cache, health: {} as AgentHealth } }, cache, put };
}

const data = { text: "漢字" };
const context = { seen: "ü" };
const bytes = Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(JSON.stringify(context));

describe("a cached result weighs what it holds, not what its entry claims", () => {
  test.each([7, 0, -1_000_000_000, 1e9])("%i", async (claimed) => {
    const { ports, cache } = cacheOf({ data, context, bytes: claimed });
    const call = () => Promise.reject(new Error("called"));
    expect(await throughCache(ports, state, makeStage("s"), request, 2, hooks, call)).toMatchObject({
      cached: true,
      bytes,
    });
    expect(await lastResult(cache, request, hooks)).toMatchObject({ cached: true, bytes });
  });
});

test("usage is not kept, and not weighed", async () => {
  const { ports, put } = cacheOf("miss");
  const usage = { tokens: 3 };
  const outcome: CallOutcome = {
    ok: true,
    answer: { data, context, usage },
    bytes: bytes + Buffer.byteLength(JSON.stringify(usage)),
  };
  await throughCache(ports, state, makeStage("s"), request, 2, hooks, () => Promise.resolve(outcome));
  expect(put).toEqual([{ data, context, bytes }]);
});
