// The page of a question over ports that record what reaches them: which calls answer, and what is shown of each state.
import { Hono } from "hono/tiny";
import { beforeEach, expect, test } from "vitest";
import { type CoordinatorError, err, ok, type Result } from "../../../../src/contract/problem.ts";
import type { StageWait } from "../../../../src/core/execution/view/stage-wait.ts";
import type { SignalMessage, SignalReceipt } from "../../../../src/engine/object-protocol.ts";
import type { AppEnv } from "../../../../src/http/context.ts";
import { authenticate } from "../../../../src/http/middleware/authenticate.ts";
import { query } from "../../../../src/http/middleware/query-parameters.ts";
import { respond } from "../../../../src/http/routes/outside/respond.ts";

// workerd's own method, by which bodies are read; Node has the standard's form of it.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: ReadableStreamBYOBReader, min: number, view: Uint8Array) {
    const read = this.read.bind(this) as (view: Uint8Array, options: { min: number }) => unknown;
    return read(view, { min });
  },
});

const CLAIMS = { tenant: "acme", execution_id: "ex1", started_at: 5, stage: "approval", wait: 7, id: "t1" };
const OPEN: StageWait = {
  state: "open",
  seq: 7,
  started_at: 5,
  pipeline: "release",
  conversation_id: "c",
  prompt: { question: "Publish <this>?" },
  schema: {
    type: "object",
    required: ["approved", "count"],
    properties: { approved: { type: "boolean" }, count: { type: "integer" } },
  },
  expires_at: "2026-11-28T12:00:00.000Z",
  result: { answered_by: "key:k1", end_time: "2026-11-27T12:00:00.000Z" } as StageWait["result"],
};
const RESULT = '{"stage":"approval","status":"completed"}';

let waits: Result<StageWait>[];
let signalled: Result<SignalReceipt>;
let signals: { of: string; message: SignalMessage }[];

beforeEach(() => {
  waits = [ok(OPEN)];
  signalled = ok({ status: 200, json: RESULT });
  signals = [];
});

const services = {
  settings: { auth: "keys", hasKeys: true, corsOrigins: new Set() },
  access: { readWaitToken: async (token: string) => (token === "good" ? CLAIMS : null) },
  executions: {
    rpc: (tenant: string, id: string) => ({
      // The last one remains.
      waitOf: async () => (waits.length > 1 ? waits.shift() : waits[0]),
      signal: async (message: SignalMessage) => {
        signals.push({ of: `${tenant}/${id}`, message });
        return signalled;
      },
    }),
  },
} as unknown as AppEnv["Variables"]["services"];

const app = new Hono<AppEnv>();
app.use(async ({ set }, next) => {
  set("services", services);
  await next();
});
app.use("*", authenticate, query);
for (const { method, path, serve } of respond) app.on(method, path, serve);

const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";

