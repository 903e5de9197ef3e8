// Pause, resume, cancel, idempotent repetition, one stage on its own, and leaving watchers, in real workerd.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  hangs,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  for (const name of ["slow", "slower", "quick", "stuck", "echo"])
    await coordinator.agent(name, agents.url(`/${name}`));
  agents.on("/slow", after(400, answers({ slow: true })));
  agents.on("/slower", after(2_000, answers({ slow: true })));
  agents.on("/quick", answers({ quick: true }));
  agents.on("/stuck", hangs);
  await coordinator.pipeline("two", [
    { name: "first", agent_type: "slow" },
    { name: "second", agent_type: "quick", depends_on: ["first"] },
  ]);
  await coordinator.pipeline("slower", [
    { name: "first", agent_type: "slower" },
    { name: "second", agent_type: "quick", depends_on: ["first"] },
  ]);
  await coordinator.pipeline("stuck", [{ name: "only", agent_type: "stuck" }]);
});

afterAll(() => closeAll(coordinator, agents));

const verb = (id: string, name: string, body?: unknown) =>
  coordinator.api("POST", `/v1/executions/${id}/${name}`, body);

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
const view = async (id: string): Promise<any> => (await coordinator.fetch(`/v1/executions/${id}`)).json();

describe("pause, resume, cancel", () => {
  test("a pause in mode drain keeps the result of the stage in flight and starts nothing until resume", async () => {
    const { body } = await coordinator.run({ pipeline: "two" }, { prefer: "respond-async" });
    const paused = await verb(body.execution_id, "pause");
    expect(paused).toMatchObject({ status: 200, body: { status: "paused" } });
    const drained = await eventually(
      () => view(body.execution_id),
      (execution) => execution.stage_results.first.status === "completed",
    );
    expect(drained).toMatchObject({ status: "paused", stage_results: { second: { status: "pending" } } });
    expect(drained.stream_url.split("?")[0]).toBe(`/v1/executions/${body.execution_id}/events`);
    expect((await verb(body.execution_id, "pause")).status).toBe(200);
    expect((await verb(body.execution_id, "resume")).body.status).toBe("running");
    const ended = await eventually(
      () => view(body.execution_id),
      (execution) => execution.status === "completed",
    );
    expect(ended.stage_results.first.attempts).toBe(1);
  });

  test("a pause in mode abort closes the agent's connection, and the call is repeated under its attempt", async () => {
    const { body } = await coordinator.run({ pipeline: "slower" }, { prefer: "respond-async" });
    await eventually(
      async () => agents.callsOf("/slower").length,
      (count) => count > 0,
    );
    await verb(body.execution_id, "pause", { mode: "abort" });
    await eventually(
      async () => agents.callsOf("/slower").at(-1)?.aborted,
      (aborted) => aborted === true,
    );
    await verb(body.execution_id, "resume");
    const ended = await eventually(
      () => view(body.execution_id),
      (execution) => execution.status === "completed",
    );
    expect(ended.stage_results.first.attempts).toBe(1);
    expect(
      agents
        .callsOf("/slower")
        .slice(-2)
        .map((call) => call.body.attempt),
    ).toEqual([1, 1]);
  });

  test("cancel aborts the call in flight, ends the execution once, and refuses what cannot apply", async () => {
    const { body } = await coordinator.run({ pipeline: "stuck" }, { prefer: "respond-async" });
    await eventually(
      async () => agents.callsOf("/stuck").length,
      (count) => count > 0,
    );
    expect((await verb(body.execution_id, "resume")).body).toMatchObject({
      status: 409,
      code: "EXECUTION_CONFLICT",
    });
    const cancelled = await verb(body.execution_id, "cancel");
    expect(cancelled).toMatchObject({
      status: 200,
      body: { status: "cancelled", stage_results: { only: { status: "cancelled" } } },
    });
    await eventually(
      async () => agents.callsOf("/stuck").at(-1)?.aborted,
      (aborted) => aborted === true,
    );
    expect((await verb(body.execution_id, "cancel")).status).toBe(200);
    expect((await verb(body.execution_id, "pause")).status).toBe(409);
    const events = lifecycle(
      await readEvents(await coordinator.fetch(`/v1/executions/${body.execution_id}/events`)),
    );
    expect(events.filter((event) => event.event === "execution.cancelled")).toHaveLength(1);
    expect(events.at(-1)?.event).toBe("execution.cancelled");
  });

  test("an unknown execution is 404 for every verb", async () => {
    for (const name of ["pause", "resume", "cancel"]) {
      expect((await verb("nobody", name)).body).toMatchObject({ status: 404, code: "EXECUTION_NOT_FOUND" });
    }
  });
});

