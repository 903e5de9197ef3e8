// endpoint(): what the compiler refuses in a handler's answer, and what is served of the answers that it takes.
import { Hono } from "hono/tiny";
import { describe, expect, test } from "vitest";
import { err, ok } from "../../src/contract/problem.ts";
import { AddStageQuery, PauseRequest } from "../../src/contract/requests.ts";
import type { AppEnv } from "../../src/http/context.ts";
import { asJson, type Endpoint, endpoint } from "../../src/http/endpoint.ts";
import { JSON_TYPE, SSE_TYPE } from "../../src/http/route.ts";

// workerd's own method, by which bodies are read; Node has the standard's form of it.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: ReadableStreamBYOBReader, min: number, view: Uint8Array) {
    const read = this.read.bind(this) as (view: Uint8Array, options: { min: number }) => unknown;
    return read(view, { min });
  },
});

const describeIt = (summary: string) => () => ({ summary, answers: { 200: "It" } });
const route = { method: "get", path: "/it", permission: "public", describe: describeIt("It") } as const;

async function call({ method, path, serve }: Endpoint, target = path, init: RequestInit = {}) {
  const app = new Hono<AppEnv>();
  app.on(method, path, serve);
  const response = await app.request(target, { method: method.toUpperCase(), ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe("a handler's answer", () => {
  test("is type-checked against the schema of its status", () => {
    const made = [
      endpoint({
        ...route,
        id: "good",
        answers: { 200: "Health" },
        handle: () => ({ status: 200, json: { status: "ok" as const, version: "1" } }),
      }),
      endpoint({
        ...route,
        id: "wrong_field",
        answers: { 200: "Health" },
        // @ts-expect-error -- the schema says `version`.
        handle: () => ({ status: 200, json: { status: "ok" as const, release: "1" } }),
      }),
      endpoint({
        ...route,
        id: "wrong_type",
        answers: { 200: "Health" },
        // @ts-expect-error -- the schema says a text.
        handle: async () => ({ status: 200, json: { status: "ok" as const, version: 1 } }),
      }),
      endpoint({
        ...route,
        id: "wrong_status",
        answers: { 200: "Health" },
        // @ts-expect-error -- 201 is not declared.
        handle: () => ({ status: 201, json: { status: "ok" as const, version: "1" } }),
      }),
      endpoint({
        ...route,
        id: "unread_text",
        answers: { 200: "Health" },
        // @ts-expect-error -- text of which nothing is known.
        handle: () => ({ status: 200, text: "{}" }),
      }),
      endpoint({
        ...route,
        id: "text_of_another",
        answers: { 200: "Health" },
        // @ts-expect-error -- JSON text of another schema.
        handle: () => ({ status: 200, text: asJson<{ deleted: number }>("{}") }),
      }),
      endpoint({
        ...route,
        id: "unknown_schema",
        // @ts-expect-error -- the contract has no such schema.
        answers: { 200: "Wealth" },
        handle: () => ({ status: 200, json: {} }),
      }),
      endpoint({
        ...route,
        id: "no_stream",
        answers: { 200: "Health" },
        // @ts-expect-error -- the endpoint does not produce an event stream.
        handle: () => ({ stream: new Response() }),
      }),
      endpoint({
        ...route,
        id: "stream",
        produces: [JSON_TYPE, SSE_TYPE],
        answers: { 200: "Health" },
        handle: () => ({ stream: new Response() }),
      }),
    ];
    expect(made).toHaveLength(9);
  });

  test("has its status, its headers and its content type", async () => {
    const made = endpoint({
      ...route,
      id: "headers",
      answers: { 200: "Health" },
      handle: () => ({
        status: 200,
        json: { status: "ok" as const, version: "1" },
        headers: { etag: '"1"' },
      }),
    });
    const answer = await call(made);
    expect(answer).toMatchObject({ status: 200, text: '{"status":"ok","version":"1"}' });
    expect(answer.headers.get("content-type")).toBe(JSON_TYPE);
    expect(answer.headers.get("etag")).toBe('"1"');
  });

  test("may be text of another media type, empty, or a problem", async () => {
    const text = endpoint({
      ...route,
      id: "text",
      produces: ["text/plain"],
      answers: { 200: { media: "text/plain" } },
      handle: () => ({ status: 200, media: "plain", type: "text/plain" }),
    });
    const plain = await call(text);
    expect([plain.text, plain.headers.get("content-type")]).toEqual(["plain", "text/plain"]);
    const gone = endpoint({
      ...route,
      id: "gone",
      method: "delete",
      describe: () => ({ summary: "Delete it", answers: { 204: "Deleted" } }),
      answers: { 204: null },
      handle: ({ call: { req } }) =>
        req.header("x-refuse") === undefined ? { status: 204 } : err({ code: "NOT_FOUND" }),
    });
    expect(await call(gone)).toMatchObject({ status: 204, text: "" });
    const refused = await call(gone, "/it", { headers: { "x-refuse": "1" } });
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([404, "NOT_FOUND"]);
  });
});

describe("a call's input", () => {
  const made = endpoint({
    id: "put",
    method: "post",
    path: "/of/:name/at/:place",
    permission: "public",
    params: {
      name: (text) => (text === "none" ? err({ code: "NOT_FOUND" }) : ok(text.toUpperCase())),
      place: ok,
    },
    body: {
      name: "PauseRequest",
      schema: PauseRequest,
      max_bytes: 64,
      also: ["application/merge-patch+json"],
      absent: { mode: "drain" },
    },
    answers: { 200: { media: JSON_TYPE } },
    describe: describeIt("Put it"),
    handle: ({ params, body, sent }) => ({
      status: 200,
      media: JSON.stringify({ params, body, sent }),
      type: JSON_TYPE,
    }),
  });
  const post = async (body: string, target = "/of/a/at/b", type = JSON_TYPE) => {
    const { status, text } = await call(made, target, { body, headers: { "content-type": type } });
    return { status, body: JSON.parse(text) };
  };

  test("has the parameters as they were read, the body as parsed and as sent", async () => {
    expect(await post('{"mode":"abort"}')).toEqual({
      status: 200,
      body: { params: { name: "A", place: "b" }, body: { mode: "abort" }, sent: { mode: "abort" } },
    });
    expect(await post("")).toMatchObject({ status: 200, body: { body: { mode: "drain" } } });
    expect(await post("{}", "/of/a/at/b", "application/merge-patch+json")).toMatchObject({ status: 200 });
  });

  test.each([
    ["a parameter that is refused, before the body is looked at", "{", "/of/none/at/b", JSON_TYPE, 404],
    ["another media type", "{}", "/of/a/at/b", "text/plain", 415],
    ["a body beyond the endpoint's own bound", `{"mode":"${"x".repeat(64)}"}`, "/of/a/at/b", JSON_TYPE, 413],
    ["a body that its schema refuses", '{"mode":"never"}', "/of/a/at/b", JSON_TYPE, 400],
    [
      "an integer that JavaScript would change",
      '{"mode":12345678901234567890}',
      "/of/a/at/b",
      JSON_TYPE,
      400,
    ],
  ])("%s is refused", async (_what, body, target, type, status) => {
    expect((await post(body, target, type)).status).toBe(status);
  });

  test("is declared whole: a parameter of the path or the query without its part does not compile", () => {
    const made_wrong = [
      // @ts-expect-error -- `params` says nothing of `id`.
      endpoint({
        ...route,
        id: "no_params",
        path: "/it/:id",
        answers: { 200: "Health" },
        handle: () => ({ status: 200, json: { status: "ok" as const, version: "1" } }),
      }),
      endpoint({
        ...route,
        id: "not_described",
        query: AddStageQuery,
        answers: { 200: "Health" },
        // @ts-expect-error -- `before` has no description.
        describe: describeIt("It"),
        handle: () => ({ status: 200, json: { status: "ok" as const, version: "1" } }),
      }),
      endpoint({
        ...route,
        id: "answer_not_described",
        answers: { 200: "Health", 201: "Health" },
        // @ts-expect-error -- 201 has no description.
        describe: describeIt("It"),
        handle: () => ({ status: 201, json: { status: "ok" as const, version: "1" } }),
      }),
    ];
    expect(made_wrong.map(({ id }) => id)).toEqual(["no_params", "not_described", "answer_not_described"]);
  });
});
