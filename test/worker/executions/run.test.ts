// The main job in real workerd, with agents that are real HTTP servers: the three modes of POST, DAG order, retries,
// streams.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  failsWith,
  inTurn,
  startAgentServer,
  streams,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { lifecycle, readEvents, textOf } from "../../support/clients/sse.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  for (const name of ["one", "two", "words", "flaky", "broken"]) {
    await coordinator.agent(name, agents.url(`/${name}`));
  }
  agents.on("/one", answers({ said: "one" }, { context: { seen: 1 }, usage: { tokens: 3 } }));
  agents.on("/two", answers({ said: "two" }, { usage: { tokens: 4 } }));
  agents.on(
    "/words",
    streams(
      [
        ["progress", { message: "thinking", fraction: 0.5 }],
        ["delta", { text: "Hello, " }],
        ["delta", { text: "wörld 🌍" }],
        ["result", { data: { answer: "Hello, wörld 🌍" } }],
      ],
      20,
    ),
  );
  await coordinator.pipeline("chain", [
    { name: "first", agent_type: "one" },
    { name: "second", agent_type: "two", depends_on: ["first"] },
    { name: "third", agent_type: "words", depends_on: ["second"] },
  ]);
});

afterAll(() => closeAll(coordinator, agents));

describe("POST /v1/executions", () => {
  test("waits for the end and answers the PipelineExecution", async () => {
    const { status, headers, body } = await coordinator.run({ pipeline: "chain" });
    expect(status).toBe(200);
    expect(headers.get("location")).toBe(`/v1/executions/${body.execution_id}`);
    expect(body).toMatchObject({
      status: "completed",
      pipeline: "chain",
      final_result: { answer: "Hello, wörld 🌍" },
      context_data: { seen: 1 },
      usage: { tokens: 7 },
      error_info: null,
    });
    expect(Object.keys(body.stage_results)).toEqual(["first", "second", "third"]);
    expect(body.performance_metrics.critical_path).toEqual(["first", "second", "third"]);
    const second = agents.callsOf("/two").at(-1);
    expect(second?.body.inputs).toEqual({ first: { said: "one" } });
    expect(second?.body.context).toEqual({ seen: 1 });
    expect(second?.headers["idempotency-key"]).toBe(`"${body.execution_id}.second"`);
  });

  test("streams every lifecycle event in order, and the text between its stage's start and end", async () => {
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: "chain" }),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events = await readEvents(response);
    expect(lifecycle(events).map((event) => event.event)).toEqual([
      "execution.started",
      "stage.started",
      "stage.completed",
      "stage.started",
      "stage.completed",
      "stage.started",
      "stage.completed",
      "execution.completed",
    ]);
    expect(lifecycle(events).map((event) => event.id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(textOf(events, "third")).toBe("Hello, wörld 🌍");
    const order = events.map((event) => event.event);
    expect(order.indexOf("stage.delta")).toBeGreaterThan(order.lastIndexOf("stage.started"));
    expect(order.lastIndexOf("stage.delta")).toBeLessThan(order.lastIndexOf("stage.completed"));
    expect(order).toContain("stage.progress");
  });

  test("respond-async answers 202 at once, and the events can be replayed byte for byte", async () => {
    const { status, body } = await coordinator.run({ pipeline: "chain" }, { prefer: "respond-async" });
    expect(status).toBe(202);
    const [path, token] = body.stream_url.split("?token=");
    expect(path).toBe(`/v1/executions/${body.execution_id}/events`);
    expect(token).toMatch(/^local\.\d+\.\.\d+\.[\w-]{43}$/);
    const live = lifecycle(await readEvents(await coordinator.fetch(body.stream_url)));
    const replayed = lifecycle(await readEvents(await coordinator.fetch(body.stream_url)));
    expect(replayed.map((event) => event.raw)).toEqual(live.map((event) => event.raw));
    const after = await coordinator.fetch(`${body.stream_url}&after=${live.length}`);
    expect(after.status).toBe(204);
    const listed = await coordinator.fetch(body.stream_url, { headers: { accept: "application/json" } });
    const listing: { data: unknown } = JSON.parse(await listed.text());
    expect(listing.data).toEqual(live.map((event) => event.data));
  });

  test("retries a 503 and then goes on", async () => {
    agents.on("/flaky", inTurn(failsWith(503, { detail: "busy" }), answers({ fine: true })));
    await coordinator.pipeline("flaky", [{ name: "only", agent_type: "flaky" }]);
    const { body } = await coordinator.run({ pipeline: "flaky" });
    expect(body.status).toBe("completed");
    expect(body.stage_results.only.attempts).toBe(2);
    expect(body.performance_metrics.retries).toBe(1);
  });

  test("a required stage that fails ends the execution failed, with 200", async () => {
    agents.on("/broken", failsWith(400, { detail: "no such thing" }));
    await coordinator.pipeline("broken", [
      { name: "only", agent_type: "broken" },
      { name: "never", agent_type: "one", depends_on: ["only"] },
    ]);
    const { status, body } = await coordinator.run({ pipeline: "broken" });
    expect(status).toBe(200);
    expect(body.status).toBe("failed");
    expect(body.error_info).toEqual({
      code: "AGENT_PROCESSING_ERROR",
      message: "only: no such thing",
      failed_stage: "only",
      retry_attempts: 1,
    });
    expect(body.stage_results.never.status).toBe("pending");
  });
});
