// Agents of other protocols, of a real coordinator: registered by protocol and options, run in a pipeline, their text
// streamed to its readers.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import {
  asks,
  end,
  finished,
  say,
  snapshot,
  start,
  STARTED,
  streamsRun,
} from "../../support/agents/ag-ui-events.ts";
import { readEvents, type Received, textOf } from "../../support/clients/sse.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_SECRET_LOCAL__MODEL: "Bearer sk-1" });
});
afterAll(() => closeAll(coordinator, agents));

/** Registers the agent, and a pipeline of its name whose one stage is that agent's. */
async function alone(
  name: string,
  registration: Record<string, unknown>,
  stage: Record<string, unknown> = {},
) {
  const { status, body } = await coordinator.api("PUT", `/v1/agents/${name}`, registration);
  expect([status, body]).toMatchObject([201, registration]);
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, retry_attempts: 1, ...stage }]);
}

/** Every event of a run of the pipeline. */
async function events(pipeline: string, on?: (event: Received) => void): Promise<Received[]> {
  const response = await coordinator.fetch("/v1/executions", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: "Why is the sky blue?", conversation_id: pipeline, pipeline }),
  });
  return readEvents(response, on);
}

const MODEL = {
  protocol: "openai",
  headers: { authorization: "secret:MODEL" },
  options: { model: "tiny", prompt: "Answer in one word: {{query}}" },
};
const chunk = (content: string, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ model: "tiny-1", choices: [{ index: 0, delta: { content }, finish_reason }] })}\r\n\r\n`;

test("a language model is an agent: its text is streamed while it is written", async () => {
  let goOn = () => {};
  agents.on("/v1/chat/completions", (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk("Scatter"));
    goOn = () => {
      const usage = { prompt_tokens: 9, completion_tokens: 2 };
      response.end(
        `${chunk("ing.")}${chunk("", "stop")}data: ${JSON.stringify({ choices: [], usage })}\r\n\r\n`,
      );
    };
  });
  await alone("model", { url: agents.url("/v1"), ...MODEL });
  // The model goes on when a reader has its first word.
  const received = await events("model", ({ event, data }) => {
    if (event === "stage.delta" && data.data.partial_answer === "Scatter") goOn();
  });
  expect(textOf(received, "only")).toBe("Scattering.");
  expect(received.at(-1)).toMatchObject({
    event: "execution.completed",
    data: {
      data: {
        final_result: { answer: "Scattering." },
        usage: { input_tokens: 9, output_tokens: 2 },
        stage_results: { only: { usage: { model: "tiny-1" } } },
      },
    },
  });
  const [call] = agents.callsOf("/v1/chat/completions");
  expect(call?.headers.authorization).toBe("Bearer sk-1");
  expect(JSON.parse(call?.text ?? "")).toMatchObject({
    model: "tiny",
    messages: [{ role: "user", content: "Answer in one word: Why is the sky blue?" }],
  });
});

test("a completion in one piece, and a retry after a 429", async () => {
  agents.on("/json/chat/completions", (_call, response, count) => {
    const body =
      count === 1
        ? { error: { message: "Slow down", code: "rate_limit_exceeded" } }
        : { choices: [{ message: { content: "Blue." }, finish_reason: "stop" }] };
    response
      .writeHead(count === 1 ? 429 : 200, { "content-type": "application/json", "retry-after": "0" })
      .end(JSON.stringify(body));
  });
  await alone("whole", { url: agents.url("/json"), ...MODEL }, { retry_attempts: 2 });
  const { body } = await coordinator.run({ pipeline: "whole" });
  expect(body).toMatchObject({
    status: "completed",
    final_result: { answer: "Blue." },
    stage_results: { only: { attempts: 2 } },
  });
});

test("an AG-UI run's text is cut where it takes some back", async () => {
  agents.on(
    "/agui",
    streamsRun([
      STARTED,
      start("a"),
      say("a", "Wrong"),
      end("a"),
      snapshot({ id: "b", role: "assistant", content: "Right" }),
      finished({ result: { score: 1 } }),
    ]),
  );
  await alone("agui", {
    url: agents.url("/agui"),
    protocol: "ag-ui",
    options: { forwarded_props: { a: 1 } },
  });
  const received = await events("agui");
  expect(textOf(received, "only")).toBe("Right");
  expect(received.at(-1)?.data.data.final_result).toEqual({ answer: "Right", score: 1 });
});

test("an AG-UI run that asks fails a stage that does not wait", async () => {
  agents.on("/agui-asks", streamsRun([STARTED, asks({ id: "i", reason: "r", message: "Send it?" })]));
  await alone("agui-asks", { url: agents.url("/agui-asks"), protocol: "ag-ui" });
  const { body } = await coordinator.run({ pipeline: "agui-asks" });
  expect(body.error_info).toMatchObject({
    code: "AGENT_PROCESSING_ERROR",
    message: expect.stringContaining("the agent asks for more: Send it?"),
  });
});

test("a graph's last state is the data", async () => {
  agents.on("/graph/runs/stream", (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const state = { messages: [{ type: "ai", id: "m", content: "Blue." }] };
    response.end(`event: values\ndata: ${JSON.stringify(state)}\n\n`);
  });
  const options = { assistant_id: "agent", input: { question: "{{query}}" } };
  await alone("graph", { url: agents.url("/graph"), protocol: "langgraph", options });
  const { body } = await coordinator.run({ pipeline: "graph" });
  expect(body.final_result).toMatchObject({ answer: "Blue." });
  expect(JSON.parse(agents.callsOf("/graph/runs/stream")[0]?.text ?? "").input).toEqual({
    question: "a question",
  });
});

test.each([
  ["openai", "/v1", { model: "inner" }],
  ["ag-ui", "/v1/pipelines/inner/ag-ui", {}],
  ["mcp", "/mcp", { tool: "inner" }],
  ["a2a", "/v1/pipelines/inner/a2a", {}],
])("a coordinator's own pipeline is an agent of %s to another pipeline", async (protocol, path, options) => {
  const answer = { answer: "Scattering.", score: 1 };
  agents.on("/answer", answers(answer, { usage: { input_tokens: 4, output_tokens: 1 } }));
  // Without a list of hosts it may call itself.
  const open = await startCoordinator();
  await open.alone("inner", agents.url("/answer"));
  const registration = { url: `${open.url}${path}`, protocol, options };
  expect((await open.api("PUT", "/v1/agents/outer", registration)).status).toBe(201);
  await open.pipeline("outer", [{ name: "only", agent_type: "outer", retry_attempts: 1 }]);
  const { body } = await open.run({ pipeline: "outer", query: "Why is the sky blue?" });
  expect(body).toMatchObject({
    status: "completed",
    final_result: {
      openai: { answer: "Scattering." },
      "ag-ui": answer,
      mcp: { answer: "Scattering.", status: "completed", result: answer },
      a2a: answer,
    }[protocol],
    // A tool's result and a task count no tokens.
    usage: protocol === "mcp" || protocol === "a2a" ? {} : { input_tokens: 4, output_tokens: 1 },
  });
  expect(agents.callsOf("/answer").at(-1)?.body.query).toBe("Why is the sky blue?");
  await open.close();
});

describe("options that its protocol has not are refused where the agent is registered", () => {
  test.each([
    [{ protocol: "openai" }, "/options/model", "is required"],
    [
      { protocol: "openai", options: { model: "m", temperatur: 1 } },
      "/options/temperatur",
      "is not a known field",
    ],
    [{ protocol: "openai", options: { model: "m", temperature: 3 } }, "/options/temperature", "3"],
    [{ protocol: "openai", options: { model: "m", output: "xml" } }, "/options/output", "xml"],
    [{ protocol: "ag-ui", options: { state: 1 } }, "/options/state", "1"],
    [{ protocol: "langgraph", options: { assistant_id: "a", answer_node: "" } }, "/options/answer_node", ""],
    [{ protocol: "a2a", options: { context: "x" } }, "/options/context", "x"],
    [{ protocol: "mcp", options: {} }, "/options/tool", "is required"],
    [{ protocol: "native", options: { model: "m" } }, "/options/model", "is not a known field"],
    [{ options: [] }, "/options", ""],
  ])("%j", async (registration, pointer, detail) => {
    const { status, body } = await coordinator.api("PUT", "/v1/agents/bad", {
      url: agents.url("/x"),
      ...registration,
    });
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ pointer, detail: expect.stringContaining(detail) }]);
  });
});

test("a stage's config that its protocol refuses fails the stage, which names the key", async () => {
  await alone("warm", { url: agents.url("/v1"), ...MODEL }, { config: { temperature: "warm" } });
  const { body } = await coordinator.run({ pipeline: "warm" });
  expect(body.error_info).toMatchObject({
    code: "AGENT_UNAVAILABLE",
    message: expect.stringContaining("/temperature of the stage's config"),
  });
});
