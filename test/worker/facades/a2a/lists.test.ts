// A2A's ListTasks with the official client, against the coordinator in real workerd: pages, filters, and what is refused.
import { TaskState } from "@a2a-js/sdk";
import { type Client, ClientFactory } from "@a2a-js/sdk/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let client: Client;
/** Of the pipeline `full`, newest first. */
const full: string[] = [];
/** By state, of any pipeline. */
const others: Record<"asks" | "paused" | "failed", string> = { asks: "", paused: "", failed: "" };

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  const { slow } = await protocolAgents(agents, coordinator);
  const run = async (pipeline: string, text = pipeline): Promise<string> => {
    const message = { messageId: `m-${text}`, contextId: "lists", role: "ROLE_USER", parts: [{ text }] };
    const configuration = { returnImmediately: pipeline === "slow" };
    return (await rpc("SendMessage", { message, configuration }, pipeline)).result.task.id;
  };
  for (const text of ["one", "two", "three", "four", "five"]) full.unshift(await run("full", text));
  others.asks = await run("asking");
  others.failed = await run("fail");
  others.paused = await run("slow");
  await eventually(async () => slow.calls, Boolean);
  await coordinator.api("POST", `/v1/executions/${others.paused}/pause`, { mode: "drain" });
  slow.end();
  client = await new ClientFactory().createFromUrl(`${coordinator.url}/v1/pipelines/full/a2a/`);
  // The index hears of an end a little later than its reader.
  await eventually(
    async () => {
      const { body } = await coordinator.api("GET", "/v1/executions?conversation_id=lists");
      return body.data.map(({ status }: { status: string }) => status).toSorted();
    },
    (statuses) => statuses.join() === `${"completed,".repeat(5)}failed,paused,waiting`,
  );
});

afterAll(() => closeAll(coordinator, agents));

async function rpc(method: string, params: object, pipeline?: string) {
  const path = pipeline === undefined ? "/a2a" : `/v1/pipelines/${pipeline}/a2a`;
  const body = { jsonrpc: "2.0", id: 1, method, params };
  return (await coordinator.api("POST", path, body, { "a2a-version": "1.0" })).body;
}

const listed = async (params: object) => (await rpc("ListTasks", params)).result;
const idsOf = ({ tasks }: { tasks: { id: string }[] }) => tasks.map(({ id }) => id);

test("pages follow each other, with each task once, and the last one knows how many there are", async () => {
  const pages: string[][] = [];
  const totals: number[] = [];
  let pageToken = "";
  do {
    const page = await client.listTasks({
      tenant: "",
      contextId: "",
      status: TaskState.TASK_STATE_UNSPECIFIED,
      pageSize: 2,
      pageToken,
      statusTimestampAfter: undefined,
    });
    expect(page.pageSize).toBe(2);
    pages.push(idsOf(page));
    totals.push(page.totalSize);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(pages).toEqual([full.slice(0, 2), full.slice(2, 4), full.slice(4)]);
  expect(totals).toEqual([2, 4, 5]);
});

test("tasks of a state alone, also of one that two statuses are", async () => {
  const inState = async (status: string) => idsOf(await listed({ status }));
  expect(await inState("TASK_STATE_FAILED")).toEqual([others.failed]);
  expect(await inState("TASK_STATE_INPUT_REQUIRED")).toEqual([others.paused, others.asks]);
  expect(await inState("TASK_STATE_COMPLETED")).toEqual(full);
  expect(await inState("TASK_STATE_WORKING")).toEqual([]);
  expect(await inState("TASK_STATE_AUTH_REQUIRED")).toEqual([]);
  expect(await inState("TASK_STATE_UNSPECIFIED")).toHaveLength(8);
  const first = await listed({ status: "TASK_STATE_INPUT_REQUIRED", pageSize: 1 });
  expect(idsOf(first)).toEqual([others.paused]);
  const second = await listed({
    status: "TASK_STATE_INPUT_REQUIRED",
    pageSize: 1,
    pageToken: first.nextPageToken,
  });
  expect([idsOf(second), second.nextPageToken, second.totalSize]).toEqual([[others.asks], "", 2]);
});

test("tasks whose status is of a time or later, and of one context", async () => {
  const all = await listed({ contextId: "lists" });
  const { timestamp } = all.tasks.find(({ id }: { id: string }) => id === others.failed).status;
  const since = await listed({ statusTimestampAfter: timestamp });
  expect(idsOf(since)).toContain(others.failed);
  for (const { status } of since.tasks)
    expect(Date.parse(status.timestamp)).toBeGreaterThanOrEqual(Date.parse(timestamp));
  expect(idsOf(since)).not.toContain(full.at(-1));
  expect(idsOf(await listed({ statusTimestampAfter: "2999-01-01T00:00:00Z" }))).toEqual([]);
  expect((await listed({ contextId: "another" })).tasks).toEqual([]);
});

test("artifacts are there where they are asked for", async () => {
  const [plain] = (await listed({ status: "TASK_STATE_COMPLETED", pageSize: 1 })).tasks;
  expect(plain).not.toHaveProperty("artifacts");
  const whole = await listed({ status: "TASK_STATE_COMPLETED", includeArtifacts: true, pageSize: 100 });
  expect(idsOf(whole)).toEqual(full);
  expect(whole.tasks[0].artifacts).toMatchObject([{ artifactId: "answer", parts: [{ text: ANSWER }, {}] }]);
});

describe("is refused, with its place", () => {
  test.each([
    ["pageToken", "nothing"],
    ["pageToken", "1.2"],
    ["pageToken", 7],
    ["pageSize", 0],
    ["pageSize", 101],
    ["pageSize", 1.5],
    ["pageSize", "10"],
    ["status", "completed"],
    ["status", 3],
    ["statusTimestampAfter", "yesterday"],
    ["contextId", {}],
    ["includeArtifacts", "yes"],
  ])("%s: %j", async (name, value) => {
    expect((await rpc("ListTasks", { [name]: value })).error).toMatchObject({
      code: -32_602,
      message: expect.stringMatching(`^/params/${name} .`),
    });
  });
});