/** Read late, Node's own body of a text is closed already. */
function bodyOf(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    pull: (controller) => {
      if (text !== "") controller.enqueue(new TextEncoder().encode(text));
      text = "";
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

async function call(method: string, path = "/respond/good", init: RequestInit & { body?: string } = {}) {
  const { body, headers: sent = {} } = init;
  const streamed = body === undefined ? {} : { body: bodyOf(body), duplex: "half" };
  const response = await app.request(path, { method, headers: sent, ...streamed });
  const { status, headers } = response;
  return { status, headers, text: await response.text(), type: headers.get("content-type")?.split(";")[0] };
}
const post = (body: string, type = FORM, accept = "text/html,*/*;q=0.8") =>
  call("POST", "/respond/good", { body, headers: { "content-type": type, accept } });
const FILLED = "%2Fapproved=true&%2Fcount=3";

test.each([
  ["GET", "/respond/good"],
  ["HEAD", "/respond/good"],
  ["GET", "/respond/good?approved=true&utm_source=mail&utm_source=again"],
])("%s %s shows the question and answers nothing", async (method, path) => {
  const { status, headers, text, type } = await call(method, path);
  expect([status, type]).toEqual([200, "text/html"]);
  expect(signals).toEqual([]);
  expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("cache-control")).toBe("no-store");
  if (method === "GET") expect(text).toContain("Publish &lt;this&gt;?");
  if (method === "GET") expect(text).toContain('<form method="post"');
});

test("a filled form answers that wait in the token's name, and thanks", async () => {
  const { status, text } = await post(FILLED);
  expect([status, text.includes("Thank you")]).toEqual([200, true]);
  const answer = { ok: true, data: { approved: true, count: 3 } };
  const command = { type: "signal", stage: "approval", wait: 7, answer, by: "token:t1" };
  expect(signals).toEqual([{ of: "acme/ex1", message: { command, started_at: 5 } }]);
});

test("all that is wrong with a form is said at once, each fault once", async () => {
  const properties = { approved: { type: "boolean" }, count: { type: "integer" }, note: { maxLength: 3 } };
  const group = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
  const schema = { required: ["approved", "count", "group"], properties: { ...properties, group } };
  waits = [ok({ ...OPEN, schema: { type: "object", ...schema } })];
  const { status, text } = await post("%2Fcount=many&%2Fgroup%2Fn=1.5&%2Fnote=%22long%22");
  expect(status).toBe(422);
  const list =
    /<ul>.*?<\/ul>/
      .exec(text)?.[0]
      .replaceAll(/<[^>]*>/g, "|")
      .split(/\|+/) ?? [];
  expect(list.filter((part) => part.trim() !== "")).toEqual([
    "count",
    expect.stringContaining("integer"),
    "n",
    expect.stringContaining("integer"),
    "approved",
    expect.stringContaining("required"),
    "note",
    expect.stringContaining("3"),
  ]);
  expect(signals).toEqual([]);
});

test("JSON, or a caller that accepts JSON alone, is answered in JSON", async () => {
  const json = await post('{"data":{"approved":false,"count":9007199254740993}}', JSON_TYPE);
  expect(json).toMatchObject({ status: 200, type: JSON_TYPE, text: RESULT });
  expect(signals[0]?.message.command.answer).toEqual({
    ok: true,
    data: { approved: false, count: 9007199254740993n },
  });
  expect(await post(FILLED, FORM, JSON_TYPE)).toMatchObject({ status: 200, type: JSON_TYPE, text: RESULT });
});

test("what a form cannot say is shown at its fields, with what was entered, and answers nothing", async () => {
  const { status, text } = await post("%2Fapproved=true&%2Fcount=t%3Cree");
  expect([status, signals]).toEqual([422, []]);
  expect(text).toContain('value="t&lt;ree"');
  expect(text).toContain("must be an integer");
  const json = await post("%2Fcount=tree", FORM, JSON_TYPE);
  expect(json.status).toBe(422);
  expect(JSON.parse(json.text)).toMatchObject({
    code: "SCHEMA_MISMATCH",
    errors: [{ pointer: "/data/count" }, { pointer: "/data/approved" }],
  });
});

test("what the schema refuses is shown, for JSON with pointers into the body", async () => {
  const errors = [{ pointer: "/approved", detail: "is required" }];
  signalled = err({ code: "SCHEMA_MISMATCH", stage: "approval", errors });
  const page = await post("%2Fcount=3");
  expect([page.status, page.text.includes("is required"), page.text.includes('value="3"')]).toEqual([
    422,
    true,
    true,
  ]);
  const json = await post('{"data":{"count":3}}', JSON_TYPE);
  expect(JSON.parse(json.text)).toMatchObject({
    status: 422,
    errors: [{ pointer: "/data/approved", detail: "is required" }],
    // The token is in nobody's log.
    instance: "/respond/***",
  });
});

test.each([
  ["answered", "already been answered"],
  ["expired", "time for an answer is over"],
  ["skipped", "time for an answer is over"],
  ["cancelled", "no longer needed"],
  ["failed", "no longer needed"],
] as const)("a question that is %s is shown so, and takes no other answer", async (state, words) => {
  waits = [ok({ ...OPEN, state, prompt: {} })];
  const shown = await call("GET");
  expect([shown.status, shown.text.includes(words)]).toEqual([200, true]);
  signalled = err({ code: "EXECUTION_CONFLICT", execution_id: "ex1", stage: "approval", why: "it is over" });
  for (const body of [FILLED, "%2Fcount=tree"]) {
    const sent = await post(body);
    expect([sent.status, sent.text.includes(words)], body).toEqual([409, true]);
    const json = await post(body, FORM, JSON_TYPE);
    expect(JSON.parse(json.text), body).toMatchObject({ status: 409, code: "EXECUTION_CONFLICT" });
  }
  // The same answer again is the object's to know.
  signalled = ok({ status: 200, json: RESULT });
  expect((await post(FILLED)).text).toContain("Thank you");
});

test("of two answers at once the page says that the other was taken", async () => {
  waits = [ok(OPEN), ok({ ...OPEN, state: "answered" })];
  signalled = err({
    code: "EXECUTION_CONFLICT",
    execution_id: "ex1",
    stage: "approval",
    why: "it has been answered",
  });
  const { status, text } = await post(FILLED);
  expect([status, text.includes("already been answered")]).toEqual([409, true]);
});

test("an answer that the execution has no room for is refused in words, and may be sent again", async () => {
  const why = "its data would exceed memory_limit_mb";
  signalled = err({ code: "EXECUTION_CONFLICT", execution_id: "ex1", stage: "approval", why });
  const { status, text } = await post(FILLED);
  expect([status, text.includes(why), text.includes("<form")]).toEqual([422, true, true]);
});

test("every bad token is the same page, or the same problem", async () => {
  const gone: CoordinatorError = { code: "NOT_FOUND" };
  const texts = new Set<string>();
  for (const path of ["/respond/bad", `/respond/${"x".repeat(9_000)}`, "/respond/a.b.c", "/respond/good"]) {
    waits = [err(gone)];
    signalled = err(gone);
    const shown = await call("GET", path);
    const headers = { "content-type": FORM, accept: "text/html" };
    const sent = await call("POST", path, { body: FILLED, headers });
    const json = await call("POST", path, {
      body: '{"data":{}}',
      headers: { "content-type": JSON_TYPE },
    });
    expect([shown.status, sent.status, json.status], path).toEqual([404, 404, 404]);
    expect(sent.text, path).toBe(shown.text);
    texts.add(shown.text).add(json.text);
  }
  expect(texts.size).toBe(2);
});

test("a question without a schema is answered by any object, as it is by an empty one", async () => {
  waits = [ok({ ...OPEN, schema: null })];
  expect((await call("GET")).text).toContain("{}");
  expect((await post("data=%7B%7D")).status).toBe(200);
  expect((await post("data=%7B%22a%22%3A1%7D")).status).toBe(200);
  expect(signals.map(({ message: { command } }) => command.answer)).toEqual([
    { ok: true, data: {} },
    { ok: true, data: { a: 1 } },
  ]);
  for (const none of ["data=%5B%5D", "data=3", "data=null", "data=", ""]) {
    const { status, text } = await post(none);
    expect([status, text.includes("must be an object")], none).toEqual([422, true]);
  }
  expect(signals).toHaveLength(2);
});

test("a form of more than 256 KiB is refused in words, other bodies with 415 or 413", async () => {
  const large = "x".repeat(256 * 1024);
  const page = await post(`%2Fcount=${large}`);
  expect([page.status, page.text.includes("is larger than 262144 bytes")]).toEqual([422, true]);
  expect((await post(`%2Fcount=${large}`, FORM, JSON_TYPE)).status).toBe(413);
  expect((await post(`{"data":{"a":"${large}"}}`, JSON_TYPE)).status).toBe(413);
  expect((await post(FILLED, "text/plain")).status).toBe(415);
  expect((await post(FILLED, "multipart/form-data; boundary=x")).status).toBe(415);
  expect((await post("{", JSON_TYPE)).status).toBe(400);
  expect((await post('{"data":{"__proto__":{}}}', JSON_TYPE)).status).toBe(400);
  expect(signals).toEqual([]);
});
