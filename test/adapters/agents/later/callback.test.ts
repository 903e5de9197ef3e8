// Callbacks as an agent sends them: each form that they may have, and the refusal of every other.
import { expect, test } from "vitest";
import { readCallback } from "../../../../src/adapters/agents/later/callback.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";

// workerd's own method, by which bodies are read; Node has the standard's form of it.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: ReadableStreamBYOBReader, min: number, view: Uint8Array) {
    const read = this.read.bind(this) as (view: Uint8Array, options: { min: number }) => unknown;
    return read(view, { min });
  },
});

async function read(body: BodyInit | null, type: string, headers: Record<string, string> = {}) {
  const deltas: string[] = [];
  const progress: unknown[] = [];
  const used: unknown[] = [];
  const sent = new Request("https://c.example/", {
    method: "POST",
    body,
    headers: { "content-type": type, ...headers },
    duplex: "half",
  } as RequestInit);
  const found = await readCallback(
    sent,
    {
      signal: new AbortController().signal,
      hears_silence: true,
      alive: () => {},
      delta: (text) => void deltas.push(text),
      progress: (report) => void progress.push(report),
      usage: (usage) => void used.push(usage),
    },
    null,
  );
  return { found, deltas, progress, used };
}

const JSON_TYPE = "application/json";
const SSE = "text/event-stream";
const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

test("a JSON answer ends the call", async () => {
  const { found } = await read('{"data":{"n":1},"context":{"k":2}}', JSON_TYPE);
  const outcome = { ok: true, answer: { data: { n: 1 }, context: { k: 2 } }, bytes: expect.any(Number) };
  expect(found).toEqual({ kind: "ending", outcome });
});

test("problem details fail the call, as an agent's error does", async () => {
  const problem = { status: 503, detail: "the index is being rebuilt", retryable: true };
  const { found } = await read(JSON.stringify(problem), "application/problem+json");
  expect(found).toEqual({
    kind: "ending",
    outcome: { ok: false, failure: { kind: "stream_error", ...problem } },
  });
});

test("an event stream's deltas and progress are passed on, and its result ends the call", async () => {
  const text = [
    event("delta", { text: "a" }),
    event("progress", { message: "half", fraction: 0.5 }),
    event("delta", { text: "b" }),
    event("result", { data: { answer: "ab" } }),
  ];
  const { found, deltas, progress } = await read(text.join(""), SSE);
  expect(deltas).toEqual(["a", "b"]);
  expect(progress).toEqual([{ message: "half", fraction: 0.5 }]);
  expect(found).toMatchObject({ kind: "ending", outcome: { ok: true, answer: { data: { answer: "ab" } } } });
});

test("usage events of a stream are passed on, and what is none is ignored", async () => {
  const text = [
    event("usage", { output_tokens: 3, note: "not kept" }),
    event("usage", 5),
    event("usage", { output_tokens: 9, model: "m" }),
    event("result", { data: {} }),
  ];
  const { found, used } = await read(text.join(""), SSE);
  expect(used).toEqual([{ output_tokens: 3 }, { output_tokens: 9, model: "m" }]);
  expect(found).toMatchObject({ kind: "ending", outcome: { ok: true } });
});

test("a heartbeat and a progress are signs of life, in exactly their form", async () => {
  expect((await read('{"heartbeat": true}', JSON_TYPE)).found).toEqual({ kind: "alive", progress: null });
  const { found } = await read('{"progress": {"message": "half", "fraction": 0.5}}', JSON_TYPE);
  expect(found).toEqual({ kind: "alive", progress: { message: "half", fraction: 0.5 } });
});

test.each([
  ["a heartbeat that is not true", '{"heartbeat": 1}', JSON_TYPE, "/heartbeat", "must be true"],
  ["a progress without a message", '{"progress": {}}', JSON_TYPE, "/progress", "message"],
  ["a heartbeat with something beside it", '{"heartbeat": true, "x": 1}', JSON_TYPE, "/data", "is missing"],
  ["an answer without data", '{"answer": "x"}', JSON_TYPE, "/data", "is missing"],
  ["data of another type", '{"data": 3}', JSON_TYPE, "/data", "a number"],
  ["a text that is no JSON", '{"data": {}', JSON_TYPE, "", "truncated"],
  ["an empty body", "", JSON_TYPE, "", "must be|truncated"],
  ["another media type", "x", "text/plain", "", "not text/plain"],
  ["a stream without an end", event("delta", { text: "a" }), SSE, "", "without result or error"],
  ["a delta in another form", event("delta", { words: "a" }), SSE, "", "a delta event must be"],
  ["problem details that are none", "[1]", "application/problem+json", "", "problem details"],
])("%s is refused with its place", async (_name, body, type, pointer, detail) => {
  const { found } = await read(body, type);
  expect(found).toEqual({
    kind: "refused",
    error: { code: "INVALID_REQUEST", errors: [{ pointer, detail: expect.stringMatching(detail) }] },
  });
});

test("a body, and a result, beyond its limit is refused as too large", async () => {
  const tooLarge = (limit_bytes: number) => ({
    kind: "refused",
    error: { code: "RESOURCE_EXHAUSTED", what: "body", limit_bytes },
  });
  const body = await read("x".repeat(LIMITS.AGENT_BODY_BYTES + 1), JSON_TYPE);
  expect(body.found).toEqual(tooLarge(LIMITS.AGENT_BODY_BYTES));
  const data = { data: { text: "x".repeat(LIMITS.RESULT_BYTES) } };
  expect((await read(JSON.stringify(data), JSON_TYPE)).found).toEqual(tooLarge(LIMITS.RESULT_BYTES));
});
