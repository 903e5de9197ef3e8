// I18 in real workerd: questions of one conversation that come at the same time under each value of on_busy, the history
// that each is given, what cancels a queued one, and that a server killed with a queue goes on with it in order.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo, type Calls } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

const SAID = "what it had said";

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;
let calls: Calls;
/** When each call of a question began and ended. */
const spans = new Map<string, { from: number; to: number | null; history: unknown[] }>();
/** How long an answer takes, ms. */
let work_ms = 20;

const boot = async () => {
  server = await startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, AGENT_COORDINATOR_CACHING: "false" },
  });
  calls = callsTo(server.url);
};

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", (call, response) => {
    const { query } = call.body;
    const span = { from: Date.now(), to: null as number | null, history: call.body.history };
    spans.set(query, span);
    const over = () => (span.to ??= Date.now());
    response.on("close", over);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`event: delta\ndata: ${JSON.stringify({ text: SAID })}\n\n`);
    setTimeout(() => {
      over();
      response.end(`event: result\ndata: ${JSON.stringify({ data: { answer: `to ${query}` } })}\n\n`);
    }, work_ms);
  });
  state = await temporaryState();
  await boot();
  await calls.agent("one", agents.url("/one"));
  await calls.pipeline("p", [{ name: "only", agent_type: "one" }]);
});

afterAll(async () => {
  await server.kill();
  await closeAll(agents);
  await state.remove();
});

beforeEach(() => {
  spans.clear();
  work_ms = 20;
});

const post = (conversation_id: string, query: string, on_busy: string, more = {}, headers = {}) =>
  calls.post({ pipeline: "p", conversation_id, query, on_busy, ...more }, headers);
const ask = async (...of: Parameters<typeof post>) => {
  const response = await post(...of);
  return {
    status: response.status,
    body: (await response.json()) as Record<string, never> & { status: string },
  };
};
const ASYNC = { prefer: "respond-async" };
const settled = (id: string, status = "completed") =>
  eventually(
    () => calls.read(id),
    (found) => found.status === status,
  );
const called = () =>
  eventually(
    async () => spans.size,
    (size) => size > 0,
  );
/** Resolves once the run's reader has what its agent has said. */
async function hasSaid(id: string): Promise<void> {
  const { body } = await calls.fetch(`/v1/executions/${id}/events`, {
    headers: { accept: "text/event-stream" },
  });
  let text = "";
  for await (const piece of (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.includes(SAID)) return;
  }
}
const turn = (query: string) => ({ query, answer: { answer: `to ${query}` } });

