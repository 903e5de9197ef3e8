// Agents with an AG-UI endpoint. Each event that they send is checked by the protocol's own schema, and so is
// each input that they get.
import { RunAgentInputSchema } from "@ag-ui/core/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentCall } from "../../../../../src/contract/agent.ts";
import {
  asks,
  end,
  type Event,
  finished,
  say,
  snapshot,
  start,
  STARTED,
  streamsRun,
} from "../../../../support/agents/ag-ui-events.ts";
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

function run(behaviour: Behaviour, options: Record<string, unknown> = {}, call: Partial<AgentCall> = {}) {
  agents.on("/run", behaviour);
  return callAgent({ url: agents.url("/run"), protocol: "ag-ui", options }, call);
}
const sent = () => RunAgentInputSchema.parse(JSON.parse(agents.callsOf("/run").at(-1)?.text ?? ""));

describe("what is sent", () => {
  test("the conversation, the query, and what dependencies have made as context", async () => {
    await run(
      streamsRun([STARTED, finished()]),
      { prompt: "Q: {{query}}", forwarded_props: { mode: "fast" }, state: { n: 1 } },
      {
        history: [{ query: "Hi", answer: { answer: "Hello." } }],
        inputs: { search: { found: [1] }, none: null },
      },
    );
    expect(sent()).toEqual({
      threadId: "c1",
      runId: "e1.say",
      protocolVersion: "1.0",
      state: { n: 1 },
      messages: [
        { id: "e1.say.history.0", role: "user", content: "Hi" },
        { id: "e1.say.history.1", role: "assistant", content: "Hello." },
        { id: "e1.say.user", role: "user", content: "Q: Why is the sky blue?" },
      ],
      tools: [],
      context: [{ description: "search", value: '{"found":[1]}' }],
      forwardedProps: { mode: "fast" },
    });
    expect(agents.callsOf("/run").at(-1)?.headers.accept).toBe("text/event-stream");
  });

  test("the query alone without options", async () => {
    await run(streamsRun([STARTED, finished()]));
    expect(sent()).toMatchObject({
      state: {},
      messages: [{ role: "user", content: "Why is the sky blue?" }],
    });
  });
});

describe("what is read", () => {
  test("texts, steps, thoughts, the result and the counts", async () => {
    const called = await run(
      streamsRun([
        STARTED,
        { type: "STEP_STARTED", stepName: "look it up" },
        { type: "REASONING_START", messageId: "r" },
        { type: "REASONING_MESSAGE_CONTENT", messageId: "r", delta: "hm" },
        start("m"),
        say("m", "Light "),
        say("m", "scatters."),
        end("m"),
        { type: "CUSTOM", name: "x", value: 1 },
        finished({
          outcome: { type: "success" },
          result: { citations: [{ title: "Sky" }] },
          usage: [
            { model: "a", inputTokens: 5, outputTokens: 2, totalTokens: 7 },
            { model: "b", inputTokens: 1, cachedInputTokens: 1 },
          ],
        }),
      ]),
    );
    expect(called).toMatchObject({
      text: "Light scatters.",
      progress: ["look it up", "thinking"],
      outcome: {
        ok: true,
        answer: {
          data: { answer: "Light scatters.", citations: [{ title: "Sky" }] },
          usage: { input_tokens: 6, output_tokens: 2, cached_input_tokens: 1 },
        },
      },
    });
  });

  test("chunks, of which only a message's first names it", async () => {
    const chunk = (more: object): Event => ({ type: "TEXT_MESSAGE_CHUNK", ...more });
    const called = await run(
      streamsRun([
        STARTED,
        chunk({ messageId: "m", role: "assistant", delta: "Li" }),
        chunk({ delta: "ght" }),
        finished(),
      ]),
    );
    expect(dataOf(called)).toEqual({ answer: "Light" });
  });

  test("several messages with a blank line between; those of others and of subagents are no answer", async () => {
    const called = await run(
      streamsRun([
        STARTED,
        start("a"),
        say("a", "One."),
        end("a"),
        start("u", "user"),
        say("u", "not this"),
        { ...say("s", "nor this"), subagentRunId: "sub" },
        start("b"),
        say("b", "Two."),
        end("b"),
        finished({ usage: [{ provider: "p", model: "m", inputTokens: 3 }] }),
      ]),
    );
    expect(called.text).toBe("One.\n\nTwo.");
    expect(called.outcome).toMatchObject({
      answer: { data: { answer: "One.\n\nTwo." }, usage: { provider: "p", model: "m", input_tokens: 3 } },
    });
  });

  test.each([
    [{ answer: "mine" }, { answer: "mine" }],
    ["words", { answer: "words" }],
    [[1], { answer: "", result: [1] }],
    [{ score: 1 }, { score: 1 }],
    [{}, { answer: "" }],
  ])("the result %j without any text", async (result, data) => {
    expect(dataOf(await run(streamsRun([STARTED, finished({ result })])))).toEqual(data);
  });
});

