// Executions of the largest size that is allowed, on real workerd: they can be read again, in every way in which an
// execution can be asked for, and no row of their storage is larger than what production takes.
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { after, type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { readEvents } from "../../support/clients/sse.ts";

const STAGES = 14;
/** One character beyond Latin-1: a string that has one takes twice its length in a message between objects. */
const TEXT = `漢${"x".repeat(1024 * 1024 - 100)}`;
const names = Array.from({ length: STAGES }, (_, at) => `s${at}`);

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  const body = JSON.stringify({ data: { text: TEXT } });
  agents.on("/large", (_call, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
  coordinator = await startCoordinator([agents]);
  await coordinator.agent("large", agents.url("/large"));
  await coordinator.configure({ max_concurrent_stages: 6 });
  const wide = names.map((name) => ({ name, agent_type: "large", parallel: true }));
  await coordinator.pipeline("wide", wide);
});

afterAll(async () => {
  await coordinator?.close();
  await agents?.close();
});

describe("an execution of 14 answers of 1 MiB", () => {
  const id = "large";
  const headers = { "idempotency-key": "large-1" };
  const body = { execution_id: id, pipeline: "wide" };
  const isWhole = (execution: {
    status: string;
    stage_results: Record<string, { data: { text: string } }>;
  }) => {
    expect(execution.status).toBe("completed");
    for (const name of names) expect(execution.stage_results[name]?.data.text).toBe(TEXT);
  };

  test("is returned to a waiting caller, with its results once", async () => {
    const answer = await coordinator.run(body, headers);
    expect(answer.status).toBe(200);
    isWhole(answer.body);
    expect(answer.body.final_result).toBeNull();
    expect(answer.body.final_stages).toEqual(names);
  });

  test("is in rows of at most 600 KiB", async () => {
    const database = new DatabaseSync(await coordinator.fileOf(id), { readOnly: true });
    const rows = database.prepare("SELECT key, length(value) AS bytes FROM _cf_KV").all();
    database.close();
    const sizes = rows.map(({ bytes }) => Number(bytes));
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(STAGES * 1024 * 1024);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(600 * 1024);
  });

  test("can be read by an object that is opened again", async () => {
    await coordinator.evict(id);
    const read = await coordinator.fetch(`/v1/executions/${id}`);
    expect(read.status).toBe(200);
    const text = await read.text();
    isWhole(JSON.parse(text));
    expect(text.length).toBeLessThan((STAGES + 1) * 1024 * 1024);
  });

  test("is attached to by a repetition, waiting and not", async () => {
    for (const prefer of ["wait=1", "respond-async"]) {
      const answer = await coordinator.run(body, { ...headers, prefer });
      expect(answer.status).toBe(200);
      isWhole(answer.body);
    }
  });

  test("has its events and its trace as JSON", async () => {
    const events = await coordinator.api("GET", `/v1/executions/${id}/events`, undefined, {
      accept: "application/json",
    });
    const trace = await coordinator.api("GET", `/v1/executions/${id}/trace`);
    const ended = (type: string) => (event: Record<string, unknown>) => event[type] === "stage.completed";
    expect(events.body.data.filter(ended("type"))).toHaveLength(STAGES);
    expect(events.body.data.map((event: { seq: number }) => event.seq)).toEqual(
      events.body.data.map((_: unknown, at: number) => at + 1),
    );
    expect(trace.body.execution_id).toBe(id);
    expect(trace.body.events.filter(ended("event_type"))).toHaveLength(STAGES);
    expect(trace.body.events).toHaveLength(events.body.data.length);
  });

  test("has its events as a stream, whose last one is truncated", async () => {
    const events = await readEvents(await coordinator.fetch(`/v1/executions/${id}/events`));
    expect(events.at(-1)?.event).toBe("execution.completed");
    expect(events.at(-1)?.data.data).toMatchObject({ truncated: true, final_result: null });
  });

  test("answers HEAD, refuses verbs with 409, and is deleted", async () => {
    const head = await coordinator.fetch(`/v1/executions/${id}`, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect((await coordinator.api("POST", `/v1/executions/${id}/cancel`)).status).toBe(409);
    expect((await coordinator.api("DELETE", `/v1/executions/${id}`)).status).toBe(204);
    expect((await coordinator.api("GET", `/v1/executions/${id}`)).status).toBe(404);
  });
});

/** The large stages, and one that answers in `ms` to its own time. */
async function withLate(pipeline: string, ms: number): Promise<void> {
  agents.on(`/${pipeline}`, after(ms, answers({})));
  await coordinator.agent(pipeline, agents.url(`/${pipeline}`));
  await coordinator.pipeline(pipeline, [
    ...names.map((name) => ({ name, agent_type: "large", parallel: true })),
    { name: "late", agent_type: pipeline, parallel: true },
  ]);
}

test("one that is paused says where to follow it, and answers pause, GET and cancel with all it holds", async () => {
  await withLate("held", 60_000);
  await coordinator.run({ execution_id: "held", pipeline: "held" }, { prefer: "wait=2" });
  const paused = await coordinator.api("POST", "/v1/executions/held/pause", { mode: "abort" });
  const read = await coordinator.api("GET", "/v1/executions/held");
  for (const { status, body } of [paused, read]) {
    expect([status, body.status]).toEqual([200, "paused"]);
    expect(body.stage_results.s13.data.text).toBe(TEXT);
    expect(body.stream_url).toMatch(/^\/v1\/executions\/held\/events\?token=/);
  }
  const cancelled = await coordinator.api("POST", "/v1/executions/held/cancel");
  expect(cancelled.body.status).toBe("cancelled");
  expect(cancelled.body.stage_results.s0.data.text).toBe(TEXT);
});

test("a caller whose leaving matters is answered all of it, before and after its first heartbeat", async () => {
  const waiting = { on_disconnect: "cancel" };
  const answer = await coordinator.run({ ...waiting, pipeline: "wide" });
  expect([answer.status, answer.body.status]).toEqual([200, "completed"]);
  await withLate("late", 2_500);
  const late = await coordinator.run({ ...waiting, pipeline: "late" });
  expect(late.body.status).toBe("completed");
  expect(late.body.stage_results.s13.data.text).toBe(TEXT);
});
