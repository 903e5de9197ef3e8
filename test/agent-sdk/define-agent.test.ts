// defineAgent against the contract of src/contract/README.md section 4: both forms of answer, errors, time, abort,
// secret.
import { afterEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import { AgentError, type AgentPiece, defineAgent } from "../../src/agent-sdk/define-agent.ts";

const Schemas = {
  config: z.object({ loud: z.boolean().default(false) }),
  inputs: z.object({ earlier: z.object({ n: z.number() }).nullish() }),
  result: z.object({ text: z.string() }),
};
type Answer = { data: { text: string }; usage?: Record<string, unknown> };

const call = {
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

function request(body: unknown = call, headers: Record<string, string> = {}, signal?: AbortSignal): Request {
  return new Request("https://agent.test/", {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    ...(signal === undefined ? {} : { signal }),
  });
}
const STREAM = { accept: "text/event-stream, application/json;q=0.9" };

const writer = (pieces: AgentPiece[], end: () => Answer) =>
  defineAgent({
    ...Schemas,
    onError: () => undefined,
    async *run(): AsyncGenerator<AgentPiece, Answer, void> {
      yield* pieces;
      return end();
    },
  });
const echo = (secret?: string) =>
  defineAgent({
    ...Schemas,
    ...(secret === undefined ? {} : { secret }),
    run: async (work) => ({
      data: { text: work.config.loud ? work.query.toUpperCase() : work.query, extra: 1 },
    }),
  });

afterEach(() => {
  vi.useRealTimers();
});

describe("answers", () => {
  test("a function answers JSON, with typed config and a result cut to its schema", async () => {
    const response = await echo()(request({ ...call, config: { loud: true, unknown: 1 } }, STREAM));
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual({ data: { text: "HELLO" } });
  });

  test("a generator streams deltas, progress and usage and one result, LF only", async () => {
    const pieces = [
      "Hel",
      { text: "lo\n" },
      { message: "half", fraction: 0.5 },
      { usage: { output_tokens: 1 } },
    ];
    const agent = writer(pieces, () => ({
      data: { text: "Hello" },
      usage: { output_tokens: 2 },
    }));
    const response = await agent(request(call, STREAM));
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await response.text()).toBe(
      'event: delta\ndata: {"text":"Hel"}\n\n' +
        'event: delta\ndata: {"text":"lo\\n"}\n\n' +
        'event: progress\ndata: {"message":"half","fraction":0.5}\n\n' +
        'event: usage\ndata: {"output_tokens":1}\n\n' +
        'event: result\ndata: {"data":{"text":"Hello"},"usage":{"output_tokens":2}}\n\n',
    );
  });

  test("a generator says what it has used as it goes", async () => {
    const pieces = ["x", { usage: { output_tokens: 3 } }, { usage: { output_tokens: 9, model: "m" } }];
    const agent = writer(pieces, () => ({ data: { text: "x" } }));
    const streamed = await (await agent(request(call, STREAM))).text();
    expect(streamed).toContain('event: usage\ndata: {"output_tokens":9,"model":"m"}\n\n');
    expect(streamed).toContain('event: result\ndata: {"data":{"text":"x"}}\n\n');
    // Who takes no stream gets the last of it, where the answer says nothing itself.
    expect(await (await agent(request())).json()).toEqual({
      data: { text: "x" },
      usage: { output_tokens: 9, model: "m" },
    });
    const says = writer(pieces, () => ({ data: { text: "x" }, usage: { output_tokens: 10 } }));
    expect(await (await says(request())).json()).toMatchObject({ usage: { output_tokens: 10 } });
  });

  test("a generator answers JSON to a caller that takes no stream", async () => {
    const response = await writer(["x"], () => ({ data: { text: "whole" } }))(request());
    expect(await response.json()).toEqual({ data: { text: "whole" } });
  });

  test("an agent with an input knows no other stages", async () => {
    const agent = defineAgent({
      config: Schemas.config,
      input: z.object({ texts: z.array(z.string()) }),
      result: Schemas.result,
      run: async ({ input }) => ({ data: { text: input.texts.join(" ") } }),
    });
    const given = await agent(
      request({ ...call, input: { texts: ["a", "b"] }, inputs: { other: { n: 1 } } }),
    );
    expect(await given.json()).toEqual({ data: { text: "a b" } });
    const lacking = await agent(request());
    expect(lacking.status).toBe(400);
    expect(await lacking.json()).toMatchObject({ detail: expect.stringContaining("input is not valid") });
  });

  test("an agent without schemas of them gets input and inputs as they are", async () => {
    const agent = defineAgent({
      config: Schemas.config,
      result: z.object({ seen: z.array(z.unknown()) }),
      run: async ({ input, inputs }) => ({ data: { seen: [input?.["a"], inputs["before"]?.["n"]] } }),
    });
    const given = await agent(request({ ...call, input: { a: 1 }, inputs: { before: { n: 2 } } }));
    expect(await given.json()).toEqual({ data: { seen: [1, 2] } });
    expect(await (await agent(request())).json()).toEqual({ data: { seen: [null, null] } });
  });

  test("further arguments reach the agent", async () => {
    const agent = defineAgent({
      ...Schemas,
      run: async (_work, environment: { NAME: string }) => ({ data: { text: environment.NAME } }),
    });
    expect(await (await agent(request(), { NAME: "env" })).json()).toEqual({ data: { text: "env" } });
  });
});

describe("errors", () => {
  const failing = (error: unknown, reports: unknown[] = []) =>
    defineAgent({ ...Schemas, onError: (e) => reports.push(e), run: () => Promise.reject(error as Error) });

  test.each([
    [new AgentError("busy", { status: 503, retryAfterSeconds: 7 }), 503, true],
    [new AgentError("busy for a moment", { status: 503, retryAfterSeconds: 6.2 }), 503, true],
    [new AgentError("wrong", { status: 422 }), 422, false],
    [new AgentError("down for good", { status: 500, retryable: false }), 500, false],
  ])("%s becomes problem details", async (error, status, retryable) => {
    const response = await failing(error)(request(call, STREAM));
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("retry-after")).toBe(status === 503 ? "7" : null);
    expect(await response.json()).toMatchObject({ status, detail: error.message, retryable });
  });

  test("what an unknown error says stays inside", async () => {
    const reports: unknown[] = [];
    const cause = new Error("password=hunter2");
    const response = await failing(cause, reports)(request());
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("hunter2");
    expect(reports).toEqual([cause]);
  });

  test("before the first piece an error has its own status, after it it is the stream's last event", async () => {
    const fail = (): Answer => {
      throw new AgentError("model busy", { status: 429 });
    };
    expect((await writer([], fail)(request(call, STREAM))).status).toBe(429);
    const late = await writer(["begin"], fail)(request(call, STREAM));
    expect(late.status).toBe(200);
    const events = (await late.text()).trimEnd().split("\n\n");
    expect(events).toHaveLength(2);
    expect(events[1]).toMatch(/^event: error\ndata: .*"status":429,"detail":"model busy","retryable":true/);
  });

  test.each([
    ["not JSON", "{", "not JSON"],
    ["no call", { query: 1 }, "call is not valid"],
    ["a bad config", { ...call, config: { loud: "very" } }, "config is not valid: loud"],
    ["bad inputs", { ...call, inputs: { earlier: { n: "1" } } }, "inputs is not valid: earlier.n"],
  ])("%s is 400 and final", async (_name, body, detail) => {
    const response = await echo()(request(body));
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { detail: string; retryable: boolean };
    expect(problem.detail).toContain(detail);
    expect(problem.retryable).toBe(false);
  });

  test("a result that breaks the agent's own promise is final", async () => {
    const response = await writer([], () => ({ data: { text: 1 } }) as unknown as Answer)(request());
    expect(await response.json()).toMatchObject({ status: 500, retryable: false });
  });

  test("only POST is allowed", async () => {
    const response = await echo()(new Request("https://agent.test/"));
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  });
});

