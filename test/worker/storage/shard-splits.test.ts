// Splits of a tenant's shards in real workerd, by a Worker whose bounds are small: a new tenant has one shard of the index
// and of the cache, a busy one gets more, and no run, turn or count is lost in between.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { deserialize } from "node:v8";
import { expect, test } from "vitest";
import type { TenantShards } from "../../../src/core/monitoring/shards.ts";
import { answers } from "../../support/agents/agent-server.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorld } from "../../support/servers/world.ts";

const CONVERSATIONS = 6;
/** Turns that a run is handed. */
const TURNS = 5;
/** Longer than two splits take, each with its wait. */
const BUSY_MS = 14_000;

/** What a query gives of each object of a class whose storage has the table. */
function ofEach<T>(state: string, className: string, table: string, query: string): T[] {
  const folder = join(state, "objects", `agent-coordinator-${className}`);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".sqlite"))
    .flatMap((file) => {
      const database = new DatabaseSync(join(folder, file), { readOnly: true });
      const has = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table) !== undefined;
      const found = has ? (database.prepare(query).all() as T[]) : [];
      database.close();
      return found;
    });
}

test("a busy tenant's shards are split, and each run is listed, counted and remembered once", async (context) => {
  const of = await startWorld(context, {
    agents: { fine: answers({ answer: "fine" }) },
    vars: () => ({ AGENT_COORDINATOR_CACHING: "true" }),
    worker: "splitting-worker",
  });
  const { server, calls } = await of.boot();
  const shards = () => {
    const [row] = ofEach<{ value: Uint8Array }>(
      of.state,
      "CatalogObject",
      "_cf_KV",
      "SELECT value FROM _cf_KV WHERE key = 'shards'",
    );
    return deserialize(row?.value ?? new Uint8Array()) as TenantShards;
  };
  const counts = ({ index, cache }: TenantShards) => [index, cache].map((kind) => kind.at(-1)?.shards ?? 0);
  expect(counts(shards())).toEqual([1, 1]);

  const asked: string[][] = Array.from({ length: CONVERSATIONS }, () => []);
  const runs: string[] = [];
  const until = Date.now() + BUSY_MS;
  // Each conversation goes on when it has its answer; the conversations go on side by side.
  await Promise.all(
    asked.map(async (questions, conversation) => {
      while (Date.now() < until) {
        const query = `question ${questions.length} of ${conversation}`;
        const execution_id = `run-${conversation}-${questions.length}`;
        const response = await calls.post({
          execution_id,
          pipeline: "fine",
          query,
          conversation_id: `c${conversation}`,
        });
        expect(response.status).toBe(200);
        const call = of.agents.callsOf("/fine").find(({ body }) => body.query === query);
        const history = (call?.body.history ?? []) as { query: string }[];
        expect(history.map((turn) => turn.query)).toEqual(questions.slice(-TURNS));
        questions.push(query);
        runs.push(execution_id);
      }
    }),
  );
  expect(runs.length).toBeGreaterThan(4 * 14);

  const list = async (filter: string) => {
    const ids: string[] = [];
    for (let cursor = ""; ; ) {
      const page = await calls.fetch(`/v1/executions?limit=20${filter}${cursor}`);
      const { data, next_cursor } = (await page.json()) as {
        data: { execution_id: string }[];
        next_cursor: string | null;
      };
      ids.push(...data.map(({ execution_id }) => execution_id));
      if (next_cursor === null) return ids.toSorted();
      cursor = `&cursor=${encodeURIComponent(next_cursor)}`;
    }
  };
  await eventually(
    () => list("&status=completed"),
    (ids) => ids.length === runs.length,
  );
  expect(await list("")).toEqual(runs.toSorted());
  expect(await list("&conversation_id=c1")).toEqual(runs.filter((id) => id.startsWith("run-1-")).toSorted());
  const metrics = await (await calls.fetch("/metrics")).text();
  expect(metrics).toContain(`pipeline_executions_total{pipeline="fine",status="completed"} ${runs.length}\n`);
  // Of before the first split, and the first of its conversation.
  expect((await calls.fetch("/v1/executions/run-1-0", { method: "DELETE" })).status).toBe(204);
  expect(await list("")).not.toContain("run-1-0");
  await server.kill();

  expect(counts(shards())).toEqual([4, 4]);
  const rows = ofEach<{ rows: number }>(
    of.state,
    "LedgerObject",
    "runs",
    "SELECT count(*) AS rows FROM runs",
  );
  expect(rows.filter((shard) => shard.rows > 0).length).toBeGreaterThan(1);
  expect(rows.reduce((sum, shard) => sum + shard.rows, 0)).toBe(runs.length);
});
