// A run that enters its conversation, at the client of the execution index: what the Worker is given where the shard is
// slow, or of an earlier version, and that a place which nobody will use is given back.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { executionIndexOver } from "../../../src/adapters/durable/execution-index-client.ts";
import { systemClock } from "../../../src/adapters/platform/system.ts";
import { startSummary } from "../../../src/core/monitoring/index-entry.ts";
import type { Beginning } from "../../../src/engine/worker-ports.ts";

const LIMIT_MS = 2_000;
const ENTERED = { admission: { kind: "admitted" }, turns: [{ query: "q", answer: { answer: "a" } }] };

let begins: PromiseWithResolvers<string>[];
let withdrawn: unknown[][];
let probes: number;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, "error").mockImplementation(() => {});
  begins = [];
  withdrawn = [];
  probes = 0;
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function client() {
  const shard = {
    isUnused: async () => {
      probes += 1;
      return false;
    },
    begin: () => {
      const begun = Promise.withResolvers<string>();
      begins.push(begun);
      return begun.promise;
    },
    withdraw: async (...of: unknown[]) => void withdrawn.push(of),
  };
  const namespace = { idFromName: (name: string) => name, get: () => shard };
  return executionIndexOver(namespace as unknown as DurableObjectNamespace, systemClock, async () => []);
}

const shown = { execution_id: "a", query: "q", conversation_id: "c", pipeline: "p", pipeline_version: 1 };
const beginning: Beginning = {
  conversation_id: "c",
  turns: 5,
  shards: 1,
  former: [],
  note: { summary: startSummary(shown, 7), start: 7, is_named: false },
  entrant: { on_busy: "reject", run_ms: 1, queue_ms: 1 },
};

test("it is given its admission, and its history", async () => {
  const entering = client().enter("acme", beginning);
  begins[0]?.resolve(JSON.stringify(ENTERED));
  expect(await entering).toEqual(ENTERED);
  expect(withdrawn).toEqual([]);
});

test("it is not admitted where there is no answer in time, and the place that it got then is given back", async () => {
  const index = client();
  const entering = index.enter("acme", beginning);
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  expect(await entering).toBeNull();
  expect(withdrawn).toEqual([]);
  begins[0]?.resolve(JSON.stringify(ENTERED));
  await vi.advanceTimersByTimeAsync(0);
  expect(withdrawn).toEqual([["a", 7, "c"]]);
  // Those that run beside others are asked for as before.
  void index.begin("acme", beginning);
  expect(begins).toHaveLength(2);
});

test("while the shard does not answer none waits for it, and whether it is back is asked without a place", async () => {
  const index = client();
  void index.enter("acme", beginning);
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  expect(await index.enter("acme", beginning)).toBeNull();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await index.enter("acme", beginning)).toBeNull();
  expect([begins.length, probes]).toEqual([1, 1]);
  await vi.advanceTimersByTimeAsync(0);
  void index.enter("acme", beginning);
  expect(begins).toHaveLength(2);
});

test("it is not admitted by a shard that knows of no admission", async () => {
  const entering = client().enter("acme", beginning);
  begins[0]?.resolve("[]");
  expect(await entering).toBeNull();
});

test("the place of a run that did not start is given back by its conversation, another run's note without it", async () => {
  const index = client();
  const started = { execution_id: "a", conversation_id: "c", index_shards: 1 };
  await index.withdraw("acme", { ...started, on_busy: "queue" }, 7);
  await index.withdraw("acme", started, 8);
  expect(withdrawn).toEqual([
    ["a", 7, "c"],
    ["a", 8],
  ]);
});
