// Forks of runs whose stages run pipelines, on real workerd: what is taken over, and what runs again.
import { expect, test } from "vitest";
import { startWorld } from "../../support/servers/world.ts";

test("an inner execution is taken over until its pipeline, or an agent of it, is another one", async (context) => {
  const world = await startWorld(context);
  const { calls } = await world.boot();
  for (const name of ["one", "two"]) {
    world.agents.on(`/${name}`, (_, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ data: { by: name } }));
    });
  }
  await calls.agent("inside", world.agents.url("/one"));
  await calls.agent("two", world.agents.url("/two"));
  await calls.pipeline("inner", [{ name: "work", agent_type: "inside" }]);
  await calls.pipeline("other", [{ name: "work", agent_type: "two" }]);
  await calls.pipeline("outer", [{ name: "sub", pipeline: "inner" }]);
  await calls.post({ execution_id: "source", pipeline: "outer" });
  const fork = async (body: object) => {
    const response = await calls.send("POST", "/v1/executions/source/fork", body);
    const { status, final_result, stage_results } = (await response.json()) as {
      status: string;
      final_result: unknown;
      stage_results: { sub: { reused_from: unknown } };
    };
    return { status, final_result, from: stage_results.sub.reused_from };
  };
  expect(await fork({})).toMatchObject({ status: "completed", from: { execution_id: "source" } });
  const overridden = await fork({ pipeline_config: { sub: { pipeline: "other" } } });
  expect(overridden).toEqual({ status: "completed", final_result: { by: "two" }, from: null });
  await calls.agent("inside", world.agents.url("/two"));
  expect(await fork({})).toEqual({ status: "completed", final_result: { by: "two" }, from: null });
});