describe("time and abort", () => {
  const hanging = (
    seen: { signal?: AbortSignal; remaining?: number; left?: boolean },
    first: AgentPiece[] = [],
  ) =>
    defineAgent({
      ...Schemas,
      async *run(work): AsyncGenerator<AgentPiece, Answer, void> {
        seen.signal = work.signal;
        seen.remaining = work.remainingMs();
        try {
          yield* first;
          await new Promise((resolve) => work.signal.addEventListener("abort", resolve));
          return { data: { text: "never" } };
        } finally {
          seen.left = true;
        }
      },
    });

  test("the header's limit wins, the signal aborts with it, and the answer is a retryable 504", async () => {
    vi.useFakeTimers();
    const seen: { signal?: AbortSignal; remaining?: number } = {};
    const answer = hanging(seen)(request(call, { ...STREAM, "coordinator-timeout-ms": "250" }));
    await vi.waitFor(() => expect(seen.signal).toBeDefined());
    expect(seen.remaining).toBeLessThanOrEqual(250);
    expect(seen.remaining).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(250);
    const response = await answer;
    expect(seen.signal?.aborted).toBe(true);
    expect(await response.json()).toMatchObject({ status: 504, retryable: true });
  });

  test("a function that ignores its signal is not awaited", async () => {
    vi.useFakeTimers();
    let begun = false;
    const agent = defineAgent({
      ...Schemas,
      run: () => {
        begun = true;
        return new Promise<Answer>(() => undefined);
      },
    });
    const answer = agent(request({ ...call, timeout_ms: 100 }));
    await vi.waitFor(() => expect(begun).toBe(true));
    await vi.advanceTimersByTimeAsync(100);
    expect((await answer).status).toBe(504);
  });

  test("time up in mid-stream ends it with an error event", async () => {
    vi.useFakeTimers();
    const response = await hanging({}, ["a"])(request({ ...call, timeout_ms: 100 }, STREAM));
    const text = response.text();
    await vi.advanceTimersByTimeAsync(100);
    expect(await text).toMatch(/event: error\ndata: .*"status":504/);
  });

  test("a reader that goes aborts the work and closes the generator", async () => {
    const seen: { signal?: AbortSignal; left?: boolean } = {};
    const response = await hanging(seen, ["a", "b"])(request(call, STREAM));
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(seen.signal?.aborted).toBe(true);
    await vi.waitFor(() => expect(seen.left).toBe(true));
  });

  test("an aborted request aborts the work", async () => {
    const gone = new AbortController();
    const seen: { signal?: AbortSignal } = {};
    const answer = hanging(seen)(request(call, STREAM, gone.signal));
    await vi.waitFor(() => expect(seen.signal).toBeDefined());
    gone.abort();
    expect((await answer).status).toBe(499);
    expect(seen.signal?.aborted).toBe(true);
  });
});

describe("the shared secret", () => {
  test.each([
    ["s3cret", "Bearer s3cret", 200],
    ["s3cret", "s3cret", 200],
    ["Bearer s3cret", "bearer s3cret", 200],
    ["s3cret", "Bearer s3cre", 401],
    ["s3cret", "Bearer s3cret2", 401],
    ["s3cret", undefined, 401],
    ["", "", 401],
  ])("secret %j, header %j: %i", async (secret, header, status) => {
    const headers: Record<string, string> = header === undefined ? {} : { authorization: header };
    const response = await echo(secret)(request(call, headers));
    expect(response.status).toBe(status);
    expect(response.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
  });

  test("it may come from the environment, and without one the agent is open", async () => {
    const agent = defineAgent({
      ...Schemas,
      secret: (environment: { SECRET?: string }) => environment.SECRET,
      run: async () => ({ data: { text: "in" } }),
    });
    expect((await agent(request(), {})).status).toBe(200);
    expect((await agent(request(), { SECRET: "x" })).status).toBe(401);
  });
});