/** The calls, in the order in which they began; none while another was in flight. */
function oneAfterAnother(): string[] {
  const all = [...spans].toSorted(([, a], [, b]) => a.from - b.from);
  for (const [at, [, { from }]] of all.entries()) {
    const before = all[at - 1]?.[1];
    // Ends are seen a moment later than they are made.
    if (before !== undefined) expect(before.to ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(from + 15);
  }
  return all.map(([query]) => query);
}

describe("100 questions of a conversation at the same time", () => {
  const many = Array.from({ length: 100 }, (_, at) => `q${at}`);

  test("reject: one runs, the others are refused with it", async () => {
    work_ms = 1_500;
    const answers = await Promise.all(many.map((query) => ask("reject", query, "reject")));
    const ran = answers.filter(({ status }) => status === 200);
    expect(ran).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(99);
    const id = ran[0]?.body["execution_id"];
    for (const { body } of refused) expect(body).toMatchObject({ code: "CONVERSATION_BUSY", running: [id] });
    expect(spans.size).toBe(1);
    work_ms = 20;
    expect((await ask("reject", "then", "reject")).status).toBe(200);
  });

  test("queue: 11 are accepted, and run one after another with the answers of those before", async () => {
    work_ms = 200;
    const answers = await Promise.all(many.map((query) => ask("queue", query, "queue")));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(11);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(89);
    expect(refused[0]?.body["detail"]).toContain("10 executions");
    const order = oneAfterAnother();
    expect(order).toHaveLength(11);
    for (const [at, query] of order.entries()) {
      expect(spans.get(query)?.history).toEqual(order.slice(Math.max(0, at - 5), at).map(turn));
    }
  });

  test("interrupt: one at a time, and the last one is answered", async () => {
    work_ms = 400;
    const answers = Promise.all(many.map((query) => ask("interrupt", query, "interrupt")));
    await called();
    const last = await ask("interrupt", "the last", "interrupt");
    expect(last.body.status).toBe("completed");
    const statuses = new Set<string | number>();
    for (const { status, body } of await answers) statuses.add(status === 200 ? body.status : status);
    expect(statuses).not.toContain("completed");
    expect(oneAfterAnother().at(-1)).toBe("the last");
  });
});

test("a queued run shows that it waits, for whom, and its stream says when it starts", async () => {
  work_ms = 600;
  const first = await ask("stream", "first", "queue", { execution_id: "s-first" }, ASYNC);
  expect(first.body.status).toBe("running");
  const second = await ask("stream", "second", "queue", { execution_id: "s-second" }, ASYNC);
  expect(second).toMatchObject({ status: 202, body: { status: "queued" } });
  const again = await ask("stream", "second", "queue", { execution_id: "s-second" }, ASYNC);
  expect(again).toMatchObject({ status: 202, body: { execution_id: "s-second", status: "queued" } });
  const listed = (await (await calls.fetch("/v1/executions?status=queued")).json()) as { data: unknown[] };
  expect(listed.data).toMatchObject([{ execution_id: "s-second", status: "queued" }]);
  const third = await post(
    "stream",
    "third",
    "queue",
    { execution_id: "s-third" },
    { accept: "text/event-stream" },
  );
  const text = await third.text();
  const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
  expect(types.filter((type) => type?.startsWith("execution."))).toEqual([
    "execution.queued",
    "execution.started",
    "execution.completed",
  ]);
  expect(text).toContain('"behind":"s-second","position":2');
  expect(oneAfterAnother()).toEqual(["first", "second", "third"]);
  expect((await settled("s-third")).status).toBe("completed");
});

test("a queued run can be cancelled; the one that waits for it goes on", async () => {
  work_ms = 500;
  await ask("cancel", "first", "queue", { execution_id: "c-first" }, ASYNC);
  await ask("cancel", "second", "queue", { execution_id: "c-second" }, ASYNC);
  await ask("cancel", "third", "queue", { execution_id: "c-third" }, ASYNC);
  const paused = await calls.send("POST", "/v1/executions/c-second/pause", {});
  expect(paused.status).toBe(409);
  const cancelled = await calls.send("POST", "/v1/executions/c-second/cancel", {});
  expect(await cancelled.json()).toMatchObject({ status: "cancelled" });
  await settled("c-third");
  expect(oneAfterAnother()).toEqual(["first", "third"]);
});

test("a queued run whose reader leaves is cancelled where that is asked for", async () => {
  work_ms = 9_000;
  await ask("leaves", "first", "queue", { execution_id: "l-first" }, ASYNC);
  const leaving = new AbortController();
  const body = {
    query: "second",
    conversation_id: "leaves",
    pipeline: "p",
    on_busy: "queue",
    execution_id: "l-second",
  };
  const { body: stream } = await calls.fetch("/v1/executions", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ ...body, on_disconnect: "cancel" }),
    signal: leaving.signal,
  });
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  let text = "";
  while (!text.includes("execution.queued")) {
    const { done, value } = await reader.read();
    expect(done, text).toBe(false);
    text += new TextDecoder().decode(value);
  }
  leaving.abort();
  await settled("l-second", "cancelled");
  await calls.send("POST", "/v1/executions/l-first/cancel", {});
  expect([...spans.keys()]).toEqual(["first"]);
}, 30_000);

test("a run under parallel keeps others waiting, and is interrupted", async () => {
  work_ms = 800;
  await ask("beside", "parallel", "parallel", { execution_id: "b-parallel" }, ASYNC);
  expect((await ask("beside", "refused", "reject")).body).toMatchObject({ running: ["b-parallel"] });
  await hasSaid("b-parallel");
  const next = await ask("beside", "next", "interrupt");
  expect(next.body.status).toBe("completed");
  const { status, execution_metadata } = await calls.read("b-parallel");
  expect([status, execution_metadata.superseded_by]).toEqual(["cancelled", next.body["execution_id"]]);
  expect(spans.get("next")?.history).toEqual([
    { query: "parallel", answer: { answer: SAID }, partial: true },
  ]);
});

test("killed with a queue, the server goes on with it in order", async () => {
  work_ms = 700;
  const ids = ["k0", "k1", "k2", "k3"];
  for (const id of ids) await ask("killed", id, "queue", { execution_id: id }, ASYNC);
  await called();
  await server.kill();
  spans.clear();
  await boot();
  // The place of the one that runs is kept.
  expect((await ask("killed", "refused", "reject")).status).toBe(409);
  for (const id of ids) await settled(id);
  expect(oneAfterAnother()).toEqual(ids);
  expect(spans.get("k3")?.history).toEqual(["k0", "k1", "k2"].map(turn));
});

test("runs whose objects crash, queued or not, keep their places and their order", async () => {
  work_ms = 400;
  const ids = ["a0", "a1", "a2"];
  for (const id of ids) await ask("aborted", id, "queue", { execution_id: id }, ASYNC);
  await called();
  for (const id of ids) await server.abort(id).catch(() => {});
  expect((await ask("aborted", "refused", "reject")).status).toBe(409);
  for (const id of ids) await settled(id);
  expect([...spans.keys()]).toEqual(ids);
  expect(spans.get("a2")?.history).toEqual(["a0", "a1"].map(turn));
});
