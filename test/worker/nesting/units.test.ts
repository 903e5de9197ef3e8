// Stages that map a list and stages that repeat, on real workerd with HTTP agents: what an agent is sent, what a reader
// gets, what a server that is killed repeats.
import { expect, test } from "vitest";
import type { SeenCall } from "../../support/agents/agent-server.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { startWorld } from "../../support/servers/world.ts";

const json = (data: object) => JSON.stringify({ data });
const keys = (calls: readonly SeenCall[]) =>
  calls.map(({ headers }) => String(headers["idempotency-key"])).toSorted((a, b) => (a < b ? -1 : 1));

test("each item has a call with the item, its place and a key of its own, and the result is in order", async (context) => {
  const world = await startWorld(context);
  const { calls } = await world.boot();
  world.agents.on("/double", (call, response) => {
    response.setHeader("content-type", "application/json");
    response.end(json({ twice: 2 * (call.body.item as number), input: call.body.input }));
  });
  await calls.agent("double", world.agents.url("/double"));
  await calls.pipeline("doubles", [
    {
      name: "each",
      agent_type: "double",
      map: { over: "context.numbers", concurrency: 3 },
      input: { n: "item", at: "index" },
    },
  ]);
  const response = await calls.post(
    { execution_id: "doubles", pipeline: "doubles", context: { numbers: [5, 6, 7, 8] } },
    { accept: "text/event-stream" },
  );
  const events = lifecycle(await readEvents(response));
  const run = await calls.read("doubles");
  expect(run.final_result).toEqual({
    items: [5, 6, 7, 8].map((n, index) => ({
      index,
      status: "completed",
      data: { twice: 2 * n, input: { n, at: index } },
      error: null,
      attempts: 1,
    })),
    completed: 4,
    failed: 0,
  });
  const seen = world.agents.callsOf("/double");
  expect(
    seen.map(({ body }) => [body.index, body.item]).toSorted((a, b) => Number(a[0]) - Number(b[0])),
  ).toEqual([
    [0, 5],
    [1, 6],
    [2, 7],
    [3, 8],
  ]);
  expect(keys(seen)).toEqual([0, 1, 2, 3].map((at) => `"doubles.each[${at}]"`));
  const ends = events.filter(({ event }) => event === "stage.completed").map(({ data }) => data.item);
  expect(ends.slice(0, 4).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  expect(ends[4]).toBeUndefined();
});

test("a critic is called until its result is good, with what it gave before", async (context) => {
  const world = await startWorld(context);
  const { calls } = await world.boot();
  world.agents.on("/critic", (call, response) => {
    const before = call.body.previous as { score: number } | null;
    response.setHeader("content-type", "application/json");
    response.end(json({ score: (before?.score ?? 0) + 4 }));
  });
  await calls.agent("critic", world.agents.url("/critic"));
  await calls.pipeline("critic", [
    { name: "draft", agent_type: "critic", repeat: { until: "result.score >= 10", max: 5 } },
  ]);
  const response = await calls.post({ execution_id: "critic", pipeline: "critic" });
  expect(await response.json()).toMatchObject({
    status: "completed",
    final_result: { score: 12 },
    stage_results: { draft: { iterations: 3 } },
  });
  const seen = world.agents.callsOf("/critic");
  expect(seen.map(({ body }) => body.iteration)).toEqual([1, 2, 3]);
  expect(keys(seen)).toEqual(['"critic.draft"', '"critic.draft.2"', '"critic.draft.3"']);
});

test("a server that is killed repeats no item that was committed", async (context) => {
  const world = await startWorld(context);
  const { server, calls } = await world.boot();
  let isOpen = false;
  world.agents.on("/slow", (call, response) => {
    response.setHeader("content-type", "application/json");
    // The second half stays open until the server is gone.
    if ((call.body.index ?? 0) < 3 || isOpen) response.end(json({ at: call.body.index }));
  });
  await calls.agent("slow", world.agents.url("/slow"));
  await calls.pipeline("slow", [
    { name: "each", agent_type: "slow", map: { over: "[0, 1, 2, 3, 4, 5]", concurrency: 6 } },
  ]);
  await calls.begin("killed", "slow");
  await expect
    .poll(async () => {
      const headers = { accept: "application/json" };
      const list = await calls.fetch("/v1/executions/killed/events", { headers });
      const { data } = (await list.json()) as { data: { type: string }[] };
      return data.filter(({ type }) => type === "stage.completed").length;
    })
    .toBe(3);
  await server.kill();
  isOpen = true;
  const again = await world.boot();
  await expect
    .poll(async () => (await again.calls.read("killed")).status, { timeout: 20_000 })
    .toBe("completed");
  const run = await again.calls.read("killed");
  expect(run.final_result).toMatchObject({ completed: 6 });
  const times = [0, 1, 2, 3, 4, 5].map(
    (at) => world.agents.callsOf("/slow").filter(({ body }) => body.index === at).length,
  );
  expect(times).toEqual([1, 1, 1, 2, 2, 2]);
});
