// Graphs on a LangGraph server: what is sent, and what is made of the state and the messages of a streamed run.
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentCall } from "../../../../../src/contract/agent.ts";
import {
  type AgentServer,
  type Behaviour,
  startAgentServer,
} from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";

let agents: AgentServer;
beforeAll(async () => {
  agents = await startAgentServer();
});
afterAll(() => agents.close());

const PATH = "/graph/runs/stream";
const GRAPH = { assistant_id: "agent" };

function run(behaviour: Behaviour, options: Record<string, unknown> = GRAPH, call: Partial<AgentCall> = {}) {
  agents.on(PATH, behaviour);
  return callAgent({ url: agents.url("/graph"), protocol: "langgraph", options }, call);
}
const sent = () => JSON.parse(agents.callsOf(PATH).at(-1)?.text ?? "") as Record<string, unknown>;

type Event = readonly [event: string, data: unknown];
const streams =
  (
    events: readonly Event[],
    end: (response: ServerResponse) => void = (response) => response.end(),
  ): Behaviour =>
  (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const text = events.map(([event, data]) => `event: ${event}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`);
    response.write(text.join(""), () => end(response));
  };
const METADATA: Event = ["metadata", { run_id: "r", attempt: 1 }];
const piece = (content: unknown, id = "m1", node = "agent", more: object = {}): Event => [
  "messages",
  [{ type: "AIMessageChunk", id, content, ...more }, { langgraph_node: node }],
];
const ai = (content: unknown, id = "m1") => ({ type: "ai", id, content });
const values = (state: object): Event => ["values", state];
const HUMAN = { type: "human", id: "h", content: "Why?" };

describe("what is sent", () => {
  test("the conversation as messages, to a run that leaves nothing behind", async () => {
    await run(streams([values({})]), GRAPH, { history: [{ query: "Hi", answer: "Hello." }] });
    expect(sent()).toEqual({
      assistant_id: "agent",
      input: {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hello." },
          { role: "user", content: "Why is the sky blue?" },
        ],
      },
      stream_mode: ["messages-tuple", "values", "custom"],
      on_disconnect: "cancel",
      on_completion: "delete",
    });
  });

  test("an input of its own, whose places keep their types", async () => {
    const input = {
      question: "{{query}}",
      docs: "{{inputs.search.found}}",
      all: ["of {{inputs.search.found}}"],
      n: 1,
    };
    await run(streams([values({})]), { ...GRAPH, input }, { inputs: { search: { found: [1, 2] } } });
    expect(sent()["input"]).toEqual({
      question: "Why is the sky blue?",
      docs: [1, 2],
      all: ["of [1,2]"],
      n: 1,
    });
  });
});

describe("what is read", () => {
  test("the text as it comes, the last state, and its last message as the answer", async () => {
    const called = await run(
      streams([
        METADATA,
        values({ messages: [HUMAN] }),
        ["custom", { message: "searching" }],
        piece("", "m1", "agent", { additional_kwargs: { reasoning_content: "hm" } }),
        piece([{ type: "text", text: "Light " }]),
        piece("scatters."),
        ["messages", [ai("Light scatters."), { langgraph_node: "agent" }]],
        ["custom", "done"],
        values({ messages: [HUMAN, ai("Light scatters.")], score: 1 }),
      ]),
    );
    expect(called).toMatchObject({ text: "Light scatters.", progress: ["searching", "thinking", "done"] });
    expect(dataOf(called)).toEqual({
      messages: [HUMAN, ai("Light scatters.")],
      score: 1,
      answer: "Light scatters.",
    });
  });

  test("the texts of one node alone, those of a subgraph too", async () => {
    const called = await run(
      streams([
        piece("plan", "p", "planner"),
        [
          "messages|sub:1",
          [{ type: "AIMessageChunk", id: "s", content: "One" }, { langgraph_node: "writer" }],
        ],
        ["messages", [ai("Two", "w"), { langgraph_node: "writer" }]],
        ["messages", [{ type: "tool", id: "t", content: "no" }, { langgraph_node: "writer" }]],
        ["values|sub:1", { inner: true }],
        values({ result: 1 }),
      ]),
      { ...GRAPH, answer_node: "writer" },
    );
    expect(called.text).toBe("One\n\nTwo");
    expect(dataOf(called)).toEqual({ result: 1, answer: "One\n\nTwo" });
  });

  test.each([
    [{ answer: "mine" }, { answer: "mine" }],
    [
      { messages: [HUMAN], answer: "mine" },
      { messages: [HUMAN], answer: "mine" },
    ],
    [{ n: 1 }, { n: 1 }],
  ])("of the state %j", async (state, data) => {
    expect(dataOf(await run(streams([values(state)])))).toEqual(data);
  });
});

describe("what fails", () => {
  test.each<[string, Behaviour, string, RegExp]>([
    ["a stream without a state", streams([METADATA]), "yes", /truncated/],
    [
      "a connection that is lost",
      streams([values({})], (response) => response.destroy()),
      "yes",
      /truncated/,
    ],
    ["an error", streams([["error", { error: "ValueError", message: "no key" }]]), "yes", /^no key$/],
    [
      "an error without a message",
      streams([["error", { error: "GraphRecursionError" }]]),
      "yes",
      /^GraphRecursionError$/,
    ],
    ["a state that is no object", streams([["values", [1]]]), "once", /no object/],
    [
      "JSON",
      (_call, response) => void response.setHeader("content-type", "application/json").end("{}"),
      "once",
      /content type/,
    ],
    [
      "422",
      (_call, response) =>
        void response
          .writeHead(422, { "content-type": "application/json" })
          .end('{"detail":"no such assistant"}'),
      "no",
      /^no such assistant$/,
    ],
  ])("%s", async (_name, behaviour, retry, message) => {
    const error = errorOf(await run(behaviour));
    expect(error.retry).toBe(retry);
    expect(error.message).toMatch(message);
  });

  test.each([
    [{ value: "Send it?" }, "Send it?"],
    [{ value: { message: "Which one?" } }, "Which one?"],
    [{ value: { n: 1 } }, '{"n":1}'],
  ])("a graph that asks %j cannot be answered, and says so", async (interrupt, words) => {
    const called = await run(
      streams([values({ messages: [HUMAN] }), values({ __interrupt__: [interrupt] })]),
    );
    expect(errorOf(called)).toMatchObject({
      status: 422,
      message: `the agent asks for more, and a run without a thread cannot be answered: ${words}`,
      retry: "no",
    });
  });
});
