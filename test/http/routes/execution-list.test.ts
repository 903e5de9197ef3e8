// The clean-up: which executions leave the index where their objects do not forget them.
import { Hono } from "hono/tiny";
import { expect, test } from "vitest";
import type { Place } from "../../../src/engine/worker-ports.ts";
import { err, ok, type Result } from "../../../src/contract/problem.ts";
import type { AppEnv } from "../../../src/http/context.ts";
import { executionList } from "../../../src/http/routes/execution-list.ts";

// workerd's own method, by which bodies are read; Node has the standard's form of it.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: ReadableStreamBYOBReader, min: number, view: Uint8Array) {
    const read = this.read.bind(this) as (view: Uint8Array, options: { min: number }) => unknown;
    return read(view, { min });
  },
});

test("an execution whose object has no room to forget it stays in the index, which empties the object later", async () => {
  const outcomes: Record<string, Result<null>> = {
    deleted: ok(null),
    gone: err({ code: "EXECUTION_NOT_FOUND", execution_id: "gone" }),
    corrupt: err({ code: "CONTEXT_CORRUPTED", execution_id: "corrupt", evidence: "its log ends early" }),
    crowded: err({ code: "RESOURCE_EXHAUSTED", what: "memory", retry_after_seconds: 5 }),
  };
  const forgotten: string[] = [];
  const services = {
    clock: { now: () => 10_000 },
    executions: { rpc: (_tenant: string, id: string) => ({ forget: async () => outcomes[id] }) },
    executionIndex: {
      ended: async () => Object.keys(outcomes).map((id) => ({ id, start: 1, shard: 0 })),
      forget: async (_tenant: string, { id }: Place) => void forgotten.push(id),
    },
  } as unknown as AppEnv["Variables"]["services"];
  const cleanup = executionList.find(({ id }) => id === "cleanup_completed_executions");
  const app = new Hono<AppEnv>();
  app.use(async ({ set }, next) => {
    set("services", services);
    set("tenant", "acme");
    await next();
  });
  if (cleanup !== undefined) app.on("POST", cleanup.path, cleanup.serve);
  const response = await app.request("/v1/executions/cleanup", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ older_than_seconds: 1 }),
  });
  expect(await response.json()).toEqual({ deleted: 1, has_more: false });
  expect(forgotten).toEqual(["gone", "corrupt"]);
});
