// Runs whose stages run pipelines while the whole server is killed again and again, and parent and child with it: each
// unit has exactly one execution, each run the result that it would have had, and no committed stage is called again.
// `NESTED_KILLS` says how many kills.
import { expect, test } from "vitest";
import type { Behaviour } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { startWorld } from "../../support/servers/world.ts";
import { sizeOf } from "../../support/sizes.ts";
import { seeded } from "../../support/values/chance.ts";

const KILLS = sizeOf("NESTED_KILLS");
const RUNS_EACH = 3;
/** Of one run: three items and two iterations. */
const CHILDREN = 5;

/** Long enough for kills in every phase. */
const working: Behaviour = (call, response) => {
  setTimeout(() => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ data: { of: call.body.query, count: call.body.context["count"] ?? 0 } }));
  }, 60);
};

async function define(calls: Calls, url: string): Promise<void> {
  await calls.agent("works", url);
  await calls.pipeline("leaf", [
    { name: "first", agent_type: "works" },
    { name: "second", agent_type: "works", depends_on: ["first"] },
  ]);
  await calls.pipeline("tree", [
    {
      name: "each",
      pipeline: "leaf",
      query: "query + ' ' + item",
      map: { over: "['a', 'b', 'c']", concurrency: 2 },
    },
    {
      name: "twice",
      pipeline: "leaf",
      context: "{'count': iteration}",
      repeat: { until: "result.count >= 2.0", max: 4 },
      depends_on: ["each"],
    },
  ]);
}

test(
  `${KILLS} kills under nested runs: each unit has one execution`,
  async (context) => {
    const chance = seeded(23);
    const world = await startWorld(context);
    world.agents.on("/works", working);
    let { server, calls } = await world.boot();
    await define(calls, world.agents.url("/works"));
    const runs: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (let at = 0; at < RUNS_EACH; at += 1) {
        const id = `run-${kill}-${at}`;
        runs.push(id);
        await calls.begin(id, "tree");
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 20 + chance.draw() * 500);
      });
      await server.kill();
      ({ server, calls } = await world.boot());
    }
    const states = () => Promise.all(runs.map(async (id) => (await calls.read(id)).status));
    await expect.poll(states, { timeout: 60_000 }).toEqual(runs.map(() => "completed"));
    for (const id of runs) {
      const { stage_results } = await calls.read(id);
      const { items } = stage_results.each.data;
      expect(items.map(({ data }: { data: { of: string } }) => data.of)).toEqual(
        ["a", "b", "c"].map((item) => `the question of ${id} ${item}`),
      );
      expect(stage_results.twice).toMatchObject({ iterations: 2, data: { count: 2 } });
    }
    const children = new Map<string, number>();
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await calls.fetch(
        `/v1/executions?pipeline=leaf&limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`,
      );
      const { data, next_cursor } = (await page.json()) as {
        data: { status: string; parent: { execution_id: string } }[];
        next_cursor: string | null;
      };
      for (const { status, parent } of data) {
        expect(status).toBe("completed");
        children.set(parent.execution_id, (children.get(parent.execution_id) ?? 0) + 1);
      }
      cursor = next_cursor;
    }
    expect([...children]).toHaveLength(runs.length);
    for (const [id, count] of children) expect(count, id).toBe(CHILDREN);
    // I5: a kill adds one call with the same key at most.
    const called = new Map<string, number>();
    for (const { headers } of world.agents.callsOf("/works")) {
      const key = String(headers["idempotency-key"]);
      called.set(key, (called.get(key) ?? 0) + 1);
    }
    expect(called.size).toBe(runs.length * CHILDREN * 2);
    expect(Math.max(...called.values())).toBeLessThanOrEqual(KILLS + 1);
    expect([...called.values()].some((times) => times > 1)).toBe(true);
  },
  120_000 + KILLS * 10_000,
);
