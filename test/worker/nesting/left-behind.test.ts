// Executions of stages beside what else their run does, on real workerd: those without use end, and those that take long
// hold up nothing.
import { expect, test, type TestContext } from "vitest";
import type { Behaviour } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { startWorld, type World } from "../../support/servers/world.ts";

async function worldWith(
  context: Pick<TestContext, "onTestFinished">,
  inside: Behaviour,
): Promise<{ world: World; calls: Calls }> {
  const world = await startWorld(context);
  const { calls } = await world.boot();
  world.agents.on("/inside", inside);
  await calls.agent("inside", world.agents.url("/inside"));
  return { world, calls };
}

async function innerRuns(calls: Calls): Promise<{ status: string }[]> {
  const list = await calls.fetch("/v1/executions?pipeline=inner");
  const { data } = (await list.json()) as { data: { status: string }[] };
  return data;
}

test("items that a failed sibling has aborted end though the run goes on", async (context) => {
  const { world, calls } = await worldWith(context, (call, response) => {
    if (call.body.query === "bad") response.writeHead(400).end();
  });
  world.agents.on("/open", () => {});
  await calls.agent("open", world.agents.url("/open"));
  await calls.pipeline("inner", [{ name: "work", agent_type: "inside" }]);
  await calls.pipeline("outer", [
    {
      name: "each",
      pipeline: "inner",
      query: "item",
      required: false,
      map: { over: "['slow', 'bad']", concurrency: 2 },
    },
    { name: "last", agent_type: "open", depends_on: ["each"] },
  ]);
  await calls.begin("siblings", "outer");
  await expect.poll(() => world.agents.callsOf("/open").length, { timeout: 10_000 }).toBe(1);
  await expect
    .poll(async () => (await innerRuns(calls)).map(({ status }) => status).toSorted(), { timeout: 10_000 })
    .toEqual(["cancelled", "failed"]);
});

test("executions that take long leave the agents of other stages their places", async (context) => {
  const { world, calls } = await worldWith(context, () => {});
  await calls.pipeline("inner", [{ name: "work", agent_type: "inside" }]);
  await calls.pipeline("outer", [
    {
      name: "each",
      pipeline: "inner",
      parallel: true,
      map: { over: "[1, 2, 3, 4, 5, 6, 7, 8]", concurrency: 8 },
    },
    { name: "first", agent_type: "fine", parallel: true },
    { name: "beside", agent_type: "fine", parallel: true, depends_on: ["first"] },
  ]);
  await calls.begin("places", "outer");
  await expect
    .poll(async () => (await calls.read("places")).stage_results.beside.status, { timeout: 10_000 })
    .toBe("completed");
  await expect.poll(() => world.agents.callsOf("/inside").length, { timeout: 10_000 }).toBe(8);
});
