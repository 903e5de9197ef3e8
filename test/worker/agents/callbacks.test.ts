// Agents that answer later, in real workerd over real HTTP: the 202, the callback in each form, signs of life and their
// absence, crashes in between, and the work that is given up.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, type Behaviour, startAgentServer } from "../../support/agents/agent-server.ts";
import { readEvents, type Received, textOf } from "../../support/clients/sse.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { startWorkerd, temporaryState } from "../../support/servers/workerd.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  const vars = { AGENT_COORDINATOR_RETRY_DELAY: "0.01" };
  coordinator = await startCoordinator([agents], vars);
});

afterAll(() => closeAll(coordinator, agents));

/** Answers 202, with a place where the work can be cancelled. */
const accepts: Behaviour = (call, response) => {
  if (call.method === "DELETE") response.writeHead(204).end();
  else response.writeHead(202, { location: `${call.path}/job` }).end("accepted");
};

const JSON_TYPE = { "content-type": "application/json" };
const SSE_TYPE = { "content-type": "text/event-stream" };

/** A pipeline whose one agent answers 202; `begin` starts a run and resolves once the agent has been called. */
async function laterAgent(stage: Record<string, unknown> = {}, behaviour: Behaviour = accepts) {
  names += 1;
  const name = `l${names}`;
  await coordinator.agent(name, agents.url(`/${name}`));
  const only = { name: "only", agent_type: name, retry_attempts: 1, callback_timeout_seconds: 60, ...stage };
  await coordinator.pipeline(name, [only]);
  agents.on(`/${name}`, behaviour);
  agents.on(`/${name}/job`, behaviour);
  const calls = () => agents.callsOf(`/${name}`);
  const deletes = () => agents.callsOf(`/${name}/job`);
  const urlOf = (n: number) => String(calls()[n]?.headers["coordinator-callback"]);
  const begin = async () => {
    const { body } = await coordinator.run({ pipeline: name }, { prefer: "respond-async" });
    await until(() => calls().length > 0);
    return String(body.execution_id);
  };
  return { name, calls, deletes, urlOf, begin };
}

const until = (holds: () => boolean | Promise<boolean>) =>
  eventually(
    async () => holds(),
    (does) => does,
  );

const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

async function waits(id: string): Promise<void> {
  await until(async () => (await show(id)).status === "waiting");
}

async function callback(url: string, body: BodyInit, headers: Record<string, string> = JSON_TYPE) {
  const response = await fetch(url, { method: "POST", body, headers, duplex: "half" } as RequestInit);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

test("a run waits for its agent and goes on with the callback's JSON; the same again is accepted, another is not", async () => {
  const { begin, urlOf, calls } = await laterAgent();
  const id = await begin();
  await waits(id);
  expect(urlOf(0)).toMatch(new RegExp(`^${coordinator.url}/v1/callbacks/`));
  const answer = JSON.stringify({ data: { answer: "done" }, usage: { input_tokens: 3 } });
  expect(await callback(urlOf(0), answer)).toEqual({ status: 200, body: { status: "accepted" } });
  expect(await show(id)).toMatchObject({
    status: "completed",
    stage_results: { only: { status: "completed", attempts: 1, data: { answer: "done" } } },
  });
  expect((await callback(urlOf(0), answer)).status).toBe(200);
  expect(await callback(urlOf(0), '{"data":{"answer":"other"}}')).toMatchObject({
    status: 409,
    body: { code: "EXECUTION_CONFLICT" },
  });
  expect(calls()).toHaveLength(1);
  expect(coordinator.output()).not.toContain(urlOf(0).split("/").at(-1));
});

test("problem details fail the try, and a body that is none of its forms changes nothing", async () => {
  const { begin, urlOf } = await laterAgent();
  const id = await begin();
  await waits(id);
  expect(await callback(urlOf(0), '{"answer":"x"}')).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST", errors: [{ pointer: "/data" }] },
  });
  expect(await callback(urlOf(0), "x".repeat(6 * 1024 * 1024))).toMatchObject({ status: 413 });
  expect((await show(id)).status).toBe("waiting");
  const problem = JSON.stringify({ status: 400, detail: "the question makes no sense" });
  await callback(urlOf(0), problem, { "content-type": "application/problem+json" });
  expect((await show(id)).stage_results.only.error).toMatchObject({
    code: "AGENT_PROCESSING_ERROR",
    message: "the question makes no sense",
  });
});

