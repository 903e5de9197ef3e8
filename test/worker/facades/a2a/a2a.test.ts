// The A2A server with the official client, against the coordinator in real workerd: cards, messages in one piece and
// streamed, tasks that are read, listed, cancelled and subscribed to, and those that ask.
import { Role, StreamResponse, Task } from "@a2a-js/sdk";
import { type Client, ClientFactory } from "@a2a-js/sdk/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../../support/agents/agent-server.ts";
import {
  ANSWER,
  CITATIONS,
  protocolAgents,
  type SlowWords,
} from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let messages = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const connect = (pipeline: string): Promise<Client> =>
  new ClientFactory().createFromUrl(`${coordinator.url}/v1/pipelines/${pipeline}/a2a/`);

interface MessageFields {
  taskId?: string;
  contextId?: string;
  messageId?: string;
}

/** A message with this text, or this data. */
function message(content: string | object, fields: MessageFields = {}, returnImmediately = false) {
  messages += 1;
  const part =
    typeof content === "string"
      ? { $case: "text" as const, value: content }
      : { $case: "data" as const, value: content };
  return {
    tenant: "",
    message: {
      messageId: `m-${messages}`,
      contextId: "",
      taskId: "",
      role: Role.ROLE_USER,
      parts: [{ content: part, metadata: undefined, filename: "", mediaType: "" }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
      ...fields,
    },
    configuration: {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      historyLength: undefined,
      returnImmediately,
    },
    metadata: undefined,
  };
}

/** A task in the form of the wire. */
async function send(client: Client, ...of: Parameters<typeof message>): Promise<Record<string, any>> {
  return Task.toJSON((await client.sendMessage(message(...of))) as Task) as Record<string, any>;
}

async function get(client: Client, id: string): Promise<Record<string, any>> {
  return Task.toJSON(await client.getTask({ tenant: "", id, historyLength: undefined })) as Record<
    string,
    any
  >;
}

/** What a client makes of a stream: the states in their order, and the text of each artifact. */
async function follow(stream: AsyncIterable<StreamResponse>, seen: (text: string) => void = () => {}) {
  const states: string[] = [];
  const artifacts = new Map<string, string>();
  let id = "";
  for await (const response of stream) {
    const { task, statusUpdate, artifactUpdate } = StreamResponse.toJSON(response) as Record<string, any>;
    id ||= task?.id ?? statusUpdate?.taskId ?? "";
    const state: string | undefined = (task ?? statusUpdate)?.status.state;
    if (state !== undefined && states.at(-1) !== state) states.push(state);
    if (artifactUpdate === undefined) continue;
    const { artifactId, parts } = artifactUpdate.artifact;
    const text = parts.map((part: { text?: string }) => part.text ?? "").join("");
    const before = artifactUpdate.append === true ? (artifacts.get(artifactId) ?? "") : "";
    artifacts.set(artifactId, before + text);
    seen(artifacts.get(artifactId) ?? "");
  }
  return { id, states, artifacts: Object.fromEntries(artifacts) };
}

test("a pipeline's card, and one of all pipelines", async () => {
  const card = await (await connect("full")).getAgentCard();
  expect(card.supportedInterfaces).toMatchObject([
    { url: `${coordinator.url}/v1/pipelines/full/a2a`, protocolBinding: "JSONRPC", protocolVersion: "1.0" },
  ]);
  expect(card.capabilities).toMatchObject({ streaming: true, pushNotifications: false });
  const all = await coordinator.api("GET", "/.well-known/agent-card.json");
  expect(all.body.skills.map(({ id }: { id: string }) => id)).toEqual(
    expect.arrayContaining(["fail", "full", "rag"]),
  );
  const unknown = await coordinator.api("GET", "/v1/pipelines/nothing/a2a/.well-known/agent-card.json");
  expect([unknown.status, unknown.body.code]).toEqual([404, "PIPELINE_NOT_FOUND"]);
});

test("a message in one piece is a task that has completed, with the answer as its artifact", async () => {
  const client = await connect("full");
  const task = await send(client, "How cheap is solar?");
  expect(task).toMatchObject({
    status: { state: "TASK_STATE_COMPLETED" },
    artifacts: [
      {
        artifactId: "answer",
        parts: [
          { text: ANSWER, mediaType: "text/markdown" },
          { data: { answer: ANSWER, citations: CITATIONS } },
        ],
      },
    ],
  });
  expect(await get(client, task["id"])).toMatchObject({ status: { state: "TASK_STATE_COMPLETED" } });
  expect((await coordinator.api("GET", `/v1/executions/${task["id"]}`)).body.conversation_id).toBe(
    task["contextId"],
  );
});

test("a message in a stream: the task, its stages, its answer as it grows, its end", async () => {
  const client = await connect("full");
  const { states, artifacts } = await follow(client.sendMessageStream(message("How cheap is solar?")));
  expect(states).toEqual(["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]);
  expect(artifacts).toEqual({ answer: ANSWER });
});

test("the next message of a context knows the ones before; the same message again is the same task", async () => {
  const client = await connect("full");
  const first = await send(client, "First?");
  await send(client, "Second?", { contextId: first["contextId"] });
  expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
    query: "Second?",
    history: [{ query: "First?" }],
  });
  const once = await send(client, "Once?", { messageId: "same" });
  const calls = agents.callsOf("/answer").length;
  expect(await send(client, "Once?", { messageId: "same" })).toEqual(once);
  expect(agents.callsOf("/answer")).toHaveLength(calls);
});

test("a text that begins wrong and is tried again replaces its artifact", async () => {
  await coordinator.agent("t_flaky", agents.url("/flaky"));
  const client = await connect("flaky");
  const { artifacts } = await follow(client.sendMessageStream(message("Which?")));
  expect(artifacts).toEqual({ answer: "Right answer" });
});

test("a run that fails is a task that has failed, with the error as its message", async () => {
  const client = await connect("fail");
  expect(await send(client, "Why?")).toMatchObject({
    status: { state: "TASK_STATE_FAILED", message: { parts: [{ text: "answer: cannot do that" }] } },
  });
});

test("a task that is only begun is read, listed, subscribed to late, and ends", async () => {
  const client = await connect("slow");
  const before = slow.calls;
  const task = await send(client, "Slowly?", { contextId: "slow-context" }, true);
  expect(task["status"].state).toBe("TASK_STATE_WORKING");
  await until(() => slow.calls > before);
  slow.say(2);
  let seen = "";
  const following = follow(client.resubscribeTask({ tenant: "", id: task["id"] }), (text) => (seen = text));
  await until(() => seen === "w0 w1 ");
  const listed = await client.listTasks({
    tenant: "",
    contextId: "slow-context",
    status: undefined,
    pageSize: 10,
    pageToken: "",
    historyLength: undefined,
    statusTimestampAfter: undefined,
    includeArtifacts: undefined,
  } as never);
  expect(listed.tasks.map(({ id }) => id)).toEqual([task["id"]]);
  slow.say(1);
  slow.end();
  expect(await following).toMatchObject({ artifacts: { answer: "w0 w1 w2 " } });
  const late = follow(client.resubscribeTask({ tenant: "", id: task["id"] }));
  await expect(late).rejects.toMatchObject({ name: expect.stringContaining("UnsupportedOperation") });
});

test("a stream goes on over a crash of the run's object, with each word once", async () => {
  const client = await connect("slow");
  const before = slow.calls;
  let seen = "";
  const stream = client.sendMessageStream(message("Crash?", { contextId: "crash-context" }));
  const following = follow(stream, (text) => (seen = text));
  await until(() => slow.calls > before);
  slow.say(2);
  await until(() => seen === "w0 w1 ");
  const listed = await coordinator.api("GET", "/v1/executions?conversation_id=crash-context");
  await coordinator.abort(listed.body.data[0].execution_id);
  await until(() => slow.calls > before + 1);
  slow.say(3);
  slow.end();
  expect((await following).artifacts).toEqual({ answer: "w0 w1 w2 " });
});

test("cancel ends a task, and one that has ended cannot be cancelled", async () => {
  const client = await connect("slow");
  const before = slow.calls;
  const { id } = await send(client, "Cancel?", {}, true);
  await until(() => slow.calls > before);
  const cancelled = await client.cancelTask({ tenant: "", id: String(id), metadata: undefined });
  expect(Task.toJSON(cancelled)).toMatchObject({ status: { state: "TASK_STATE_CANCELED" } });
  await expect(client.cancelTask({ tenant: "", id: String(id), metadata: undefined })).rejects.toMatchObject({
    name: expect.stringContaining("NotCancelable"),
  });
});

test("a task that is not there, or another pipeline's, is not found", async () => {
  const client = await connect("full");
  await expect(get(client, "nothing")).rejects.toMatchObject({
    name: expect.stringContaining("TaskNotFound"),
  });
  const other = await send(await connect("both"), "Both?");
  await expect(get(client, other["id"])).rejects.toMatchObject({
    name: expect.stringContaining("TaskNotFound"),
  });
});

test("a question to a person needs input: the answer is held to its schema, and the task goes on", async () => {
  const client = await connect("asking");
  const asked = await send(client, "Ask?");
  expect(asked).toMatchObject({
    status: {
      state: "TASK_STATE_INPUT_REQUIRED",
      message: {
        parts: [{ text: "Publish this?" }, { data: { stage: "review", schema: { required: ["approved"] } } }],
      },
    },
  });
  const taskId = String(asked["id"]);
  await expect(send(client, { approved: "yes" }, { taskId })).rejects.toThrow(/approved/);
  const answered = await send(client, { approved: true }, { taskId });
  expect(answered).toMatchObject({ id: taskId, status: { state: "TASK_STATE_COMPLETED" } });
  const streamed = await follow(client.sendMessageStream(message("Ask again?")));
  expect(streamed.states.at(-1)).toBe("TASK_STATE_INPUT_REQUIRED");
  const rest = await follow(client.sendMessageStream(message({ approved: true }, { taskId: streamed.id })));
  expect([rest.states.at(-1), rest.artifacts]).toEqual(["TASK_STATE_COMPLETED", { answer: ANSWER }]);
  await expect(send(client, "More?", { taskId })).rejects.toMatchObject({
    name: expect.stringContaining("UnsupportedOperation"),
  });
});

test("a paused run needs input, and a message makes it go on", async () => {
  const client = await connect("slow");
  const before = slow.calls;
  const stream = client.sendMessageStream(message("Pause?"));
  let seen = "";
  const following = follow(stream, (text) => (seen = text));
  await until(() => slow.calls > before);
  slow.say(1);
  await until(() => seen === "w0 ");
  const [running] = (await coordinator.api("GET", "/v1/executions?pipeline=slow&status=running")).body.data;
  await coordinator.api("POST", `/v1/executions/${running.execution_id}/pause`, { mode: "drain" });
  const { id, states } = await following;
  expect(states.at(-1)).toBe("TASK_STATE_INPUT_REQUIRED");
  const going = follow(client.sendMessageStream(message("Go on", { taskId: id })));
  await until(async () => (await coordinator.api("GET", `/v1/executions/${id}`)).body.status === "running");
  slow.say(1);
  slow.end();
  expect((await going).artifacts).toEqual({ answer: "w0 w1 " });
});

test("a run that has spent its budget goes on with the one in a message's data", async () => {
  agents.on("/dear", answers({ answer: "dear" }, { usage: { output_tokens: 8 } }));
  await coordinator.alone("dear", agents.url("/dear"));
  const stages = [
    { name: "draft", agent_type: "dear", cache: false },
    { name: "answer", agent_type: "dear", depends_on: ["draft"], cache: false },
  ];
  await coordinator.api("PUT", "/v1/pipelines/priced", { stages, budget: { tokens: 5 } });
  const client = await connect("priced");
  const { id, states } = await follow(client.sendMessageStream(message("How dear?")));
  expect(states.at(-1)).toBe("TASK_STATE_INPUT_REQUIRED");
  await expect(follow(client.sendMessageStream(message("Go on", { taskId: id })))).rejects.toThrow(/budget/);
  const raise = message({ budget: { tokens: 16 } }, { taskId: id });
  const { artifacts } = await follow(client.sendMessageStream(raise));
  expect(artifacts).toEqual({ answer: "dear" });
});

describe("by hand", () => {
  const post = async (
    path: string,
    body: unknown,
    headers: Record<string, string> = { "a2a-version": "1.0" },
  ) => {
    const response = await coordinator.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, any> };
  };
  const call = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 1, method, params });
  const said = (text: string, more: object = {}) => ({
    message: { messageId: `by-hand-${text}`, role: "ROLE_USER", parts: [{ text }] },
    ...more,
  });

  test("the endpoint of all pipelines runs the one that the message names", async () => {
    const { body } = await post(
      "/a2a",
      call("SendMessage", said("named", { metadata: { pipeline: "full" } })),
    );
    expect(body["result"].task).toMatchObject({ status: { state: "TASK_STATE_COMPLETED" } });
    const read = await post("/a2a", call("GetTask", { id: body["result"].task.id }));
    expect(read.body["result"].status.state).toBe("TASK_STATE_COMPLETED");
  });

  test("a message to a task in another context than the task's is refused, and names both", async () => {
    const path = "/v1/pipelines/asking/a2a";
    const asked = await post(path, call("SendMessage", said("asked")));
    const { id, contextId } = asked.body["result"].task;
    const answer = (context: string | null) => ({
      message: {
        messageId: "by-hand-answer",
        taskId: id,
        contextId: context,
        role: "ROLE_USER",
        parts: [{ data: { approved: true } }],
      },
    });
    for (const method of ["SendMessage", "SendStreamingMessage"]) {
      const { body } = await post(path, call(method, answer("another")));
      expect(body["error"]).toMatchObject({
        code: -32_602,
        message: `/params/message/contextId another is not the context of /params/message/taskId ${id}`,
      });
    }
    const read = await post(path, call("GetTask", { id }));
    expect(read.body["result"].status.state).toBe("TASK_STATE_INPUT_REQUIRED");
    const done = await post(path, call("SendMessage", answer(contextId)));
    expect(done.body["result"].task.status.state).toBe("TASK_STATE_COMPLETED");
  });

  test("a request without a version, or of another one, is refused", async () => {
    const path = "/v1/pipelines/full/a2a";
    for (const headers of [
      {} as Record<string, string>,
      { "a2a-version": "0.3" },
      { "a2a-version": "2.0" },
    ]) {
      const { body } = await post(path, call("GetTask", { id: "x" }), headers);
      expect(body["error"]).toMatchObject({ code: -32_009, data: [{ reason: "VERSION_NOT_SUPPORTED" }] });
    }
  });

  test("what is no message is refused, and names its place", async () => {
    const path = "/v1/pipelines/full/a2a";
    const refused = async (params: object) => (await post(path, call("SendMessage", params))).body["error"];
    expect(await refused({})).toMatchObject({
      code: -32_602,
      message: expect.stringContaining("/params/message"),
    });
    expect(
      await refused({ message: { messageId: "x", parts: [{ url: "https://a.example" }] } }),
    ).toMatchObject({
      message: "/params/message/parts must hold text or data",
    });
    const long = { message: { messageId: "long", contextId: "x".repeat(200), parts: [{ text: "q" }] } };
    expect(await refused(long)).toMatchObject({
      code: -32_602,
      message: expect.stringContaining("contextId"),
    });
    expect((await post(path, [])).body["error"].code).toBe(-32_600);
    expect((await post(path, call("Sing"))).body["error"].code).toBe(-32_601);
    const push = await post(path, call("CreateTaskPushNotificationConfig"));
    expect(push.body["error"]).toMatchObject({
      code: -32_003,
      data: [{ reason: "PUSH_NOTIFICATION_NOT_SUPPORTED" }],
    });
    const gone = await post("/v1/pipelines/nothing/a2a", call("SendMessage", said("gone")));
    expect(gone.body["error"]).toMatchObject({ code: -32_602, message: "there is no pipeline nothing" });
  });
});
