// OpenAI's Responses API with the clients that people have, against the coordinator in real workerd: in one piece, streamed,
// in the background, taken up again in the middle of a word, cancelled, and in a conversation.
import { createOpenAI } from "@ai-sdk/openai";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let openai: OpenAI;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
  openai = new OpenAI({ baseURL: `${coordinator.url}/v1`, apiKey: "none" });
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const input = "How cheap is solar?";
const textIn = (events: readonly ResponseStreamEvent[]) =>
  events.flatMap((event) => (event.type === "response.output_text.delta" ? [event.delta] : [])).join("");

/** A response of the slow pipeline in the background, whose agent has been called. */
async function slowly(body: object = {}) {
  const before = slow.calls;
  const response = await openai.responses.create({ model: "slow", input, background: true, ...body });
  await until(() => slow.calls > before);
  return response;
}

describe("openai", () => {
  test("a response in one piece: text, annotations, usage", async () => {
    const response = await openai.responses.create({ model: "full", input });
    expect(response).toMatchObject({
      object: "response",
      status: "completed",
      model: "full",
      output_text: ANSWER,
      usage: { input_tokens: 12, output_tokens: 7, total_tokens: 19 },
      error: null,
    });
    const [message] = response.output;
    const [part] = message?.type === "message" ? message.content : [];
    expect(part).toMatchObject({
      type: "output_text",
      annotations: [{ type: "url_citation", url: "https://example.org/wind", title: "Wind" }],
    });
    expect(await openai.responses.retrieve(response.id)).toMatchObject({
      status: "completed",
      output_text: ANSWER,
    });
  });

  test("a stream has its events in their order, each with a higher number", async () => {
    const events = await Array.fromAsync(
      await openai.responses.create({ model: "full", input, stream: true }),
    );
    const numbers = events.map(({ sequence_number }) => sequence_number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect([...new Set(events.map(({ type }) => type))]).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.annotation.added",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(textIn(events)).toBe(ANSWER);
    const [first] = events;
    const id = first?.type === "response.created" ? first.response.id : "";
    // The same stream again, of a run that has ended: the same numbers at the same places.
    const again = await Array.fromAsync(await openai.responses.retrieve(id, { stream: true }));
    expect(textIn(again)).toBe(ANSWER);
    const placeOf = (list: readonly ResponseStreamEvent[], type: string) =>
      list.findLast((event) => event.type === type)?.sequence_number;
    for (const { type } of events) expect(placeOf(again, type), type).toBe(placeOf(events, type));
  });

  test("its own helper puts the response together", async () => {
    const runner = openai.responses.stream({ model: "full", input });
    expect(await runner.finalResponse()).toMatchObject({ status: "completed", output_text: ANSWER });
  });

  test("a text that begins again leaves no trace in the final response", async () => {
    await coordinator.agent("t_flaky", agents.url("/flaky"));
    const runner = openai.responses.stream({ model: "flaky", input });
    expect((await runner.finalResponse()).output_text).toBe("Right answer");
  });

  test("two last stages are two messages", async () => {
    const response = await openai.responses.create({ model: "both", input });
    expect(response.output.map((item) => (item.type === "message" ? item.content : [])).flat()).toMatchObject(
      [{ text: "Left" }, { text: "Right" }],
    );
  });

  test("in the background it is polled until it has ended", async () => {
    const started = await slowly({ metadata: { ticket: "7" }, instructions: "Be brief." });
    expect(started).toMatchObject({ status: "in_progress", background: true, output: [], usage: null });
    slow.say(3);
    slow.end();
    await until(async () => (await openai.responses.retrieve(started.id)).status === "completed");
    expect(await openai.responses.retrieve(started.id)).toMatchObject({
      output_text: "w0 w1 w2 ",
      background: true,
      instructions: "Be brief.",
      metadata: { ticket: "7" },
    });
  });

  test("a stream that broke off goes on after any of its events, with each unit of the text once", async () => {
    const started = await slowly();
    slow.say(2);
    const events: ResponseStreamEvent[] = [];
    const reading = await openai.responses.retrieve(started.id, { stream: true });
    for await (const event of reading) {
      events.push(event);
      if (textIn(events) === "w0 w1 ") break;
    }
    slow.say(2);
    slow.end();
    await until(async () => (await openai.responses.retrieve(started.id)).status === "completed");
    const whole = await Array.fromAsync(await openai.responses.retrieve(started.id, { stream: true }));
    expect(textIn(whole)).toBe("w0 w1 w2 w3 ");
    for (const { sequence_number } of events) {
      const had = events.filter((event) => event.sequence_number <= sequence_number);
      const options = { stream: true as const, starting_after: sequence_number };
      const rest = await Array.fromAsync(await openai.responses.retrieve(started.id, options));
      expect(textIn(had) + textIn(rest), String(sequence_number)).toBe("w0 w1 w2 w3 ");
      expect(rest.every((event) => event.sequence_number > sequence_number)).toBe(true);
      expect(rest.at(-1)?.type).toBe("response.completed");
    }
    // In the middle of a word.
    const cut = (events.at(-1)?.sequence_number ?? 0) - 2;
    const rest = await Array.fromAsync(
      await openai.responses.retrieve(started.id, { stream: true, starting_after: cut }),
    );
    expect(textIn(rest)).toBe("1 w2 w3 ");
  });

  test("its helper takes a response up again by its id", async () => {
    const started = await slowly();
    slow.say(1);
    const runner = openai.responses.stream({ response_id: started.id, starting_after: 1 });
    slow.say(1);
    slow.end();
    expect((await runner.finalResponse()).output_text).toBe("w0 w1 ");
  });

  test("a stream goes on over a crash of the run's object, with each word once", async () => {
    const before = slow.calls;
    const stream = await openai.responses.create({ model: "slow", input, stream: true });
    const events: ResponseStreamEvent[] = [];
    const reading = (async () => {
      for await (const event of stream) events.push(event);
    })();
    await until(() => slow.calls > before);
    slow.say(2);
    await until(() => textIn(events) === "w0 w1 ");
    const [first] = events;
    const id = first?.type === "response.created" ? first.response.id.replace("resp_", "") : "";
    await coordinator.abort(id);
    await until(() => slow.calls > before + 1);
    slow.say(3);
    slow.end();
    await reading;
    expect(textIn(events)).toBe("w0 w1 w2 ");
  });

  test("cancel ends it, delete forgets it", async () => {
    const started = await slowly();
    await expect(openai.responses.delete(started.id)).rejects.toMatchObject({
      status: 409,
      code: "EXECUTION_CONFLICT",
    });
    expect(await openai.responses.cancel(started.id)).toMatchObject({ id: started.id, status: "cancelled" });
    expect(await openai.responses.cancel(started.id)).toMatchObject({ status: "cancelled" });
    await openai.responses.delete(started.id);
    await expect(openai.responses.retrieve(started.id)).rejects.toMatchObject({
      status: 404,
      code: "EXECUTION_NOT_FOUND",
    });
  });

  test("the next question of a conversation knows the ones before", async () => {
    const first = await openai.responses.create({ model: "full", input: "First?" });
    const second = await openai.responses.create({
      model: "full",
      input: "Second?",
      previous_response_id: first.id,
    });
    expect(second.previous_response_id).toBe(first.id);
    expect(second.conversation?.id).toBe(first.conversation?.id);
    expect(agents.callsOf("/answer").at(-1)?.body.history).toMatchObject([{ query: "First?" }]);
    expect((await openai.responses.retrieve(second.id)).previous_response_id).toBe(first.id);
    await openai.responses.create({
      model: "full",
      input: "Third?",
      conversation: String(first.conversation?.id),
    });
    expect(agents.callsOf("/answer").at(-1)?.body.history).toMatchObject([
      { query: "First?" },
      { query: "Second?" },
    ]);
    const items = [
      { role: "developer" as const, content: "Be brief." },
      { role: "user" as const, content: "Before?" },
      { role: "assistant" as const, content: "So." },
      { role: "user" as const, content: [{ type: "input_text" as const, text: "After?" }] },
    ];
    await openai.responses.create({ model: "full", input: items });
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      query: "After?",
      history: [{ query: "Before?", answer: { answer: "So." } }],
      context: { system: "Be brief." },
    });
    const unknown = openai.responses.create({ model: "full", input, previous_response_id: "resp_gone" });
    await expect(unknown).rejects.toMatchObject({ status: 400, param: "previous_response_id" });
  });

  test("a run that fails is a response that has failed", async () => {
    const response = await openai.responses.create({ model: "fail", input });
    expect(response).toMatchObject({
      status: "failed",
      error: { code: "server_error", message: "answer: cannot do that" },
      output: [],
    });
    const events = await Array.fromAsync(
      await openai.responses.create({ model: "fail", input, stream: true }),
    );
    expect(events.at(-1)?.type).toBe("response.failed");
  });

  test("a question to a person keeps it in progress until it is answered", async () => {
    const started = await openai.responses.create({ model: "asking", input, background: true });
    const id = started.id.replace("resp_", "");
    await until(async () => (await coordinator.api("GET", `/v1/executions/${id}`)).body.status === "waiting");
    expect((await openai.responses.retrieve(started.id)).status).toBe("in_progress");
    await coordinator.api("POST", `/v1/executions/${id}/stages/review/complete`, {
      data: { approved: true },
    });
    await until(async () => (await openai.responses.retrieve(started.id)).status === "completed");
    expect((await openai.responses.retrieve(started.id)).output_text).toBe(ANSWER);
  });

  test("so it does without a background, for longer than a caller who has left is waited for", async () => {
    const started = await openai.responses.create({ model: "asking", input });
    expect(started.status).toBe("in_progress");
    const answered = Date.now();
    await eventually(async () => Date.now() - answered > 8_000, Boolean, 20_000);
    expect((await openai.responses.retrieve(started.id)).status).toBe("in_progress");
    const path = `/v1/executions/${started.id.replace("resp_", "")}/stages/review/complete`;
    await coordinator.api("POST", path, { data: { approved: true } });
    await until(async () => (await openai.responses.retrieve(started.id)).status === "completed");
  });

  test("a caller who leaves before the end cancels the run", async () => {
    const before = slow.calls;
    const leaving = new AbortController();
    const body = { model: "slow", input, conversation: "left" };
    const calling = openai.responses.create(body, { signal: leaving.signal });
    await until(() => slow.calls > before);
    leaving.abort();
    await expect(calling).rejects.toThrow();
    const list = () => coordinator.api("GET", "/v1/executions?conversation_id=left");
    await eventually(list, ({ body: { data } }) => data[0]?.status === "cancelled", 20_000);
  });

  test("what is wrong is refused, and names the member", async () => {
    const refused = (body: object) =>
      openai.responses.create({ model: "full", input, ...body }).then(
        () => "taken",
        (error: InstanceType<typeof OpenAI.APIError>) => [error.status, error.code, error.param],
      );
    expect(await refused({ input: " " })).toEqual([400, "INVALID_REQUEST", "input"]);
    expect(await refused({ input: [{ role: "assistant", content: "x" }] })).toEqual([
      400,
      "INVALID_REQUEST",
      "input",
    ]);
    expect(await refused({ model: "nothing" })).toEqual([404, "model_not_found", "model"]);
    expect(await refused({ conversation: "x".repeat(129) })).toEqual([
      400,
      "INVALID_REQUEST",
      "conversation",
    ]);
    const options = { stream: true as const, starting_after: -1 };
    const { id } = await openai.responses.create({ model: "full", input });
    await expect(openai.responses.retrieve(id, options)).rejects.toMatchObject({
      status: 400,
      param: "starting_after",
    });
  });
});

test("the AI SDK's OpenAI provider, whose default is this API, generates and streams text with its sources", async () => {
  const provider = createOpenAI({ baseURL: `${coordinator.url}/v1`, apiKey: "none" });
  const { text, sources, usage } = await generateText({ model: provider("full"), prompt: input });
  expect([text, usage.totalTokens]).toEqual([ANSWER, 19]);
  expect(sources).toMatchObject([{ sourceType: "url", url: "https://example.org/wind" }]);
  const streamed = streamText({ model: provider("full"), prompt: input });
  expect(await streamed.text).toBe(ANSWER);
  await expect(generateText({ model: provider("fail"), prompt: input })).rejects.toThrow("cannot do that");
});

test("LangChain's ChatOpenAI with useResponsesApi invokes and streams", async () => {
  const configuration = { baseURL: `${coordinator.url}/v1` };
  const model = new ChatOpenAI({ model: "full", apiKey: "none", useResponsesApi: true, configuration });
  expect((await model.invoke(input)).text).toBe(ANSWER);
  const chunks = await Array.fromAsync(await model.stream(input));
  expect(chunks.map(({ text }) => text).join("")).toBe(ANSWER);
});
