// Hints of the coordinator on definitions: in a verdict and beside a definition that is written, and kept nowhere.
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let coordinator: Coordinator;

beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.agent("known", "https://agents.example.com/");
});

afterAll(() => closeAll(coordinator));

const found = (body: { hints: { code: string; stage: string }[] }) =>
  body.hints.map(({ code, stage }) => `${stage} ${code}`);
const STAGES = [
  { name: "a", agent_type: "known" },
  { name: "b", agent_type: "gone", parallel: true },
];
const HINTS = ["a INDEPENDENT_STAGES_ALONE", "b AGENT_NOT_REGISTERED"];

test("validate has them, valid stays true, and a definition without any has an empty list", async () => {
  const { body } = await coordinator.api("POST", "/v1/pipelines/validate", { stages: STAGES });
  expect([body.valid, body.errors, found(body)]).toEqual([true, [], HINTS]);
  const fine = await coordinator.api("POST", "/v1/pipelines/validate", { stages: [STAGES[0]] });
  expect([fine.body.valid, fine.body.hints]).toEqual([true, []]);
});

test("so have a PUT, a stage in and a stage out; GET has none, and the tag is the definition's", async () => {
  const put = await coordinator.api("PUT", "/v1/pipelines/hinted", { stages: STAGES });
  expect([put.status, found(put.body)]).toEqual([201, HINTS]);
  const get = await coordinator.api("GET", "/v1/pipelines/hinted");
  expect(get.body).not.toHaveProperty("hints");
  expect(get.headers.get("etag")).toBe(put.headers.get("etag"));
  const added = await coordinator.api("POST", "/v1/pipelines/hinted/stages", {
    name: "c",
    agent_type: "known",
    depends_on: ["a", "b"],
  });
  expect([added.status, found(added.body)]).toEqual([201, HINTS]);
  await coordinator.api("DELETE", "/v1/pipelines/hinted/stages/c");
  const removed = await coordinator.api("DELETE", "/v1/pipelines/hinted/stages/b");
  expect([removed.status, removed.body.hints]).toEqual([200, []]);
});

test("an agent that is registered is not hinted at any more; a reference agent without its binding is", async () => {
  const judged = async (agent_type: string) =>
    found(
      (await coordinator.api("POST", "/v1/pipelines/validate", { stages: [{ name: "a", agent_type }] })).body,
    );
  expect(await judged("later")).toEqual(["a AGENT_NOT_REGISTERED"]);
  await coordinator.agent("later", "https://agents.example.com/");
  expect(await judged("later")).toEqual([]);
  // The coordinator of this test has no binding AGENTS.
  expect(await judged("query_rewriter")).toEqual(["a AGENT_NOT_REGISTERED"]);
});
