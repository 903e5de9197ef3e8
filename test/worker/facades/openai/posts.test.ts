// How often OpenAI's Responses clients send a question, as their requests are counted on the way to the coordinator in real
// workerd: once, also where its run fails; and a Response in the background outlives the stream of its POST.
import { createServer, request as send } from "node:http";
import { URL } from "node:url";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, type LanguageModel, streamText } from "ai";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AgentServer, failsWith, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { onLoopback } from "../../../support/servers/loopback.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let gate: Awaited<ReturnType<typeof onLoopback>>;
/** The requests that have reached the coordinator, by method and path. */
let requests: string[] = [];

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
  agents.on("/down", failsWith(503, { detail: "down for a while" }));
  await coordinator.agent("down", agents.url("/down"));
  await coordinator.configure({ enable_circuit_breaker: false });
  await coordinator.pipeline("down", [{ name: "answer", agent_type: "down", retry_attempts: 1 }]);
  gate = await onLoopback(
    createServer((asked, answer) => {
      const { method, headers } = asked;
      const url = new URL(asked.url ?? "", coordinator.url);
      requests.push(`${method} ${url.pathname.replace(/resp_\w+/, "ID")}`);
      const onward = send(url, { ...(method === undefined ? {} : { method }), headers }, (answered) => {
        answer.writeHead(answered.statusCode ?? 502, answered.headers);
        answered.on("error", () => answer.destroy()).pipe(answer);
      });
      onward.on("error", () => answer.destroy());
      answer.on("close", () => onward.destroy());
      asked.pipe(onward);
    }),
  );
});

beforeEach(() => {
  requests = [];
});

afterAll(() => closeAll(gate, coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const input = "How cheap is solar?";
const baseURL = () => `${gate.url}/v1`;
const openai = () => new OpenAI({ baseURL: baseURL(), apiKey: "none" });
const textIn = (events: readonly ResponseStreamEvent[]) =>
  events.flatMap((event) => (event.type === "response.output_text.delta" ? [event.delta] : [])).join("");

/** The answer to a question, or the message of its error. */
type Ask = (model: string) => Promise<string>;

const langchain = (model: string) =>
  new ChatOpenAI({ model, apiKey: "none", useResponsesApi: true, configuration: { baseURL: baseURL() } });
const provider = () => createOpenAI({ baseURL: baseURL(), apiKey: "none" });
const aiSdk = (model: string) => provider()(model);

/** The text of a stream, or its errors. */
async function streamedText(model: LanguageModel): Promise<string> {
  const errors: unknown[] = [];
  const streamed = streamText({ model, prompt: input, onError: ({ error }) => void errors.push(error) });
  await streamed.consumeStream();
  return errors.length > 0 ? JSON.stringify(errors) : streamed.text;
}

/** It leaves `response.failed` out: a run that fails is a stream without text. */
const SILENT = "LangChain, streamed";
/** It sends a question again where another try may help, as in one piece. */
const PERSISTENT = "the AI SDK's chat completions, streamed";

const CLIENTS: Record<string, Ask> = {
  "openai, in one piece": async (model) => {
    const { output_text, error } = await openai().responses.create({ model, input });
    return error?.message ?? output_text;
  },
  "openai, streamed": async (model) => {
    const events = await Array.fromAsync(await openai().responses.create({ model, input, stream: true }));
    const last = events.at(-1);
    return last?.type === "response.failed" ? (last.response.error?.message ?? "") : textIn(events);
  },
  "openai's helper": async (model) => {
    const { output_text, error } = await openai().responses.stream({ model, input }).finalResponse();
    return error?.message ?? output_text;
  },
  "openai, in the background": async (model) => {
    const { id } = await openai().responses.create({ model, input, background: true });
    const ended = await eventually(
      () => openai().responses.retrieve(id),
      ({ status }) => status !== "in_progress",
    );
    return ended.error?.message ?? ended.output_text;
  },
  "the AI SDK, in one piece": async (model) =>
    (await generateText({ model: aiSdk(model), prompt: input })).text,
  "the AI SDK, streamed": (model) => streamedText(aiSdk(model)),
  [PERSISTENT]: (model) => streamedText(provider().chat(model)),
  "the AI SDK's compatible provider, streamed": (model) =>
    streamedText(createOpenAICompatible({ name: "coordinator", baseURL: baseURL() }).chatModel(model)),
  "LangChain, in one piece": async (model) => (await langchain(model).invoke(input)).text,
  [SILENT]: async (model) =>
    (await Array.fromAsync(await langchain(model).stream(input))).map(({ text }) => text).join(""),
};

describe.each(Object.entries(CLIENTS))("%s", (client, ask) => {
  const posted = () => requests.filter((request) => request.startsWith("POST "));

  test("asks once", async () => {
    expect(await ask("full")).toBe(ANSWER);
    expect(posted()).toHaveLength(1);
  });

  const failing = [
    ["fail", "cannot do that"],
    ["down", "down for a while"],
  ] as const;
  test.each(client === PERSISTENT ? failing.slice(0, 1) : failing)(
    "asks once where the run fails (%s)",
    async (model, why) => {
      const said = await ask(model).catch((error: Error) => error.message);
      expect(said).toContain(client === SILENT ? "" : why);
      expect(posted()).toHaveLength(1);
    },
  );
});

test("a Response in the background, whose POST's stream has broken, ends with the same text after `starting_after`", async () => {
  const before = slow.calls;
  const stream = await openai().responses.create({ model: "slow", input, background: true, stream: true });
  const had: ResponseStreamEvent[] = [];
  const reading = (async () => {
    for await (const event of stream) had.push(event);
  })();
  await until(() => slow.calls > before);
  slow.say(3);
  await until(() => textIn(had) === "w0 w1 w2 ");
  gate.drop();
  await expect(reading).rejects.toThrow();
  const [first] = had;
  const id = first?.type === "response.created" ? first.response.id : "";
  expect((await openai().responses.retrieve(id)).status).toBe("in_progress");
  slow.say(2);
  const starting_after = had.at(-1)?.sequence_number ?? 0;
  const resumed = await openai().responses.retrieve(id, { stream: true, starting_after });
  const rest: ResponseStreamEvent[] = [];
  for await (const event of resumed) {
    rest.push(event);
    if (textIn(rest) === "w3 w4 ") slow.say(1);
    if (textIn(rest) === "w3 w4 w5 ") slow.end();
  }
  const whole = "w0 w1 w2 w3 w4 w5 ";
  expect(textIn(had) + textIn(rest)).toBe(whole);
  expect(rest.every(({ sequence_number }) => sequence_number > starting_after)).toBe(true);
  const last = rest.at(-1);
  expect(last?.type).toBe("response.completed");
  const { output_text, status } = await openai().responses.retrieve(id);
  expect([output_text, status]).toEqual([whole, "completed"]);
  expect(requests).toEqual([
    "POST /v1/responses",
    ...Array.from({ length: 3 }, () => "GET /v1/responses/ID"),
  ]);
  expect(slow.calls).toBe(before + 1);
});
