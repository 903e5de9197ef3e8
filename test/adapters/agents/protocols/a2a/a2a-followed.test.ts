// Tasks of A2A agents that are followed over more than one request: streams that break, agents that refuse meanwhile,
// calls that are given up.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../../support/agents/agent-server.ts";
import { dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import {
  type Answer,
  begun,
  cardOf,
  done,
  events,
  piece,
  result,
  status,
  type TaskAgents,
  taskAgents,
} from "../../../../support/agents/task-agents.ts";
import { eventually } from "../../../../support/eventually.ts";

let agents: AgentServer;
let hand: TaskAgents;
beforeAll(async () => {
  agents = await startAgentServer();
  hand = taskAgents(agents);
});
afterAll(() => agents.close());

const start: TaskAgents["start"] = (...asked) => hand.start(...asked);
const run: TaskAgents["run"] = (...asked) => hand.run(...asked);
const sentTo = (path: string) => hand.sentTo(path);
const methodsOf = (path: string) => hand.methodsOf(path);
const broken = (results: object[]) => events(results, (response) => response.destroy());
const cancelled = (path: string) =>
  eventually(
    async () => sentTo(path).find(({ method }) => method === "CancelTask"),
    (sent) => sent !== undefined,
  );

test("whose stream breaks is taken up again, and sent nothing twice", async () => {
  const path = start({
    SendStreamingMessage: events([begun, piece("One "), piece("two ")], (response) => response.destroy()),
    SubscribeToTask: events([
      { task: { ...begun.task, artifacts: [{ artifactId: "a", parts: [{ text: "One two three " }] }] } },
      piece("four"),
      status("COMPLETED"),
    ]),
  });
  const called = await run(path);
  expect([dataOf(called), called.text]).toEqual([{ answer: "One two three four" }, "One two three four"]);
  expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask"]);
});

test("that has no stream any more is asked for its task until it is done", async () => {
  let asked = 0;
  const path = start({
    SendStreamingMessage: events([begun], (response) => response.destroy()),
    GetTask: (...sent) => {
      asked += 1;
      result(asked < 2 ? begun.task : done("Late."))(...sent);
    },
  });
  expect(dataOf(await run(path))).toEqual({ answer: "Late." });
  expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask", "GetTask", "GetTask"]);
});

test("that works on without a stream is asked for its task at a pace", async () => {
  const path = start({
    SendStreamingMessage: events([begun], (response) => response.destroy()),
    GetTask: result(begun.task),
  });
  await run(path, {}, {}, {}, AbortSignal.timeout(1_200));
  // At once, after half a second, and after another whole one.
  expect(methodsOf(path).filter((method) => method === "GetTask").length).toBeLessThanOrEqual(3);
});

test("is told to cancel a task that was given up", async () => {
  const leaving = new AbortController();
  const path = start({
    SendStreamingMessage: events([begun, piece("One ")], (response) => response.destroy()),
    SubscribeToTask: () => leaving.abort(),
    CancelTask: result(begun.task),
  });
  await run(path, {}, {}, {}, leaving.signal);
  await eventually(
    async () => methodsOf(path),
    (all) => all.includes("CancelTask"),
  );
  expect(sentTo(path).at(-1)?.params).toEqual({ id: "t1" });
});

test("is sent the tenant of its card with every request", async () => {
  const leaving = new AbortController();
  const card = (url: string) =>
    cardOf(url, true, {
      supportedInterfaces: [{ url, protocolBinding: "JSONRPC", protocolVersion: "1.0", tenant: "acme" }],
    });
  const path = start(
    {
      SendStreamingMessage: broken([begun]),
      GetTask: (...sent) => {
        result(begun.task)(...sent);
        leaving.abort();
      },
      CancelTask: result(begun.task),
    },
    true,
    card,
  );
  await run(path, {}, {}, {}, leaving.signal);
  await cancelled(path);
  expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask", "GetTask", "CancelTask"]);
  expect(sentTo(path).map(({ params }) => params.tenant)).toEqual(["acme", "acme", "acme", "acme"]);
});

const answers =
  (code: number): Answer =>
  (_sent, response) =>
    void response.writeHead(code, { "content-type": "application/json" }).end('{"detail":"no entry"}');

test.each<["SubscribeToTask" | "GetTask", number]>([
  ["SubscribeToTask", 401],
  ["SubscribeToTask", 403],
  ["SubscribeToTask", 307],
  ["GetTask", 401],
  ["GetTask", 404],
  ["GetTask", 501],
])("that answers %s with %i while it is followed fails at once", async (method, code) => {
  const path = start({ SendStreamingMessage: broken([begun]), [method]: answers(code) });
  expect(errorOf(await run(path))).toMatchObject({ status: code, retry: "no" });
  expect(methodsOf(path).filter((name) => name === method)).toHaveLength(1);
});

test("whose task is in no form that can be read fails at once", async () => {
  const page: Answer = (_sent, response) =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<p>Sign in</p>");
  const path = start({ SendStreamingMessage: broken([begun]), SubscribeToTask: page, GetTask: page });
  expect(errorOf(await run(path))).toMatchObject({
    retry: "once",
    message: expect.stringContaining("text/html"),
  });
  expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask", "GetTask"]);
});

test.each([408, 429, 503])("that answers %i meanwhile is asked again", async (code) => {
  let asked = 0;
  const path = start({
    SendStreamingMessage: broken([begun]),
    SubscribeToTask: (...sent) => {
      asked += 1;
      (asked === 1 ? answers(code) : events([{ task: done("After all.") }]))(...sent);
    },
  });
  expect(dataOf(await run(path))).toEqual({ answer: "After all." });
});

test("whose question is being answered is told to cancel its task before it has said a word", async () => {
  const leaving = new AbortController();
  const path = start({ SendStreamingMessage: () => leaving.abort(), CancelTask: result(begun.task) });
  const answer = { continuation: { task_id: "t7", context_id: "x1" }, data: { answer: "Bern" } };
  await run(path, {}, {}, { answer }, leaving.signal);
  expect((await cancelled(path))?.params).toEqual({ id: "t7" });
});