describe("repetition", () => {
  test("the same Idempotency-Key and body attach to the same execution; another body is refused", async () => {
    agents.on("/echo", answers({ n: 1 }));
    await coordinator.pipeline("echo", [{ name: "only", agent_type: "echo" }]);
    const before = agents.callsOf("/echo").length;
    const key = { "idempotency-key": "k-1" };
    const [a, b] = await Promise.all([
      coordinator.run({ pipeline: "echo" }, key),
      coordinator.run({ pipeline: "echo" }, key),
    ]);
    expect(a.body.execution_id).toBe(b.body.execution_id);
    expect(agents.callsOf("/echo").length - before).toBe(1);
    const other = await coordinator.run({ pipeline: "echo", query: "another" }, key);
    expect(other).toMatchObject({ status: 422, body: { code: "IDEMPOTENCY_MISMATCH" } });
  });

  test("a stream with a key attaches after Last-Event-ID; without a name it is refused", async () => {
    const post = (headers: Record<string, string>) =>
      coordinator.fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/event-stream", ...headers },
        body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: "echo" }),
      });
    const first = lifecycle(await readEvents(await post({ "idempotency-key": "k-2" })));
    const rest = await post({ "idempotency-key": "k-2", "last-event-id": "2" });
    expect(lifecycle(await readEvents(rest)).map((event) => event.raw)).toEqual(
      first.slice(2).map((event) => event.raw),
    );
    const none = await post({ "idempotency-key": "k-2", "last-event-id": String(first.length) });
    expect(none.status).toBe(200);
    expect(await readEvents(none)).toEqual([]);
    expect((await post({ "last-event-id": "2" })).status).toBe(400);
  });
});

describe("one stage on its own", () => {
  test("POST /v1/stages/execute answers its StageResult, with inputs handed over, and 200 also when it failed", async () => {
    const execute = async (agent_type: string) => {
      const response = await coordinator.fetch("/v1/stages/execute", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          stage: { name: "alone", agent_type, depends_on: ["before"] },
          query: "q",
          inputs: { before: { x: 1 } },
        }),
      });
      // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
      return { status: response.status, body: (await response.json()) as any };
    };
    const good = await execute("echo");
    expect(good).toMatchObject({
      status: 200,
      body: { stage: "alone", status: "completed", data: { n: 1 } },
    });
    expect(agents.callsOf("/echo").at(-1)?.body.inputs).toEqual({ before: { x: 1 } });
    agents.on("/echo", failsWith(418));
    const bad = await execute("echo");
    expect(bad).toMatchObject({ status: 200, body: { status: "failed", error: { status: 418 } } });
    agents.on("/echo", inTurn(answers({ n: 1 })));
  });
});

describe("on_disconnect: cancel", () => {
  /** Leaves, and waits for the execution to be cancelled: not at once, and within 15 s. */
  async function cancelledOnceLeft(id: string, watcher: AbortController): Promise<void> {
    const left = Date.now();
    watcher.abort();
    await eventually(
      () => view(id),
      (execution) => execution.status === "cancelled",
      15_000,
    );
    expect(Date.now() - left).toBeGreaterThan(4_000);
  }

  test("when the last watcher disconnected for 5 s the execution is cancelled", async () => {
    const gone = new AbortController();
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({
        query: "q",
        conversation_id: "c",
        pipeline: "stuck",
        execution_id: "left-alone",
        on_disconnect: "cancel",
      }),
      signal: gone.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    await cancelledOnceLeft("left-alone", gone);
  });

  test("a waiting caller that leaves counts too", async () => {
    const gone = new AbortController();
    const waiting = coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        query: "q",
        conversation_id: "c",
        pipeline: "stuck",
        execution_id: "hung-up",
        on_disconnect: "cancel",
      }),
      signal: gone.signal,
    });
    waiting.catch(() => {});
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    await cancelledOnceLeft("hung-up", gone);
  });
});
