// OpenAI's chat completions with the clients that people have, against the coordinator in real workerd: openai itself, the
// AI SDK's provider for compatible endpoints, LangChain. A run that fails for good is posted once by each of them.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, failsWith, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let openai: OpenAI;
/** The requests that the clients have made, by method and path. */
const posts: string[] = [];
const counted: typeof fetch = (input, init) => {
  const { method, url } = new Request(input, { method: init?.method ?? "GET" });
  posts.push(`${method} ${new URL(url).pathname}`);
  return fetch(input, init);
};

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
  agents.on("/down", failsWith(503, { detail: "down for a while" }));
  await coordinator.agent("down", agents.url("/down"));
  await coordinator.pipeline("down", [{ name: "answer", agent_type: "down", retry_attempts: 1 }]);
  openai = new OpenAI({ baseURL: `${coordinator.url}/v1`, apiKey: "none", fetch: counted });
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const user = (content: string) => ({ role: "user" as const, content });
const ask = (model: string, content = "How cheap is solar?") => ({ model, messages: [user(content)] });
const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

describe("openai", () => {
  test("an answer in one piece: text, annotations, usage, the execution as the request's id", async () => {
    const { data, request_id } = await openai.chat.completions.create(ask("full")).withResponse();
    expect(data).toMatchObject({
      object: "chat.completion",
      model: "full",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: ANSWER } }],
      usage: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 },
    });
    const [annotation] = data.choices[0]?.message.annotations ?? [];
    const { url, start_index, end_index } = annotation?.url_citation ?? {
      url: "",
      start_index: 0,
      end_index: 0,
    };
    expect([url, ANSWER.slice(start_index, end_index)]).toEqual(["https://example.org/wind", "[2]"]);
    expect(data.id).toBe(`chatcmpl-${request_id}`);
    expect((await show(String(request_id))).status).toBe("completed");
  });

  test("an answer in chunks, with the usage at its end where it is asked for", async () => {
    const stream = await openai.chat.completions.create({
      ...ask("full"),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const ends: unknown[] = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.choices[0]?.finish_reason != null) ends.push(chunk.choices[0].finish_reason);
      if (chunk.usage != null) ends.push(chunk.usage.total_tokens);
    }
    expect([text, ends]).toEqual([ANSWER, ["stop", 19]]);
  });

  test("its own helper puts the same together", async () => {
    const runner = openai.chat.completions.stream(ask("full"));
    expect(await runner.finalContent()).toBe(ANSWER);
    expect((await runner.finalChatCompletion()).choices[0]?.finish_reason).toBe("stop");
  });

  test("agents get the system's words, the sampling and the turns before", async () => {
    await openai.chat.completions.create({
      model: "full",
      temperature: 0.2,
      tools: [],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "developer", content: [{ type: "text", text: "No lists." }] },
        user("First?"),
        { role: "assistant", content: "One." },
        { role: "user", content: [{ type: "text", text: "Second?" }] },
      ],
    });
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      query: "Second?",
      history: [{ query: "First?", answer: { answer: "One." } }],
      context: { system: "Be brief.\n\nNo lists.", sampling: { temperature: 0.2 } },
    });
  });

  test("a conversation that is named is remembered, one that is not is none", async () => {
    const metadata = { conversation_id: "openai-1" };
    await openai.chat.completions.create({ ...ask("full", "First?"), metadata });
    await openai.chat.completions.create({ ...ask("full", "Second?"), metadata });
    expect(agents.callsOf("/answer").at(-1)?.body.history).toMatchObject([{ query: "First?" }]);
    await openai.chat.completions.create(ask("full", "Third?"));
    expect(agents.callsOf("/answer").at(-1)?.body.history).toEqual([]);
    const { conversation_id } = agents.callsOf("/answer").at(-1)?.body ?? {};
    expect((await coordinator.api("GET", `/v1/conversations/${conversation_id}`)).body.data).toEqual([]);
  });

  test("a text that begins again is a new paragraph, and the end says so", async () => {
    await coordinator.agent("t_flaky", agents.url("/flaky"));
    const chunks = await Array.fromAsync(
      await openai.chat.completions.create({ ...ask("flaky"), stream: true }),
    );
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toBe("Wrong start\n\nRight answer");
    expect(chunks.at(-1)).toMatchObject({ coordinator: { restarted: true } });
  });

  test("two last stages are two paragraphs", async () => {
    const { choices } = await openai.chat.completions.create(ask("both"));
    expect(choices[0]?.message.content).toBe("Left\n\nRight");
  });

  test("models are pipelines", async () => {
    const models = await Array.fromAsync(openai.models.list());
    expect(models.map(({ id }) => id)).toEqual(expect.arrayContaining(["fail", "full", "rag"]));
    expect(await openai.models.retrieve("full")).toMatchObject({ id: "full", object: "model" });
    await expect(openai.models.retrieve("nothing")).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
  });

  test("a run that has failed for good is posted once, and the error names its stage", async () => {
    posts.length = 0;
    await expect(openai.chat.completions.create(ask("fail"))).rejects.toMatchObject({
      status: 400,
      code: "AGENT_PROCESSING_ERROR",
      param: "answer",
      type: "server_error",
      message: expect.stringContaining("answer: cannot do that"),
    });
    await expect(openai.chat.completions.create(ask("down"))).rejects.toMatchObject({
      status: 503,
      code: "AGENT_UNAVAILABLE",
    });
    expect(posts).toHaveLength(2);
  });

  test("a run that fails in mid-stream throws, with the code", async () => {
    const stream = await openai.chat.completions.create({ ...ask("fail"), stream: true });
    await expect(Array.fromAsync(stream)).rejects.toMatchObject({ code: "AGENT_PROCESSING_ERROR" });
  });

  test("what cannot be met is refused, and names the member", async () => {
    const refused = (body: object) =>
      openai.chat.completions.create({ ...ask("full"), ...body }).then(
        () => "taken",
        (error: InstanceType<typeof OpenAI.APIError>) => [error.status, error.type, error.param],
      );
    const invalid = "invalid_request_error";
    expect(await refused({ n: 2 })).toEqual([400, invalid, "n"]);
    expect(await refused({ tool_choice: "required" })).toEqual([400, invalid, "tool_choice"]);
    expect(await refused({ messages: [] })).toEqual([400, invalid, "messages"]);
    expect(await refused({ messages: [user("")] })).toEqual([400, invalid, "messages.0.content"]);
    expect(await refused({ messages: [{ role: "robot", content: "x" }] })).toEqual([
      400,
      invalid,
      "messages.0.role",
    ]);
    expect(await refused({ metadata: { conversation_id: "x".repeat(200) } })).toEqual([
      400,
      invalid,
      "metadata.conversation_id",
    ]);
    expect(await refused({ model: "nothing" })).toEqual([404, invalid, "model"]);
    expect(await refused({ anything: "else", parallel_tool_calls: false })).toBe("taken");
  });

  test("a client that leaves cancels its run once the grace is over", async () => {
    const before = slow.calls;
    const leaving = new AbortController();
    const stream = await openai.chat.completions.create(
      { ...ask("slow"), stream: true },
      { signal: leaving.signal },
    );
    await until(() => slow.calls > before);
    slow.say(1);
    const chunks = stream[Symbol.asyncIterator]();
    const first = await chunks.next();
    leaving.abort();
    const id = (first.value as { id: string }).id.replace("chatcmpl-", "");
    await until(async () => (await show(id)).status === "cancelled");
  });

  test("a stream goes on over a crash of the run's object, with each word once", async () => {
    const before = slow.calls;
    const { data: stream, request_id } = await openai.chat.completions
      .create({ ...ask("slow"), stream: true })
      .withResponse();
    let text = "";
    const reading = (async () => {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
    })();
    await until(() => slow.calls > before);
    slow.say(2);
    await until(() => text === "w0 w1 ");
    await coordinator.abort(String(request_id));
    await until(() => slow.calls > before + 1);
    slow.say(4);
    slow.end();
    await reading;
    expect(text).toBe("w0 w1 w2 w3 ");
  });

  test("a paused run, and one that waits for a person, are errors that no client repeats", async () => {
    posts.length = 0;
    const asking = openai.chat.completions.create(ask("asking"));
    await expect(asking).rejects.toMatchObject({ status: 400, code: "EXECUTION_WAITING" });
    const before = slow.calls;
    const pausing = openai.chat.completions.create({
      ...ask("slow"),
      metadata: { conversation_id: "paused" },
    });
    await until(() => slow.calls > before);
    const listed = await coordinator.api("GET", "/v1/executions?conversation_id=paused");
    await coordinator.api("POST", `/v1/executions/${listed.body.data[0].execution_id}/pause`, {
      mode: "abort",
    });
    await expect(pausing).rejects.toMatchObject({ status: 400, code: "EXECUTION_PAUSED" });
    expect(posts).toHaveLength(2);
  });
});

