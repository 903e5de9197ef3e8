// Values that cross the wall in real agents' answers and callers' bodies: members of the wrong type, texts that are cut,
// integers that no double holds, usage by the megabyte, bytes of UTF-8, byte order marks.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type RawAgents, responds, startRawAgents } from "../../support/agents/raw-agent.ts";

let agents: RawAgents;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startRawAgents();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.001",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
});

afterAll(() => closeAll(coordinator, agents));

interface Sent {
  status?: string;
  type?: string;
  body: string | Uint8Array;
}

/** A stage's fields and its agent, which answers so. */
async function stageOf(sent: Sent, fields: Record<string, unknown> = {}) {
  names += 1;
  const name = `value${names}`;
  const headers = { "content-type": sent.type ?? "application/json" };
  agents.on(`/${name}`, responds(sent.status ?? "200 OK", headers, sent.body));
  await coordinator.agent(name, agents.url(`/${name}`));
  return { name, agent_type: name, retry_attempts: 2, ...fields };
}

/** Runs such stages, one after the other. */
async function run(...sent: Sent[]) {
  const stages = await Promise.all(sent.map((each) => stageOf(each)));
  const linked = stages.map((stage, at) => ({
    ...stage,
    depends_on: at === 0 ? [] : [stages[at - 1]?.name ?? ""],
  }));
  const pipeline = linked.at(-1)?.name ?? "";
  await coordinator.pipeline(pipeline, linked);
  const { body } = await coordinator.run({ pipeline });
  const results = linked.map(({ name }) => body.stage_results[name]);
  return { body, pipeline, results, result: results[0], calls: agents.countOf(`/${linked[0]?.name}`) };
}

const answer = (body: string | Uint8Array): Sent => ({ body });
const stream = (body: string): Sent => ({ type: "text/event-stream", body });
const RESULT = 'event: result\ndata: {"data":{}}\n\n';

describe("a member of the wrong type is as absent", () => {
  test.each([
    '{"data":{"a":1},"context":null}',
    '{"data":{"a":1},"usage":null}',
    '{"data":{"a":1},"context":null,"usage":null,"other":[]}',
    '{"data":{"a":1},"context":"none","usage":["none"]}',
  ])("in an answer: %s", async (body) => {
    const { result, body: execution, calls } = await run(answer(body));
    expect(result).toMatchObject({ status: "completed", data: { a: 1 }, usage: null });
    expect([execution.context_data, execution.usage, calls]).toEqual([{}, {}, 1]);
  });

  test.each([
    '{"message":"half","fraction":null}',
    '{"message":"half","fraction":"0.5"}',
    '{"message":"half","fraction":40}',
    '{"message":null}',
    '{"fraction":0.5}',
    "[]",
    "null",
    "{",
    "half done",
    "",
  ])("in a progress, which fails no stage: %s", async (data) => {
    const { result, calls } = await run(stream(`event: progress\ndata: ${data}\n\n${RESULT}`));
    expect([result.status, result.error, calls]).toEqual(["completed", null, 1]);
  });

  test.each([
    ['{"title":"no","detail":"really no","retryable":false}', "really no"],
    ['{"title":"no","detail":null,"retryable":false}', "no"],
    ['{"title":"no","detail":"really no","status":"503","retryable":false}', "really no"],
    ['{"detail":"really no","status":503.5,"retryable":false}', "really no"],
    ['{"title":5,"detail":"really no","retryable":false}', "really no"],
    ['{"detail":"really no","retryable":false,"id":12345678901234567890,"far":1e999}', "really no"],
    ['{"detail":"really no","retryable":false,"constructor":1}', "really no"],
  ])("in problem details, as a body and as an event: %s", async (problem, message) => {
    const failed = await run({
      status: "503 Service Unavailable",
      type: "application/problem+json",
      body: problem,
    });
    expect([failed.result.error.message, failed.result.error.status, failed.calls]).toEqual([
      message,
      503,
      1,
    ]);
    const event = await run(stream(`event: error\ndata: ${problem}\n\n`));
    expect([event.result.error.message, event.result.error.retryable, event.calls]).toEqual([
      message,
      false,
      1,
    ]);
  });

  test.each(['"no"', "null", "0"])("and `retryable` itself: %s", async (retryable) => {
    const body = `{"detail":"busy","retryable":${retryable}}`;
    const { result, calls } = await run({ status: "503 Service Unavailable", body });
    expect([result.error.message, calls]).toEqual(["busy", 2]);
  });
});

