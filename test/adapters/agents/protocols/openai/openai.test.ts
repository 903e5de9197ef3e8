// A language model as an agent: what is sent to it, and what is made of what endpoints answer, well and badly.
import type { ServerResponse } from "node:http";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentCall } from "../../../../../src/contract/agent.ts";
import type { CallFailure } from "../../../../../src/core/resilience/classify.ts";
import { retryAfter } from "../../../../../src/core/resilience/classify.ts";
import {
  type AgentServer,
  type Behaviour,
  startAgentServer,
} from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import { eventually } from "../../../../support/eventually.ts";

type Chunk = OpenAI.ChatCompletionChunk;
type Choice = OpenAI.ChatCompletionChunk.Choice;

let agents: AgentServer;
beforeAll(async () => {
  agents = await startAgentServer();
});
afterAll(() => agents.close());

const PATH = "/v1/chat/completions";
const MODEL = { model: "tiny" };

/** One call of an endpoint that behaves so. */
function ask(
  behaviour: Behaviour,
  options: Record<string, unknown> = MODEL,
  call: Partial<AgentCall> = {},
  path = "/v1",
) {
  agents.on(path.replace(/\/?(?=\?|$)/, "/chat/completions"), behaviour);
  const registration = { url: agents.url(path), protocol: "openai" as const, options };
  return callAgent({ ...registration, headers: { authorization: "secret:MODEL" } }, call);
}

const sent = () => JSON.parse(agents.callsOf(PATH).at(-1)?.text ?? "") as Record<string, unknown>;

function chunk(
  delta: Choice["delta"] & Record<string, unknown>,
  finish_reason: Choice["finish_reason"] = null,
): Chunk {
  return {
    id: "x",
    object: "chat.completion.chunk",
    created: 1,
    model: "tiny-2026",
    choices: [{ index: 0, delta, finish_reason }],
  };
}
const COUNTED = {
  ...chunk({}),
  choices: [],
  usage: {
    prompt_tokens: 50,
    completion_tokens: 7,
    total_tokens: 57,
    prompt_tokens_details: { cached_tokens: 40 },
    completion_tokens_details: { reasoning_tokens: 3 },
  },
} satisfies Chunk;
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const DONE = "data: [DONE]\n\n";
const SAID = [data(chunk({ role: "assistant", content: "" })), data(chunk({ content: "Light " }))];
const WHOLE = [...SAID, data(chunk({ content: "scatters." })), data(chunk({}, "stop"))];

/** Streams these texts. @param end what is done then */
const streams =
  (
    texts: readonly string[],
    end: (response: ServerResponse) => void = (response) => response.end(),
  ): Behaviour =>
  (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(texts.join(""), () => end(response));
  };
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Behaviour =>
  (_call, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };

describe("what is sent", () => {
  test("system, the conversation, and the query with what dependencies have made", async () => {
    const history = [
      { query: "Hi", answer: { answer: "Hello." } },
      { query: "Nothing came of this", answer: null },
    ];
    const inputs = { search: { found: [1] }, skipped: null };
    await ask(
      streams([...WHOLE, DONE]),
      { ...MODEL, system: "Be short, {{context.name}}.", temperature: 0.2 },
      {
        history,
        inputs,
        context: { name: "please" },
      },
    );
    expect(sent()).toEqual({
      model: "tiny",
      messages: [
        { role: "system", content: "Be short, please." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello." },
        { role: "user", content: 'Why is the sky blue?\n\n{"search":{"found":[1]}}' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.2,
    } satisfies OpenAI.ChatCompletionCreateParams);
    expect(agents.callsOf(PATH).at(-1)?.headers).toMatchObject({
      authorization: "Bearer sk-1",
      "idempotency-key": '"e1.say"',
    });
  });

  test("a prompt of its own, without the conversation; a stage's config replaces options by their keys", async () => {
    const options = { ...MODEL, prompt: "Q: {{query}} ({{ inputs.s.n }})", history: false, max_tokens: 9 };
    await ask(streams([...WHOLE, DONE]), options, {
      history: [{ query: "Hi", answer: "Hello." }],
      inputs: { s: { n: 3 } },
      config: { model: "large", max_tokens: 8, search_strategy: "keyword" },
    });
    expect(sent()).toEqual({
      model: "large",
      messages: [{ role: "user", content: "Q: Why is the sky blue? (3)" }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 8,
    });
  });

  test("the path is appended to the URL's, and its query stays", async () => {
    const { text } = await ask(streams([...WHOLE, DONE]), MODEL, {}, "/azure/?api-version=1");
    expect(text).toBe("Light scatters.");
    expect(agents.calls.at(-1)?.path).toBe("/azure/chat/completions?api-version=1");
  });

  test("a config with a bad value is not sent: the message names the key", async () => {
    const before = agents.calls.length;
    const called = await ask(streams(WHOLE), MODEL, { config: { temperature: "hot" } });
    expect(errorOf(called)).toMatchObject({ code: "AGENT_UNAVAILABLE", retryable: false });
    expect(errorOf(called).message).toMatch(/\/temperature of the stage's config: /);
    expect(agents.calls).toHaveLength(before);
  });
});

describe("what is read", () => {
  test("the text as it comes, and the tokens under their names", async () => {
    const called = await ask(streams([": hello\n\n", ...WHOLE, data(COUNTED), DONE]));
    expect(called.deltas.join("|")).toBe("Light |scatters.");
    expect(called.outcome).toMatchObject({
      ok: true,
      answer: {
        data: { answer: "Light scatters." },
        usage: {
          input_tokens: 50,
          output_tokens: 7,
          reasoning_tokens: 3,
          cached_input_tokens: 40,
          model: "tiny-2026",
        },
      },
    });
  });

  test.each(["reasoning_content", "reasoning"])("%s is not part of it", async (name) => {
    const thoughts = ["hm", "hm"].map((thought) => data(chunk({ [name]: thought })));
    const called = await ask(streams([...thoughts, ...WHOLE, DONE]));
    expect(called).toMatchObject({ text: "Light scatters.", progress: ["thinking"] });
  });

  test("what it has used is reported as it is counted, also by one that breaks off", async () => {
    const counted = (completion_tokens: number) =>
      data({ ...chunk({ content: "x" }), usage: { prompt_tokens: 50, completion_tokens } });
    const cut = await ask(streams([counted(1), counted(2)], (response) => response.destroy()));
    const used = (output_tokens: number) => ({ model: "tiny-2026", input_tokens: 50, output_tokens });
    expect(cut.outcome.ok).toBe(false);
    expect(cut.used).toEqual([used(1), used(2)]);
    const whole = await ask(streams([...WHOLE, data(COUNTED), DONE]));
    expect(whole.used).toMatchObject([{ input_tokens: 50, output_tokens: 7 }]);
    expect((await ask(streams([...WHOLE, DONE]))).used).toEqual([]);
  });

  test("lines that end in CRLF, in pieces of any size", async () => {
    const whole = [...WHOLE, data(COUNTED), DONE].join("").replaceAll("\n", "\r\n");
    const called = await ask((_call, response) => {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      for (const unit of whole.match(/[\s\S]{1,7}/g) ?? []) response.write(unit);
      response.end();
    });
    expect(dataOf(called)).toEqual({ answer: "Light scatters." });
  });

  test("a completion in one piece, of an endpoint that does not stream", async () => {
    const message = {
      role: "assistant",
      content: [
        { type: "text", text: "Light " },
        { type: "text", text: "scatters." },
      ],
    };
    const body = {
      model: "m",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage: COUNTED.usage,
    };
    const called = await ask(json(200, body));
    expect(called.outcome).toMatchObject({
      answer: { data: { answer: "Light scatters." }, usage: { input_tokens: 50, model: "m" } },
    });
  });

  test("nothing is waited for after [DONE], nor after the counts behind the end", async () => {
    for (const last of [[DONE], [data(COUNTED)]]) {
      const called = await ask(streams([...WHOLE, ...last], () => {}));
      expect(dataOf(called)).toEqual({ answer: "Light scatters." });
    }
  });

  test("a connection that is lost behind the finish_reason has lost nothing of the text", async () => {
    const called = await ask(streams(WHOLE, (response) => response.destroy()));
    expect(dataOf(called)).toEqual({ answer: "Light scatters." });
  });

  test.each(["length", "content_filter"] as const)("a text that is cut says why: %s", async (reason) => {
    const called = await ask(streams([...SAID, data(chunk({}, reason)), DONE]));
    expect(dataOf(called)).toEqual({ answer: "Light ", finish_reason: reason });
  });
});

describe('output "json"', () => {
  const options = { ...MODEL, output: "json", response_format: { type: "json_object" } };
  const says = (text: string, reason: "stop" | "length" = "stop") =>
    streams([data(chunk({ content: text })), data(chunk({}, reason)), DONE]);

  test.each(['{"score":0.5,"why":"x"}', '```json\n{"score":0.5,"why":"x"}\n```\n'])("%j", async (text) => {
    const called = await ask(says(text), options);
    expect(dataOf(called)).toEqual({ score: 0.5, why: "x" });
    expect(called.deltas).toEqual([]);
    expect(sent()).toMatchObject({ response_format: { type: "json_object" } });
  });

  test.each([
    ["I think so.", "stop", /is not JSON .*It begins with: I think so\./],
    ["[1]", "stop", /is JSON, but no object/],
    ['{"score":', "length", /is not JSON .*cut off \(finish_reason length\)/],
    ['{"__proto__":{}}', "stop", /the key __proto__ is not allowed/],
  ] as const)("%j violates the contract", async (text, reason, message) => {
    const error = errorOf(await ask(says(text, reason), options));
    expect(error).toMatchObject({ code: "AGENT_PROCESSING_ERROR", retry: "once" });
    expect(error.message).toMatch(message);
  });
});

describe("what fails", () => {
  const TOOL = data(
    chunk({ tool_calls: [{ index: 0, id: "t", type: "function", function: { name: "f" } }] }),
  );
  test.each<[string, Behaviour, string, RegExp]>([
    ["a stream that ends in mid-answer", streams(SAID), "yes", /truncated: .*finish_reason/],
    ["a connection that is lost", streams(SAID, (response) => response.destroy()), "yes", /truncated/],
    ["an event that is not JSON", streams([...SAID, "data: {nonsense\n\n"]), "once", /violates the contract/],
    ["a model that calls tools", streams([TOOL, data(chunk({}, "tool_calls")), DONE]), "once", /calls tools/],
    ["JSON of another kind", json(200, { hello: 1 }), "once", /expected a chat completion/],
    ["a page", (_call, response) => void response.end("<html>"), "once", /content type/],
    [
      "an error in mid-stream",
      streams([...SAID, data({ error: { message: "overloaded" } })]),
      "yes",
      /^overloaded$/,
    ],
    ["one in words", streams([...SAID, data({ error: "out of memory" })]), "yes", /^out of memory$/],
    ["an error event", streams(['event: error\ndata: {"message":"gone"}\n\n']), "yes", /^gone$/],
    [
      "an error in mid-stream that stays",
      streams([data({ error: { message: "too long", code: "context_length_exceeded" } })]),
      "no",
      /^too long$/,
    ],
    ["an error with a status", streams([data({ error: { message: "no", code: 403 } })]), "no", /^no$/],
    ["JSON with an error", json(200, { error: { message: "busy", code: "503" } }), "yes", /^busy$/],
  ])("%s", async (_name, behaviour, retry, message) => {
    const error = errorOf(await ask(behaviour));
    expect(error.retry).toBe(retry);
    expect(error.message).toMatch(message);
  });

  test.each([
    [500, { error: { message: "sorry", type: "server_error" } }, "yes"],
    [401, { error: { message: "Incorrect API key", code: "invalid_api_key" } }, "no"],
    [429, { error: { message: "You exceeded your quota", code: "insufficient_quota" } }, "no"],
    [429, { error: { message: "Slow down", code: "rate_limit_exceeded" } }, "yes"],
    [503, { error: { message: "No such model", type: "model_not_found", code: null } }, "no"],
  ] as const)("status %i with %j", async (status, body, retry) => {
    expect(errorOf(await ask(json(status, body)))).toMatchObject({
      status,
      message: body.error.message,
      retry,
    });
  });

  test("a status with another body says what that says", async () => {
    expect(errorOf(await ask(json(502, [{ error: { message: "bad" } }]))).message).toBe("bad");
    expect(errorOf(await ask(json(404, { error: "no model" }))).message).toMatch(/404: no model/);
  });

  test("Retry-After is kept", async () => {
    const { outcome } = await ask(json(429, { error: { message: "Slow down" } }, { "retry-after": "7" }));
    const failure: CallFailure | null = outcome.ok === false ? outcome.failure : null;
    expect(failure && retryAfter(failure)).toBe(7_000);
  });

  test("an answer that is not wanted any more ends the model's work", async () => {
    agents.on(
      "/hangs/chat/completions",
      streams(SAID, () => {}),
    );
    const abort = new AbortController();
    const registration = { url: agents.url("/hangs"), protocol: "openai" as const, options: MODEL };
    const called = callAgent(registration, {}, {}, abort.signal);
    const calls = async () => agents.callsOf("/hangs/chat/completions");
    await eventually(calls, (seen) => seen.length === 1);
    abort.abort();
    expect((await called).outcome.ok).toBe(false);
    await eventually(calls, ([seen]) => seen?.aborted === true);
  });
});