describe("the AI SDK's provider for compatible endpoints", () => {
  const provider = () =>
    createOpenAICompatible({ name: "coordinator", baseURL: `${coordinator.url}/v1`, fetch: counted });

  test("generates and streams text", async () => {
    const prompt = "How cheap is solar?";
    const { text, usage } = await generateText({ model: provider().chatModel("full"), prompt });
    expect([text, usage.totalTokens]).toEqual([ANSWER, 19]);
    const streamed = streamText({ model: provider().chatModel("full"), prompt });
    expect(await streamed.text).toBe(ANSWER);
  });

  test("a run that has failed for good is posted once, in a stream it is an error", async () => {
    posts.length = 0;
    const model = provider().chatModel("fail");
    await expect(generateText({ model, prompt: "Why?" })).rejects.toThrow("cannot do that");
    expect(posts).toHaveLength(1);
    const errors: unknown[] = [];
    const streamed = streamText({ model, prompt: "Why?", onError: ({ error }) => void errors.push(error) });
    await streamed.consumeStream();
    expect(JSON.stringify(errors)).toContain("AGENT_PROCESSING_ERROR");
  });
});

describe("LangChain", () => {
  const model = (name: string) =>
    new ChatOpenAI({
      model: name,
      apiKey: "none",
      configuration: { baseURL: `${coordinator.url}/v1`, fetch: counted },
    });
  const messages = [new SystemMessage("Be brief."), new HumanMessage("How cheap is solar?")];

  test("invokes and streams", async () => {
    const whole = await model("full").invoke(messages);
    expect(whole).toMatchObject({ content: ANSWER, usage_metadata: { total_tokens: 19 } });
    const chunks = await Array.fromAsync(await model("full").stream(messages));
    expect(chunks.map(({ text }) => text).join("")).toBe(ANSWER);
  });

  test("a run that has failed for good is posted once", async () => {
    posts.length = 0;
    await expect(model("fail").invoke(messages)).rejects.toThrow("cannot do that");
    expect(posts).toHaveLength(1);
  });
});