describe("a snapshot of the messages", () => {
  const user = { id: "e1.say.user", role: "user", content: "Why?" };

  test("takes back what it has not: of the result, and of what was streamed", async () => {
    const called = await run(
      streamsRun([
        STARTED,
        start("a"),
        say("a", "Light is 🦁"),
        end("a"),
        snapshot(user, { id: "b", role: "assistant", content: "Light is 🦀" }),
        say("b", " now"),
        finished(),
      ]),
    );
    expect(called.deltas).toEqual(["Light is 🦁", "🦀@9", " now"]);
    expect(called.text).toBe("Light is 🦀 now");
    expect(dataOf(called)).toEqual({ answer: "Light is 🦀 now" });
  });

  test("without any answer empties it; a new message follows", async () => {
    const called = await run(
      streamsRun([
        STARTED,
        start("a"),
        say("a", "Wrong"),
        end("a"),
        snapshot(user),
        start("b"),
        say("b", "Right"),
        end("b"),
        finished(),
      ]),
    );
    expect(called).toMatchObject({ text: "Right", deltas: ["Wrong", "@0", "Right"] });
  });

  test("at the end of a run that streams nothing has the answer; what was sent is none", async () => {
    const called = await run(
      streamsRun([
        STARTED,
        snapshot(
          { id: "e1.say.history.1", role: "assistant", content: "Hello." },
          user,
          { id: "t", role: "tool", toolCallId: "c", content: "42" },
          { id: "a", role: "assistant", content: "Because." },
        ),
        finished(),
      ]),
    );
    expect(called).toMatchObject({ text: "Because." });
    expect(dataOf(called)).toEqual({ answer: "Because." });
  });
});

describe("the state", () => {
  const delta = (...operations: object[]): Event => ({ type: "STATE_DELTA", delta: operations });

  test("is in the data where it is kept", async () => {
    const events = [
      STARTED,
      { type: "STATE_SNAPSHOT", snapshot: { list: [1, 2], "a/b": { c: 1 } } },
      delta({ op: "replace", path: "/a~1b/c", value: 2 }, { op: "remove", path: "/list/0" }),
      finished(),
    ];
    expect(dataOf(await run(streamsRun(events), { keep_state: true }))).toEqual({
      answer: "",
      state: { list: [2], "a/b": { c: 2 } },
    });
    expect(dataOf(await run(streamsRun(events)))).toEqual({ answer: "" });
  });

  test("begins with the one that was sent, which stays as it was registered", async () => {
    const options = { keep_state: true, state: { n: 1 } };
    const called = await run(
      streamsRun([STARTED, delta({ op: "add", path: "/m", value: 2 }), finished()]),
      options,
    );
    expect(dataOf(called)).toEqual({ answer: "", state: { n: 1, m: 2 } });
    expect(options.state).toEqual({ n: 1 });
  });

  test("that a patch does not fit violates the contract", async () => {
    const called = await run(streamsRun([STARTED, delta({ op: "remove", path: "/gone" }), finished()]), {
      keep_state: true,
    });
    expect(errorOf(called)).toMatchObject({ retry: "once" });
    expect(errorOf(called).message).toMatch(/STATE_DELTA: operation 0 finds no member gone/);
  });
});

describe("a run that asks", () => {
  test("fails a call whose stage does not wait, and is not asked again", async () => {
    const called = await run(streamsRun([STARTED, asks({ id: "i1", reason: "r", message: "Send it?" })]));
    expect(errorOf(called)).toMatchObject({
      code: "AGENT_PROCESSING_ERROR",
      status: 422,
      message: "the agent asks for more: Send it?",
      retry: "no",
    });
  });
});

describe("what fails", () => {
  const text = [STARTED, start("m"), say("m", "Li")];
  test.each<[string, Behaviour, string, RegExp]>([
    ["no end", streamsRun(text), "yes", /truncated: .*RUN_FINISHED/],
    ["a connection that is lost", streamsRun(text, true), "yes", /truncated/],
    ["RUN_ERROR", streamsRun([...text, { type: "RUN_ERROR", message: "no luck" }]), "yes", /^no luck$/],
    [
      "RUN_ERROR with a status",
      streamsRun([{ type: "RUN_ERROR", message: "no", code: "403" }]),
      "no",
      /^no$/,
    ],
    [
      "cancelled",
      streamsRun([...text, finished({ outcome: { type: "cancelled" } })]),
      "no",
      /cancelled its run/,
    ],
    [
      "an event that is not JSON",
      (_call, response) =>
        void response.writeHead(200, { "content-type": "text/event-stream" }).end("data: {nonsense\n\n"),
      "once",
      /violates the contract/,
    ],
    [
      "JSON",
      (_call, response) => void response.setHeader("content-type", "application/json").end("{}"),
      "once",
      /content type/,
    ],
    [
      "422",
      (_call, response) =>
        void response.writeHead(422, { "content-type": "application/json" }).end('{"detail":"no thread"}'),
      "no",
      /^no thread$/,
    ],
  ])("%s", async (_name, behaviour, retry, message) => {
    const error = errorOf(await run(behaviour));
    expect(error.retry).toBe(retry);
    expect(error.message).toMatch(message);
  });

  test("a result that could hurt later", async () => {
    const called = await run((_call, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(
        'data: {"type":"RUN_FINISHED","threadId":"c1","runId":"r","result":{"__proto__":{"a":1}}}\r\n\r\n',
      );
    });
    expect(errorOf(called).message).toMatch(/the key __proto__ is not allowed/);
  });
});
