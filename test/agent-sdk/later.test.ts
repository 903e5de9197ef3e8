// Agents that answer later: their 202, and what they send to the callback URL, with its tries and its errors.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import {
  AgentError,
  answerLater,
  CallbackError,
  defineAgent,
  heartbeat,
  later,
  progress,
} from "../../src/agent-sdk/define-agent.ts";

const URL_OF = "https://c.example/v1/callbacks/t";
const CALL = {
  execution_id: "e1",
  conversation_id: "c1",
  stage: "s",
  agent_type: "a",
  attempt: 1,
  query: "hello",
  config: {},
  inputs: {},
  context: {},
  history: [],
  timeout_ms: 60_000,
};

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the 202", () => {
  const seen: (string | null)[] = [];
  const agent = (location?: string) =>
    defineAgent({
      config: z.object({}),
      inputs: z.object({}),
      result: z.object({}),
      run: async ({ callbackUrl }) => {
        seen.push(callbackUrl);
        return later(location === undefined ? {} : { location });
      },
    });
  const call = (location: string | undefined, headers: Record<string, string>) =>
    agent(location)(
      new Request("https://a.example/", { method: "POST", body: JSON.stringify(CALL), headers }),
    );

  test("answers nothing yet, says where the work can be cancelled, and leaves no timer", async () => {
    const response = await call("/jobs/1", { "coordinator-callback": URL_OF });
    expect([response.status, response.headers.get("location"), response.body]).toEqual([
      202,
      "/jobs/1",
      null,
    ]);
    expect(seen.at(-1)).toBe(URL_OF);
    expect(vi.getTimerCount()).toBe(0);
    const plain = await call(undefined, { "coordinator-callback": URL_OF });
    expect([plain.status, plain.headers.has("location")]).toEqual([202, false]);
  });

  test("is an error of the agent where its stage does not let it answer later", async () => {
    const response = await call(undefined, {});
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      retryable: false,
      detail: expect.stringContaining("callback_timeout_seconds"),
    });
    expect(seen.at(-1)).toBeNull();
  });
});

/** A coordinator that answers each try in turn, the last one for all further; what it was sent. */
function coordinator(...answers: (() => Response)[]) {
  const sent: { type: string; text: string; at: number }[] = [];
  const send = async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    const type = request.headers.get("content-type") ?? "";
    sent.push({ type, text: await request.text(), at: Date.now() });
    return (answers[Math.min(sent.length, answers.length) - 1] as () => Response)();
  };
  return { sent, options: { fetch: send } };
}

const accepts = () => Response.json("accepted");
const failing = (status: number, headers: Record<string, string> = {}) => {
  return () => Response.json({ code: "SOME_CODE", detail: "some detail" }, { status, headers });
};
const unreachable = () => {
  throw new TypeError("fetch failed");
};

describe("what is sent", () => {
  test("an answer, an error, a heartbeat and a progress each in their form", async () => {
    const { sent, options } = coordinator(accepts);
    await answerLater(URL_OF, { data: { n: 1 }, usage: { input_tokens: 2 } }, options);
    await answerLater(URL_OF, new AgentError("out of paper", { status: 503 }), options);
    await heartbeat(URL_OF, options);
    await progress(URL_OF, { message: "half", fraction: 0.5 }, options);
    expect(sent.map(({ type, text }) => [type, JSON.parse(text)])).toEqual([
      ["application/json", { data: { n: 1 }, usage: { input_tokens: 2 } }],
      [
        "application/problem+json",
        expect.objectContaining({ status: 503, detail: "out of paper", retryable: true }),
      ],
      ["application/json", { heartbeat: true }],
      ["application/json", { progress: { message: "half", fraction: 0.5 } }],
    ]);
  });

  test("a generator as a stream, which begins again with each try", async () => {
    const { sent, options } = coordinator(failing(503), accepts);
    const answered = answerLater(
      URL_OF,
      async function* () {
        yield "a";
        yield { message: "half" };
        return { data: { answer: "a" } };
      },
      options,
    );
    await vi.runAllTimersAsync();
    await answered;
    const text =
      'event: delta\ndata: {"text":"a"}\n\nevent: progress\ndata: {"message":"half"}\n\n' +
      'event: result\ndata: {"data":{"answer":"a"}}\n\n';
    expect(sent.map(({ type, text: body }) => [type, body])).toEqual([
      ["text/event-stream", text],
      ["text/event-stream", text],
    ]);
  });

  test("a generator that throws as an error event, without the words of what is no AgentError", async () => {
    const { sent, options } = coordinator(accepts);
    const fails = (error: Error) =>
      async function* () {
        yield "a";
        throw error;
      };
    await answerLater(URL_OF, fails(new Error("secret words")), options);
    await answerLater(URL_OF, fails(new AgentError("out of paper", { status: 400 })), options);
    expect(sent[0]?.text).toMatch(/event: error\ndata: .*"status":500/);
    expect(sent[0]?.text).not.toContain("secret words");
    expect(sent[1]?.text).toContain("out of paper");
  });
});

describe("tries", () => {
  test("go on where the network or the coordinator fails, each after a longer delay", async () => {
    const { sent, options } = coordinator(unreachable, failing(500), failing(503), accepts);
    const began = Date.now();
    const done = heartbeat(URL_OF, options);
    await vi.runAllTimersAsync();
    await done;
    expect(sent.map(({ at }) => at - began)).toEqual([0, 500, 1_500, 3_500]);
  });

  test("wait for Retry-After", async () => {
    const { sent, options } = coordinator(failing(503, { "retry-after": "5" }), accepts);
    const began = Date.now();
    const done = heartbeat(URL_OF, options);
    await vi.runAllTimersAsync();
    await done;
    expect(sent.map(({ at }) => at - began)).toEqual([0, 5_000]);
  });

  test("end with the last error, and where the signal says so", async () => {
    const { sent, options } = coordinator(unreachable);
    const failed = expect(heartbeat(URL_OF, { ...options, tries: 3 })).rejects.toMatchObject({
      status: 0,
      isOver: false,
    });
    await vi.runAllTimersAsync();
    await failed;
    expect(sent).toHaveLength(3);
    const stop = new AbortController();
    const stopped = expect(heartbeat(URL_OF, { ...options, signal: stop.signal })).rejects.toThrow("enough");
    await vi.advanceTimersByTimeAsync(10);
    stop.abort(new Error("enough"));
    await stopped;
  });

  test.each([
    [400, false],
    [404, true],
    [409, true],
    [413, false],
  ])("are not made after a %i", async (status, isOver) => {
    const { sent, options } = coordinator(failing(status));
    const error = await answerLater(URL_OF, { data: {} }, options).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(CallbackError);
    expect(error).toMatchObject({ status, isOver, code: "SOME_CODE", message: "some detail" });
    expect(sent).toHaveLength(1);
  });

  test("a refusal without problem details names the status", async () => {
    const { options } = coordinator(() => new Response("<html>", { status: 403 }));
    const error = await heartbeat(URL_OF, options).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ status: 403, code: null, message: "The coordinator answered 403." });
  });
});
