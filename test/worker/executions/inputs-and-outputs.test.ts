// What an agent is given by its stage's `input`, and what its answer is held to by `output_schema`, in real workerd: the
// body of the call, the one more try with the error of the first, results that are kept by the input alone.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  const vars = { AGENT_COORDINATOR_RETRY_DELAY: "0.01", AGENT_COORDINATOR_CACHING: "true" };
  coordinator = await startCoordinator([agents], vars);
});

afterAll(() => closeAll(coordinator, agents));

let conversations = 0;

/** Each question is in a conversation of its own: a history would be another input of the stages that have no `input`. */
function run(body: Record<string, unknown>) {
  conversations += 1;
  return coordinator.run({ conversation_id: `c${conversations}`, ...body });
}

/** An agent at a path of its own; the bodies of its calls. */
async function agent(name: string, behaviour: Parameters<AgentServer["on"]>[1]) {
  agents.on(`/${name}`, behaviour);
  await coordinator.agent(name, agents.url(`/${name}`));
  return () => agents.callsOf(`/${name}`).map(({ body }) => body);
}

test("an agent gets the input beside the inputs, and is asked once for inputs that are equal", async () => {
  await agent("finder", (call, response) => {
    const { query } = call.body;
    const data = { docs: [{ text: "wind" }, { text: "sun" }], asked: query };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data }));
  });
  const calls = await agent("writer", answers({ answer: "both" }));
  const input = {
    texts: "results.find.docs.map(d, d.text)",
    language: "has(context.language) ? context.language : 'en'",
  };
  await coordinator.pipeline("mapped", [
    { name: "find", agent_type: "finder", cache: false },
    { name: "write", agent_type: "writer", depends_on: ["find"], input },
  ]);
  const ask = (context: object) => run({ pipeline: "mapped", query: "What is renewable?", context });
  expect((await ask({ user: 1 })).body.final_result).toEqual({ answer: "both" });
  expect(calls()[0]).toMatchObject({
    input: { texts: ["wind", "sun"], language: "en" },
    inputs: { find: { asked: "What is renewable?" } },
  });
  const again = await ask({ user: 2 });
  expect(again.body.stage_results.write).toMatchObject({ status: "completed", cached: true });
  await ask({ language: "de" });
  expect(calls().map(({ input: given }) => given?.["language"])).toEqual(["en", "de"]);
});

test("an answer against the schema is tried once more, with what was wrong, and is not kept", async () => {
  const output_schema = { type: "object", required: ["score"], properties: { score: { type: "number" } } };
  const calls = await agent("judge", (_call, response, count) => {
    const data = count % 2 === 1 ? { score: "high" } : { score: 0.9 };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data }));
  });
  await coordinator.pipeline("judged", [{ name: "judge", agent_type: "judge", output_schema }]);
  const { body } = await run({ pipeline: "judged", query: "good?" });
  expect(body).toMatchObject({ status: "completed", final_result: { score: 0.9 } });
  expect(calls().map(({ attempt, previous_error }) => [attempt, previous_error?.code])).toEqual([
    [1, undefined],
    [2, "AGENT_PROCESSING_ERROR"],
  ]);
  expect(calls()[1]?.previous_error?.message).toContain("/data/score ");
  const again = await run({ pipeline: "judged", query: "good?" });
  expect(again.body.final_result).toEqual({ score: 0.9 });
  expect(calls()).toHaveLength(2);
});

test("a second answer against the schema fails the stage, and names the places", async () => {
  const output_schema = {
    type: "object",
    properties: { items: { type: "array", items: { type: "string" } } },
  };
  await agent("lister", answers({ items: ["a", 2] }));
  await coordinator.pipeline("listed", [{ name: "list", agent_type: "lister", output_schema }]);
  const { status, body } = await run({ pipeline: "listed" });
  expect([status, body.status]).toEqual([200, "failed"]);
  expect(body.stage_results.list).toMatchObject({ attempts: 2, error: { code: "AGENT_PROCESSING_ERROR" } });
  expect(body.error_info.message).toContain("/data/items/1 ");
});

test("a definition with a wrong expression or schema is refused with the place", async () => {
  const put = (stage: object) =>
    coordinator.api("PUT", "/v1/pipelines/wrong", { stages: [{ name: "s", agent_type: "judge", ...stage }] });
  expect(await put({ input: { docs: "results.nowhere" } })).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: "/stages/0/input/docs" }] },
  });
  expect(await put({ output_schema: { type: "objekt" } })).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: "/stages/0/output_schema/type" }] },
  });
  expect(await put({ input: { docs: 7 } })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: "/stages/0/input/docs" }] },
  });
});