test("a compressed answer is decoded", async () => {
  const { begin, urlOf } = await laterAgent();
  const id = await begin();
  const zipped = new Blob(['{"data":{"n":1}}']).stream().pipeThrough(new CompressionStream("gzip"));
  const body = await new Response(zipped).arrayBuffer();
  expect((await callback(urlOf(0), body, { ...JSON_TYPE, "content-encoding": "gzip" })).status).toBe(200);
  expect((await show(id)).final_result).toEqual({ n: 1 });
});

test("a callback's stream is shown to readers as it comes, and one that breaks off begins again", async () => {
  const { begin, urlOf } = await laterAgent();
  const id = await begin();
  await waits(id);
  const seen: Received[] = [];
  const events = coordinator.fetch(`/v1/executions/${id}/events`);
  const reading = readEvents(await events, (event) => void seen.push(event));
  const delta = (text: string) => `event: delta\ndata: ${JSON.stringify({ text })}\n\n`;
  const write = (text: string) => new TextEncoder().encode(text);
  const cut = await callback(urlOf(0), delta("Half a tr"), SSE_TYPE);
  expect(cut).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
  let source: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) });
  const answered = callback(urlOf(0), body, SSE_TYPE);
  source?.enqueue(write(delta("Heat ")));
  await until(() => textOf(seen, "only") === "Heat ");
  source?.enqueue(write(delta("pumps")));
  await until(() => textOf(seen, "only") === "Heat pumps");
  source?.enqueue(write('event: result\ndata: {"data":{"answer":"Heat pumps"}}\n\n'));
  source?.close();
  expect((await answered).status).toBe(200);
  await reading;
  expect(seen.at(-1)?.event).toBe("execution.completed");
  expect(textOf(seen, "only")).toBe("Heat pumps");
});

test("a reader of a run at rest sees a callback's progress and stream, and rests in between", async () => {
  const { begin, urlOf } = await laterAgent();
  const id = await begin();
  await waits(id);
  const seen: Received[] = [];
  const events = await coordinator.fetch(`/v1/executions/${id}/events`);
  const reading = readEvents(events, (event) => void seen.push(event));
  await until(() => seen.at(-1)?.event === "stage.waiting");
  await coordinator.evict(id);
  await callback(urlOf(0), '{"progress":{"message":"half","fraction":0.5}}');
  await until(() => seen.some(({ event }) => event === "stage.progress"));
  await coordinator.evict(id);
  const stream =
    'event: delta\ndata: {"text":"Heat pumps"}\n\nevent: result\ndata: {"data":{"answer":"Heat pumps"}}\n\n';
  expect((await callback(urlOf(0), stream, SSE_TYPE)).status).toBe(200);
  await reading;
  expect(seen.at(-1)?.event).toBe("execution.completed");
  expect(textOf(seen, "only")).toBe("Heat pumps");
});

test("a callback that comes before the 202 is taken", async () => {
  const receipts: number[] = [];
  const { begin } = await laterAgent({}, async (call, response) => {
    const url = String(call.headers["coordinator-callback"]);
    receipts.push((await callback(url, '{"data":{"quick":true}}')).status);
    response.writeHead(202).end();
  });
  const id = await begin();
  await until(async () => (await show(id)).status === "completed");
  expect(receipts).toEqual([200]);
  expect((await show(id)).final_result).toEqual({ quick: true });
});

test("signs of life keep a try alive; silence ends it, and the next one has a token of its own", async () => {
  const { begin, urlOf, calls } = await laterAgent({
    callback_timeout_seconds: 30,
    heartbeat_seconds: 2,
    retry_attempts: 2,
  });
  const id = await begin();
  await waits(id);
  const began = Date.now();
  while (Date.now() - began < 4_000) {
    expect((await callback(urlOf(0), '{"heartbeat":true}')).status).toBe(200);
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
  }
  expect((await callback(urlOf(0), '{"progress":{"message":"half","fraction":0.5}}')).status).toBe(200);
  expect(calls()).toHaveLength(1);
  await until(() => calls().length === 2);
  expect(urlOf(1)).not.toBe(urlOf(0));
  expect((await callback(urlOf(0), '{"data":{}}')).status).toBe(409);
  expect((await callback(urlOf(0), '{"heartbeat":true}')).status).toBe(409);
  await waits(id);
  expect((await callback(urlOf(1), '{"data":{"try":2}}')).status).toBe(200);
  expect(await show(id)).toMatchObject({ status: "completed", stage_results: { only: { attempts: 2 } } });
});