describe("texts are cut between characters", () => {
  const lion = "🦁";
  // One in each place of a pair at the cut.
  test.each([498, 499, 500])(
    "an agent's detail and its progress, of %i letters and lions",
    async (letters) => {
      const text = "d".repeat(letters) + lion.repeat(5);
      const failed = await run({ status: "400 Bad Request", body: JSON.stringify({ detail: text }) });
      expect(failed.result.error.message.isWellFormed()).toBe(true);
      expect(failed.body.error_info.message.isWellFormed()).toBe(true);
      expect(text.startsWith(failed.result.error.message)).toBe(true);
      const { pipeline } = await run(
        stream(`event: progress\ndata: ${JSON.stringify({ message: text })}\n\n${RESULT}`),
      );
      const response = await coordinator.fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/event-stream" },
        body: JSON.stringify({ query: "q", conversation_id: "c", pipeline }),
      });
      const progress = /^data: (.*"stage.progress".*)$/m.exec(await response.text())?.[1] ?? "null";
      expect(JSON.parse(progress).message.isWellFormed()).toBe(true);
    },
  );

  test("names that are not known, and what is wrong with a body", async () => {
    const name = encodeURIComponent("a".repeat(63) + lion);
    for (const path of [`agents/${name}`, `pipelines/${name}`, `executions/${name}`]) {
      const { body } = await coordinator.api("GET", `/v1/${path}`);
      expect([body.status, body.detail.isWellFormed(), body.detail.endsWith("a")]).toEqual([404, true, true]);
    }
    const { body } = await coordinator.api("DELETE", `/v1/pipelines/rag/stages/${name}`);
    expect([body.status, body.detail.isWellFormed()]).toEqual([404, true]);
    for (let letters = 60; letters < 100; letters += 1) {
      const wrong = { query: "q", conversation_id: "c", pipeline: "p".repeat(letters) + lion.repeat(30) };
      const refused = await coordinator.api("POST", "/v1/executions", wrong);
      expect([refused.status, refused.body.errors[0].detail.isWellFormed()]).toEqual([400, true]);
    }
  });

  test("a question in the list", async () => {
    const { pipeline } = await run(answer('{"data":{}}'));
    await coordinator.run({ pipeline, query: "q".repeat(199) + lion, conversation_id: "cut" });
    const listed = async () =>
      (await coordinator.api("GET", "/v1/executions?conversation_id=cut")).body.data as { query: string }[];
    await expect.poll(async () => (await listed())[0]?.query).toBe("q".repeat(199));
  });

  test("a character that an agent splits between two deltas comes as one", async () => {
    const deltas = ["a\ud83e", "\udd81b", "\ud83e", "\udd81"].map(
      (text) => `event: delta\ndata: ${JSON.stringify({ text })}\n\n`,
    );
    const { pipeline } = await run(stream(deltas.join("") + RESULT));
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "q", conversation_id: "c", pipeline }),
    });
    const pieces = Array.from(
      (await response.text()).matchAll(/^data: (.*"stage.delta".*)$/gm),
      ([, data]) => {
        return JSON.parse(data as string).data.partial_answer as string;
      },
    );
    expect(pieces.join("")).toBe(`a${lion}b${lion}`);
    expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
  });
});

