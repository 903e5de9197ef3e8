// What the calls about conversations and forks send, and what they make of the answers.
import { expect, test } from "vitest";
import { CoordinatorClient, CoordinatorClientError, type StreamUpdate } from "../../../src/client/index.ts";

interface Sent {
  method: string;
  path: string;
  body: unknown;
  prefer: string | null;
  accept: string | null;
  key: string | null;
  after: string | null;
}

/** A client of a coordinator that gives these answers, one after the other, and what it was sent. */
function clientOf(...answers: (() => Response)[]): { client: CoordinatorClient; sent: Sent[] } {
  const sent: Sent[] = [];
  const client = new CoordinatorClient({
    baseUrl: "https://coordinator.test",
    fetch: async (input, init) => {
      const { pathname, search } = new URL(input);
      const headers = new Headers(init.headers);
      sent.push({
        method: init.method ?? "GET",
        path: pathname + search,
        body: typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : null,
        prefer: headers.get("prefer"),
        accept: headers.get("accept"),
        key: headers.get("idempotency-key"),
        after: headers.get("last-event-id"),
      });
      const answer = answers.shift();
      if (answer === undefined) throw new Error("one request too many");
      return answer();
    },
  });
  return { client, sent };
}

const json =
  (body: unknown, status = 200) =>
  () =>
    Response.json(body, { status });
const nothing = () => new Response(null, { status: 204 });
const stream =
  (...events: object[]) =>
  () =>
    new Response(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""), {
      headers: { "content-type": "text/event-stream" },
    });
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (cause: unknown) => cause,
  );

const FORK = { execution_id: "f1", status: "completed", forked_from: { execution_id: "e/1", seq: 9 } };

test("a fork waits for its end, under a key of its own", async () => {
  const { client, sent } = clientOf(json(FORK), json(FORK));
  const changes = { from: "write", query: "q2", set: { find: { a: 1 } }, pipeline_version: 8 };
  expect(await client.fork("e/1", changes)).toEqual(FORK);
  await client.fork("e/1", {}, { idempotencyKey: "mine" });
  expect(sent).toMatchObject([
    { method: "POST", path: "/v1/executions/e%2F1/fork", body: changes, prefer: null },
    { method: "POST", path: "/v1/executions/e%2F1/fork", body: {}, key: "mine" },
  ]);
  expect(sent[0]?.key).toMatch(/^[0-9a-f-]{36}$/);
});

test("a fork that names its own execution sends no key", async () => {
  const { client, sent } = clientOf(json(FORK));
  await client.fork("e1", { execution_id: "f1" });
  expect(sent[0]).toMatchObject({ body: { execution_id: "f1" }, key: null });
});

test("a fork resolves at once where that is asked for", async () => {
  const { client, sent } = clientOf(json({ ...FORK, status: "running" }, 202));
  expect(await client.fork("e1", { from: "failed" }, { respondAsync: true })).toMatchObject({
    status: "running",
  });
  expect(sent[0]?.prefer).toBe("respond-async");
});

test("a fork is followed by callbacks, across a connection that breaks, as one fork", async () => {
  const started = { execution_id: "f1", seq: 1, type: "execution.started", status: "running", data: {} };
  const ended = { execution_id: "f1", seq: 2, type: "execution.completed", status: "completed", data: FORK };
  const { client, sent } = clientOf(stream(started), stream(ended));
  const seen: StreamUpdate["type"][] = [];
  expect(await client.fork("e1", {}, { onUpdate: ({ type }) => void seen.push(type) })).toEqual(FORK);
  expect(seen).toEqual(["execution.started", "execution.completed"]);
  expect(sent).toMatchObject([
    { path: "/v1/executions/e1/fork", accept: "text/event-stream", after: null },
    { path: "/v1/executions/e1/fork", accept: "text/event-stream", after: "1" },
  ]);
  expect(sent[1]?.key).toBe(sent[0]?.key);
});

test("regenerate forks from the last final stage and takes the turn", async () => {
  const source = { final_stages: ["side", "write"], stage_results: {} };
  const { client, sent } = clientOf(json(source), json(FORK), json(FORK));
  expect(await client.regenerate("e1")).toEqual(FORK);
  await client.regenerate("e1", { from: "find", respondAsync: true });
  expect(sent).toMatchObject([
    { method: "GET", path: "/v1/executions/e1" },
    { path: "/v1/executions/e1/fork", body: { from: "write", replace_turn: true }, prefer: null },
    { path: "/v1/executions/e1/fork", body: { from: "find", replace_turn: true }, prefer: "respond-async" },
  ]);
});

test("regenerate begins at the last stage of an execution that does not name its final ones", async () => {
  const source = { final_stages: [], stage_results: { find: {}, write: {} } };
  const { client, sent } = clientOf(json(source), json(FORK));
  await client.regenerate("e1");
  expect(sent[1]?.body).toEqual({ from: "write", replace_turn: true });
});

test("edit asks another question in the place of one", async () => {
  const { client, sent } = clientOf(json(FORK));
  expect(await client.edit("e1", "What else?")).toEqual(FORK);
  expect(sent[0]?.body).toEqual({ query: "What else?", replace_turn: true });
});

test("a plan is read and starts nothing", async () => {
  const plan = { reused: ["find"], rerun: [{ stage: "write", reason: "query" }] };
  const { client, sent } = clientOf(json(plan));
  expect(await client.planFork("e/1", { from: "write" })).toEqual(plan);
  expect(sent).toMatchObject([
    { method: "POST", path: "/v1/executions/e%2F1/fork", body: { from: "write", dry_run: true } },
  ]);
});

test("a conversation is read page after page", async () => {
  const page = { data: [], has_more: true, next_cursor: "c2" };
  const { client, sent } = clientOf(json(page), json(page));
  expect(await client.conversation("a b")).toEqual(page);
  await client.conversation("a b", { limit: 5, cursor: "c2" });
  expect(sent).toMatchObject([
    { method: "GET", path: "/v1/conversations/a%20b" },
    { method: "GET", path: "/v1/conversations/a%20b?limit=5&cursor=c2" },
  ]);
});

test("a conversation is forgotten part by part, until nothing is left", async () => {
  const part = json({ deleted: 100, has_more: true }, 202);
  const { client, sent } = clientOf(part, part, nothing, nothing);
  await client.forgetConversation("c/1", { cancel: true });
  expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(
    Array.from({ length: 3 }, () => "DELETE /v1/conversations/c%2F1?cancel=true"),
  );
  await client.forgetConversation("c1");
  expect(sent[3]?.path).toBe("/v1/conversations/c1");
});

test("a run says what happens while another one has not ended, and a refusal names those", async () => {
  const busy = { code: "CONVERSATION_BUSY", detail: "has not ended: e1", running: ["e1", "e2"] };
  const { client, sent } = clientOf(json(busy, 409), json({ code: "INTERNAL_ERROR", detail: "x" }, 500));
  const request = { query: "q", conversation_id: "c", on_busy: "reject" } as const;
  const failure = await failureOf(client.executePipeline(request));
  expect(failure).toBeInstanceOf(CoordinatorClientError);
  expect(failure).toMatchObject({ code: "CONVERSATION_BUSY", status: 409, running: ["e1", "e2"] });
  expect(sent[0]?.body).toEqual(request);
  expect(await failureOf(client.executePipeline(request))).toMatchObject({ running: [] });
});
