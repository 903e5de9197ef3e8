// Answers with a key, and tokens, over ports that record what reaches them.
import { Hono } from "hono/tiny";
import { beforeEach, expect, test } from "vitest";
import { err, ok, type Result } from "../../../../src/contract/problem.ts";
import type { StageWait } from "../../../../src/core/execution/view/stage-wait.ts";
import type { SignalReceipt } from "../../../../src/engine/object-protocol.ts";
import type { AppEnv } from "../../../../src/http/context.ts";
import { callbacks } from "../../../../src/http/routes/outside/callbacks.ts";
import { signals } from "../../../../src/http/routes/outside/signals.ts";

// workerd's own method, by which bodies are read; Node has the standard's form of it.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: ReadableStreamBYOBReader, min: number, view: Uint8Array) {
    const read = this.read.bind(this) as (view: Uint8Array, options: { min: number }) => unknown;
    return read(view, { min });
  },
});

const RESULT = '{"stage":"approval","status":"completed"}';
const OPEN = { state: "open", seq: 7, started_at: 5, expires_at: "2026-11-28T12:00:00.000Z" } as StageWait;

let key_id: string | null;
let publicOrigin: string | null;
let wait: Result<StageWait>;
let signalled: Result<SignalReceipt>;
let received: unknown[];

beforeEach(() => {
  key_id = "k1";
  publicOrigin = null;
  wait = ok(OPEN);
  signalled = ok({ status: 200, json: RESULT });
  received = [];
});

const app = new Hono<AppEnv>();
app.use(async ({ set }, next) => {
  const taken = (...args: unknown[]) => {
    received.push(args);
  };
  set("tenant", "acme");
  set("key_id", key_id);
  set("services", {
    settings: { publicOrigin },
    access: {
      signWaitToken: async (claims: unknown) => {
        taken(claims);
        return "signed";
      },
      readCallbackToken: async (token: string) =>
        token === "good" ? { tenant: "acme", execution_id: "ex1", started_at: 5, stage: "s", call: 3 } : null,
    },
    executions: {
      callback: async (tenant: string, id: string, target: unknown, sent: Request) => {
        taken(tenant, id, target, await sent.text());
        return ok("alive");
      },
      rpc: (tenant: string, id: string) => ({
        signal: async (message: unknown) => {
          taken(tenant, id, message);
          return signalled;
        },
        waitOf: async (...args: unknown[]) => {
          taken(tenant, id, ...args);
          return wait;
        },
      }),
    },
  } as unknown as AppEnv["Variables"]["services"]);
  await next();
});
for (const { method, path, serve } of [...signals, ...callbacks]) app.on(method, path, serve);

async function post(path: string, body?: unknown) {
  const response = await app.request(path, {
    method: "POST",
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}
const STAGE = "/v1/executions/ex1/stages/approval";

test.each([
  ["complete", { data: { a: 1 } }, { ok: true, data: { a: 1 } }],
  ["fail", { message: "no" }, { ok: false, message: "no" }],
])("%s answers in the name of its key, which is `local` where there are none", async (verb, body, answer) => {
  for (const [id, by] of [
    ["k1", "key:k1"],
    [null, "key:local"],
  ] as const) {
    key_id = id;
    received = [];
    expect(await post(`${STAGE}/${verb}`, body)).toEqual({ status: 200, body: JSON.parse(RESULT) });
    const command = { type: "signal", stage: "approval", wait: null, answer, by };
    expect(received).toEqual([["acme", "ex1", { command, started_at: null }]]);
  }
});

test("an answer before its question is 202; what the schema refuses has pointers into the body", async () => {
  signalled = ok({ status: 202, json: RESULT });
  expect((await post(`${STAGE}/complete`, { data: {} })).status).toBe(202);
  const errors = [
    { pointer: "", detail: "must be an object" },
    { pointer: "/a/0", detail: "is required" },
  ];
  signalled = err({ code: "SCHEMA_MISMATCH", stage: "approval", errors });
  expect(await post(`${STAGE}/complete`, { data: {} })).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: "/data" }, { pointer: "/data/a/0" }], error_count: 2 },
  });
});

test.each([
  ["complete", {}],
  ["complete", { data: [] }],
  ["complete", { data: null }],
  ["complete", { data: {}, more: 1 }],
  ["fail", {}],
  ["fail", { message: "" }],
  ["fail", { message: "x".repeat(1_001) }],
])("%s %j is refused", async (verb, body) => {
  expect(await post(`${STAGE}/${verb}`, body)).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST" },
  });
  expect(received).toEqual([]);
});

test("an id that cannot be one is of no execution", async () => {
  const path = "/v1/executions/a.b/stages/approval";
  for (const [verb, body] of [["complete", { data: {} }], ["fail", { message: "m" }], ["token"]] as const) {
    expect(await post(`${path}/${verb}`, body)).toMatchObject({ body: { code: "EXECUTION_NOT_FOUND" } });
  }
});

test("a token is bound to the wait that is open, and its address to the public origin", async () => {
  const made = await post(`${STAGE}/token`);
  expect(made).toEqual({
    status: 200,
    body: {
      token: "signed",
      respond_url: "http://localhost/respond/signed",
      expires_at: "2026-11-28T12:00:00.000Z",
    },
  });
  const [asked, claims] = received as [unknown, [Record<string, unknown>]];
  expect(asked).toEqual(["acme", "ex1", "approval", null]);
  const id = claims[0]["id"];
  expect(claims).toEqual([
    { tenant: "acme", execution_id: "ex1", started_at: 5, stage: "approval", wait: 7, id },
  ]);
  expect(id).toMatch(/^[A-Za-z0-9_-]{8}$/);
  publicOrigin = "https://coordinator.example.com";
  received = [];
  expect((await post(`${STAGE}/token`)).body.respond_url).toBe(
    "https://coordinator.example.com/respond/signed",
  );
  expect((received as [unknown, [Record<string, unknown>]])[1][0]["id"]).not.toBe(id);
});

test.each(["pending", "answered", "expired", "cancelled", "skipped", "failed"] as const)(
  "there is no token for a question that is %s",
  async (state) => {
    wait = ok({ ...OPEN, state });
    const refused = await post(`${STAGE}/token`);
    expect(refused).toMatchObject({ status: 409, body: { code: "EXECUTION_CONFLICT" } });
    const words = state === "pending" ? "has not asked its question yet" : "";
    expect(refused.body.detail).toMatch(new RegExp(`^the stage approval takes no answer: it.*${words}`));
  },
);

test("a callback goes on as it comes; a bad token opens nothing", async () => {
  expect(await post("/v1/callbacks/good", { heartbeat: true })).toEqual({
    status: 200,
    body: { status: "alive" },
  });
  const target = { stage: "s", call: 3, started_at: 5 };
  expect(received).toEqual([["acme", "ex1", expect.objectContaining(target), '{"heartbeat":true}']]);
  received = [];
  expect(await post("/v1/callbacks/bad", { heartbeat: true })).toMatchObject({
    status: 404,
    body: { code: "NOT_FOUND", instance: "/v1/callbacks/***" },
  });
  expect(received).toEqual([]);
});