test("a crash of the object, or of the server, after the 202 does not call it again", async () => {
  const { begin, urlOf, calls, name } = await laterAgent();
  const id = await begin();
  await waits(id);
  await coordinator.abort(id);
  expect((await show(id)).status).toBe("waiting");
  await coordinator.evict(id);
  expect((await callback(urlOf(0), '{"data":{"n":1}}')).status).toBe(200);
  expect((await show(id)).status).toBe("completed");
  expect(calls()).toHaveLength(1);

  const state = await temporaryState();
  const vars = {
    AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
    AGENT_COORDINATOR_PUBLIC_URL: "https://coordinator.example",
    AGENT_COORDINATOR_TOKEN_SECRET: "a secret of this test alone, long enough",
  };
  const options = { state: state.path, vars };
  const first = await startWorkerd(options);
  const send = (base: string, method: string, path: string, body: unknown) =>
    fetch(`${base}${path}`, { method, body: JSON.stringify(body), headers: JSON_TYPE });
  await send(first.url, "PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`) });
  const only = { name: "only", agent_type: name, callback_timeout_seconds: 60 };
  await send(first.url, "PUT", `/v1/pipelines/${name}`, { stages: [only] });
  const run = { query: "q", conversation_id: "c", pipeline: name, execution_id: "killed-1" };
  const started = fetch(`${first.url}/v1/executions`, {
    method: "POST",
    body: JSON.stringify(run),
    headers: { ...JSON_TYPE, prefer: "respond-async" },
  });
  await started;
  const statusAt = async (base: string) =>
    (await (await fetch(`${base}/v1/executions/killed-1`)).json<{ status: string }>()).status;
  await until(async () => (await statusAt(first.url)) === "waiting");
  await first.kill();
  const second = await startWorkerd(options);
  expect(await statusAt(second.url)).toBe("waiting");
  expect(urlOf(1)).toMatch(/^https:\/\/coordinator\.example\/v1\/callbacks\//);
  const token = urlOf(1).split("/").at(-1);
  expect((await callback(`${second.url}/v1/callbacks/${token}`, '{"data":{"n":2}}')).status).toBe(200);
  expect(await statusAt(second.url)).toBe("completed");
  expect(calls()).toHaveLength(2);
  await second.kill();
  await state.remove();
});

test("a cancel deletes the work once, and an answer nothing", async () => {
  const { begin, deletes, urlOf } = await laterAgent();
  const id = await begin();
  await waits(id);
  await coordinator.api("POST", `/v1/executions/${id}/cancel`, {});
  await until(() => deletes().length === 1);
  expect(deletes()[0]?.method).toBe("DELETE");
  await coordinator.api("POST", `/v1/executions/${id}/cancel`, {});
  expect((await callback(urlOf(0), '{"data":{}}')).status).toBe(409);
  const other = await laterAgent();
  const answered = await other.begin();
  await waits(answered);
  await callback(other.urlOf(0), '{"data":{}}');
  expect((await show(answered)).status).toBe("completed");
  expect([deletes().length, other.deletes().length]).toEqual([1, 0]);
});

test("a 202 from the agent of a stage without the field fails it and names the field", async () => {
  const { begin, calls } = await laterAgent({ callback_timeout_seconds: undefined, retry_attempts: 3 });
  const id = await begin();
  await until(async () => (await show(id)).status === "failed");
  expect((await show(id)).stage_results.only.error).toMatchObject({
    code: "AGENT_PROCESSING_ERROR",
    message: expect.stringContaining("callback_timeout_seconds"),
  });
  expect(calls()).toHaveLength(1);
  expect(calls()[0]?.headers["coordinator-callback"]).toBeUndefined();
});

test("a token that is none, or of a run that is gone, opens nothing", async () => {
  const { begin, urlOf } = await laterAgent();
  const id = await begin();
  await waits(id);
  expect((await callback(`${urlOf(0)}x`, '{"data":{}}')).status).toBe(404);
  await coordinator.api("POST", `/v1/executions/${id}/cancel`, {});
  await coordinator.api("DELETE", `/v1/executions/${id}`);
  expect((await callback(urlOf(0), '{"data":{}}')).status).toBe(404);
});
