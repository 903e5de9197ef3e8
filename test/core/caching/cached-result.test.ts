// What comes out of a store, how long it is kept and served, and which results a run has made.
import { describe, expect, test } from "vitest";
import type { AgentCall } from "../../../src/contract/agent.ts";
import { cacheKey } from "../../../src/core/caching/cache-key.ts";
import {
  cachePolicy,
  entryText,
  isFresh,
  isKept,
  madeBy,
  readEntry,
  resultsOf,
} from "../../../src/core/caching/cached-result.ts";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

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
