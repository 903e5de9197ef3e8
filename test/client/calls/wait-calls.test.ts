// What the calls about waits send, and what they make of the answers.
import { expect, test } from "vitest";
import { CoordinatorClient, CoordinatorClientError } from "../../../src/client/index.ts";

interface Sent {
  method: string;
  path: string;
  body: unknown;
}

/** A client of a coordinator that gives this one answer, and what it was sent. */
function clientOf(answer: unknown, status = 200): { client: CoordinatorClient; sent: Sent[] } {
  const sent: Sent[] = [];
  const client = new CoordinatorClient({
    baseUrl: "https://coordinator.test",
    fetch: async (input, init) => {
      const { pathname, search } = new URL(input);
      const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : null;
      sent.push({ method: init.method ?? "GET", path: pathname + search, body });
      return Response.json(answer, { status });
    },
  });
  return { client, sent };
}

const post = (path: string, body: unknown): Sent => ({ method: "POST", path, body });
const RESULT = { stage: "a b", status: "completed", answered_by: "key:k1" };

test("the inbox is read by its filter, page after page", async () => {
  const page = { data: [], has_more: true, next_cursor: "c2" };
  const { client, sent } = clientOf(page);
  expect(await client.waits()).toEqual(page);
  await client.waits({ pipeline: "news", conversation_id: "c 1", limit: 5, cursor: "c2" });
  expect(sent).toEqual([
    { method: "GET", path: "/v1/waits", body: null },
    {
      method: "GET",
      path: "/v1/waits?pipeline=news&conversation_id=c+1&limit=5&cursor=c2",
      body: null,
    },
  ]);
});

test("an answer, a rejection and a token each go to the stage's own path", async () => {
  const { client, sent } = clientOf(RESULT);
  expect(await client.completeStage("ex/1", "a b", { approved: true })).toEqual(RESULT);
  expect(await client.failStage("ex/1", "a b", "too early")).toEqual(RESULT);
  await client.stageToken("ex/1", "a b");
  const path = "/v1/executions/ex%2F1/stages/a%20b";
  expect(sent).toEqual([
    post(`${path}/complete`, { data: { approved: true } }),
    post(`${path}/fail`, { message: "too early" }),
    post(`${path}/token`, null),
  ]);
});

test("data that does not satisfy the schema is an error with a pointer for each fault", async () => {
  const errors = [{ pointer: "/data/copies", detail: "must be at most 9" }];
  const { client } = clientOf({ code: "SCHEMA_MISMATCH", detail: "no", errors }, 422);
  const failure: unknown = await client
    .completeStage("ex", "a", { copies: 12 })
    .catch((cause: unknown) => cause);
  expect(failure).toBeInstanceOf(CoordinatorClientError);
  expect(failure).toMatchObject({ code: "SCHEMA_MISMATCH", status: 422, errors });
});
