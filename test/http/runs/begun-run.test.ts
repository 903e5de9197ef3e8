// A run that is about to start, at the shard of its conversation: what it asks, what it becomes of the answer, and what
// is taken back where the isolate's copy of the catalog was an old one.
import { expect, test } from "vitest";
import { DEFAULT_CONFIG, type OnBusy } from "../../../src/contract/config.ts";
import { ok } from "../../../src/contract/problem.ts";
import type { Services } from "../../../src/compose.ts";
import { firstShards } from "../../../src/core/monitoring/shards.ts";
import type { CatalogSnapshot, Entered } from "../../../src/engine/worker-ports.ts";
import { BegunRun, type Plan, type RunContext } from "../../../src/http/runs/begun-run.ts";

const CONVERSATION = "c";
const TURNS = [{ query: "q", answer: { answer: "a" } }];

function begun(entered: Entered | null, cursor: number | null = null) {
  const asked: string[] = [];
  const executionIndex = {
    begin: async () => {
      asked.push("begin");
      return TURNS;
    },
    enter: async (_tenant: string, { entrant }: { entrant?: { on_busy: string } }) => {
      asked.push(`enter ${entrant?.on_busy}`);
      return entered;
    },
    withdraw: async (_tenant: string, { on_busy }: { on_busy?: string }) => {
      asked.push(`withdraw ${on_busy ?? "note"}`);
    },
  };
  const identity = { execution_id: "a", digest: null, cursor, at: 5_000 };
  const run = new BegunRun(
    { executionIndex } as unknown as Services,
    { query: "q", conversation_id: CONVERSATION },
    { tenant: "acme", identity } as RunContext,
  );
  return { asked, run };
}

function plan(on_busy: OnBusy, generations = firstShards(1)): Plan {
  return {
    ...(on_busy === "parallel" ? {} : { on_busy }),
    catalog: { shards: generations } as CatalogSnapshot,
    config: DEFAULT_CONFIG,
    pipeline: "p",
    pipeline_version: 1,
    stages: [],
  };
}

const admitted: Entered = { admission: { kind: "admitted" }, turns: TURNS };

test("a parallel run reads its history as ever", async () => {
  const { asked, run } = begun(null);
  expect(await run.enter(plan("parallel"))).toEqual(ok({ spec: { history: TURNS, index_shards: 1 } }));
  expect(asked).toEqual(["begin"]);
});

test("one that does not run beside others is admitted in the request that reads its history", async () => {
  const { asked, run } = begun(admitted);
  run.expect(plan("reject").catalog, () => ok(plan("reject")));
  expect(await run.enter(plan("reject"))).toEqual(
    ok({ spec: { history: TURNS, index_shards: 1, on_busy: "reject" } }),
  );
  expect(asked).toEqual(["enter reject"]);
});

test("it is queued with its place, and the former shards of its conversation", async () => {
  const place = { behind: "b", position: 2 };
  const generations = firstShards(1);
  generations.index.push({ generation: 2, shards: 256, from: 1_000 });
  const { run } = begun({ admission: { kind: "queued", place }, turns: [] });
  expect(await run.enter(plan("queue", generations))).toEqual(
    ok({
      spec: {
        history: [],
        index_shards: 256,
        on_busy: "queue",
        former_shards: [{ shard: 0, until: 1_000 }],
      },
      queued: place,
    }),
  );
});

test("it is refused where the conversation is busy, and where that is not known", async () => {
  const busy = { code: "CONVERSATION_BUSY", conversation_id: CONVERSATION, running: ["b"] };
  const of = (entered: Entered | null) => begun(entered).run.enter(plan("queue"));
  expect(await of({ admission: { kind: "busy", running: ["b"] }, turns: [] })).toEqual({
    ok: false,
    error: busy,
  });
  expect(await of({ admission: { kind: "busy", running: ["b"], limit: 10 }, turns: [] })).toEqual({
    ok: false,
    error: { ...busy, limit: 10 },
  });
  for (const entered of [null, { admission: { kind: "unknown" as const }, turns: [] }]) {
    expect(await of(entered)).toMatchObject({
      ok: false,
      error: { code: "RESOURCE_EXHAUSTED", what: "index" },
    });
  }
});

test("what it began by an old copy of the catalog is taken back where on_busy was another one there", async () => {
  const { asked, run } = begun(admitted);
  run.expect(plan("queue").catalog, () => ok(plan("queue")));
  await run.enter(plan("parallel"));
  expect(asked).toEqual(["enter queue", "withdraw queue", "begin"]);
});

test("a caller that has events takes no place", async () => {
  const { asked, run } = begun(null, 3);
  expect((await run.enter(plan("queue"))).ok).toBe(true);
  expect(asked).toEqual([]);
});