describe("integers beyond 2^53", () => {
  test("beyond the largest double are refused, with their place", async () => {
    const body = `{"data":{"ids":[1,{"a/b":${"9".repeat(400)}}]}}`;
    for (const sent of [answer(body), stream(`event: result\ndata: ${body}\n\n`)]) {
      const { result, calls } = await run(sent);
      expect([result.error.code, calls]).toEqual(["AGENT_PROCESSING_ERROR", 2]);
      expect(result.error.message).toContain("/data/ids/1/a~1b is not a finite number");
    }
  });

  test("that a double holds, decimals and strings arrive as they are", async () => {
    const body =
      '{"data":{"a":9007199254740992,"b":0.1000000000000000055,"c":"1234567890123456789","d":1e3,"e":-0}}';
    const { result } = await run(answer(body));
    expect(result.data).toEqual({ a: 2 ** 53, b: 0.1, c: "1234567890123456789", d: 1_000, e: 0 });
  });

  test("of a caller are distinguished: no two bodies share a digest", async () => {
    const { pipeline } = await run(answer('{"data":{}}'));
    const send = async (id: string) => {
      const response = await coordinator.fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "ids" },
        body: `{"query":"q","conversation_id":"c","pipeline":"${pipeline}","context":{"id":${id}}}`,
      });
      // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
      return { status: response.status, body: (await response.json()) as any };
    };
    const first = await send("9007199254740993");
    expect(first.status).toBe(200);
    const other = await send("9007199254740992");
    expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
    const again = await send("9007199254740993");
    expect([again.status, again.body.execution_id]).toEqual([200, first.body.execution_id]);
  });

  test("where a number with a meaning belongs are refused, with their place", async () => {
    const { pipeline } = await run(answer('{"data":{}}'));
    const send = (body: string) =>
      coordinator.fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"query":"q","conversation_id":"c","pipeline":"${pipeline}",${body}}`,
      });
    for (const [body, pointer] of [
      ['"pipeline_version":9007199254740993', "/pipeline_version"],
      ['"context":9007199254740993', "/context"],
      [
        `"pipeline_config":{"${pipeline}":{"timeout_seconds":9007199254740993}}`,
        `/pipeline_config/${pipeline}/timeout_seconds`,
      ],
      [`"pipeline_config":{"${pipeline}":9007199254740993}`, `/pipeline_config/${pipeline}`],
    ] as const) {
      const response = await send(body);
      // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
      const problem = (await response.json()) as any;
      expect([response.status, problem.code, problem.errors[0].pointer]).toEqual([
        400,
        "INVALID_REQUEST",
        pointer,
      ]);
      expect(problem.errors[0].detail).toContain("received 9007199254740993");
    }
  });
});

describe("usage", () => {
  test("keeps numbers, `provider` and `model`, and is summed", async () => {
    const usage =
      '{"input_tokens":3,"cost_usd":0.5,"own":2,"provider":"p","model":"m","note":"x","deep":{},"none":null}';
    const { body, results } = await run(
      answer(`{"data":{},"usage":${usage}}`),
      answer('{"data":{},"usage":{"input_tokens":4}}'),
    );
    expect(results[0].usage).toEqual({ input_tokens: 3, cost_usd: 0.5, own: 2, provider: "p", model: "m" });
    expect(body.usage).toEqual({ input_tokens: 7, cost_usd: 0.5, own: 2 });
  });

  test("has 64 members at most, of which those with a meaning come first", async () => {
    const many = Object.fromEntries(Array.from({ length: 300_000 }, (_, at) => [`k${at}`, 1]));
    const { body, result } = await run(
      answer(JSON.stringify({ data: {}, usage: { ...many, input_tokens: 5, model: "m" } })),
    );
    expect(result.status).toBe("completed");
    // The coordinator adds that the model has no price.
    const { cost_usd, unpriced_tokens, ...kept } = result.usage;
    expect([cost_usd, unpriced_tokens]).toEqual([null, 5]);
    expect(Object.keys(kept)).toHaveLength(64);
    expect([result.usage.input_tokens, result.usage.model, body.usage.input_tokens]).toEqual([5, "m", 5]);
  });

  test("stays finite", async () => {
    const large = '{"data":{},"usage":{"cost":1.5e308,"less":-1.5e308,"tokens":3}}';
    const { body } = await run(answer(large), answer(large));
    expect(body.usage).toEqual({ cost: Number.MAX_VALUE, less: -Number.MAX_VALUE, tokens: 6 });
  });

  test("counts within the stage's 1 MiB", async () => {
    const { result, calls } = await run(answer(`{"data":{},"usage":{"model":"${"m".repeat(1_100_000)}"}}`));
    expect([result.error.code, calls]).toEqual(["RESOURCE_EXHAUSTED", 1]);
  });

  test("goes from a terminal event that is too large, which stays within its limit", async () => {
    const usage = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`${at}`.repeat(8_000), at]));
    const { pipeline, body } = await run(
      answer(JSON.stringify({ data: {}, usage: { ...usage, input_tokens: 1 } })),
    );
    expect(body.usage.input_tokens).toBe(1);
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "q", conversation_id: "c", pipeline }),
    });
    const last = /^data: (.*"execution.completed".*)$/m.exec(await response.text())?.[1] ?? "";
    expect(last.length).toBeLessThan(256 * 1024);
    expect(JSON.parse(last).data).toMatchObject({ truncated: true, usage: {} });
  });
});

describe("bytes are those of UTF-8", () => {
  const fits = async (...sent: Sent[]) => {
    await coordinator.configure({ memory_limit_mb: 0.2 });
    const { body } = await run(...sent);
    await coordinator.configure({ memory_limit_mb: null });
    return body.error_info?.code ?? body.status;
  };

  test("for the execution's limit", async () => {
    const data = (text: string) => answer(JSON.stringify({ data: { text } }));
    expect(await fits(data("x".repeat(350_000)))).toBe("RESOURCE_EXHAUSTED");
    expect(await fits(data("漢".repeat(116_700)))).toBe("RESOURCE_EXHAUSTED");
    expect(await fits(data("漢".repeat(75_000)))).toBe("RESOURCE_EXHAUSTED");
    // 12 bytes of text a character that is written as six.
    expect(await fits({ body: `{"data":{"text":"${"\\u0061".repeat(50_000)}"}}` })).toBe("completed");
    expect(await fits({ body: `{"data":{"text":"x"}}${" ".repeat(400_000)}` })).toBe("completed");
  });

  test("for a stage's result", async () => {
    const { result } = await run(answer(JSON.stringify({ data: { text: "漢".repeat(360_000) } })));
    expect(result.error.code).toBe("RESOURCE_EXHAUSTED");
  });

  test("of a context key that is overwritten, once", async () => {
    const context = (letter: string, key = "k") =>
      answer(JSON.stringify({ data: {}, context: { [key]: letter.repeat(100_000) } }));
    expect(await fits(context("a"), context("b"), context("c"), context("d"))).toBe("completed");
    expect(await fits(context("a"), context("b", "other"), context("c", "third"))).toBe("RESOURCE_EXHAUSTED");
  });
});

describe("one byte order mark is passed over, two are not", () => {
  const BOM = "\ufeff";
  test.each([
    ["", "completed"],
    [BOM, "completed"],
    [BOM + BOM, "failed"],
  ])("%j before an agent's body and stream", async (marks, status) => {
    expect((await run(answer(`${marks}{"data":{}}`))).body.status).toBe(status);
    expect((await run(stream(`${marks}${RESULT}`))).body.status).toBe(status);
  });

  test("before a caller's body, also one that may be left out", async () => {
    const { pipeline, body } = await run(answer('{"data":{}}'));
    const send = async (path: string, text: string) => {
      const headers = { "content-type": "application/json" };
      return (await coordinator.fetch(path, { method: "POST", headers, body: text })).status;
    };
    const request = JSON.stringify({ query: "q", conversation_id: "c", pipeline });
    expect(await send("/v1/executions", BOM + request)).toBe(200);
    expect(await send("/v1/executions", BOM + BOM + request)).toBe(400);
    const pause = `/v1/executions/${body.execution_id}/pause`;
    expect(await send(pause, `${BOM}{}`)).toBe(409);
    expect(await send(pause, `${BOM}${BOM}{}`)).toBe(400);
  });
});
