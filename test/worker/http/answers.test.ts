// What answers say of themselves, in real workerd: how they were chosen (Vary, Preference-Applied), that nothing keeps
// them, 202 where a run has not ended, and what a cursor beyond the end of a run gets.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import {
  after,
  type AgentServer,
  answers,
  hangs,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";

const ORIGIN = "https://app.example.com";
const SLOW_MS = 700;

let agents: AgentServer;
let coordinator: Coordinator;
let execution = "";

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/quick", answers({ said: "quick" }));
  agents.on("/slow", after(SLOW_MS, answers({ said: "slow" })));
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_CORS_ORIGINS: ORIGIN });
  for (const name of ["quick", "slow"]) await coordinator.alone(name, agents.url(`/${name}`));
  execution = (await coordinator.run({ pipeline: "quick" })).body.execution_id;
});

afterAll(() => closeAll(coordinator, agents));

const api: Coordinator["api"] = (...call) => coordinator.api(...call);
const concrete = (path: string) =>
  path
    .replace(":id", execution)
    .replace(":name", "quick")
    .replace(":stage", "only")
    .replace(":agent_type", "quick");
const varied = (headers: Headers) => (headers.get("vary") ?? "").split(", ");

describe("every answer", () => {
  test("varies by Accept and Origin, each once, also one that is an error", async () => {
    for (const { method, path } of ENDPOINTS) {
      for (const accept of ["*/*", "image/png", "application/json"]) {
        const sent = method === "get" ? undefined : "{";
        const target = `${concrete(path)}${method === "delete" ? "?refused" : ""}`;
        const { headers, status } = await api(method.toUpperCase(), target, sent, { accept });
        expect(varied(headers), `${method} ${path} ${accept} ${status}`).toEqual(["Accept", "Origin"]);
      }
    }
    expect(varied((await api("GET", "/v1/nothing")).headers)).toEqual(["Origin"]);
  });

  test("with a tenant's data is not to be stored; a stream keeps its own directives", async () => {
    for (const { method, path, permission } of ENDPOINTS) {
      if (permission === "public") continue;
      const target = concrete(path);
      const sent = method === "get" || method === "delete" ? undefined : "{";
      const { headers, status } = await api(method.toUpperCase(), target, sent, { origin: ORIGIN });
      const wanted =
        headers.get("content-type")?.startsWith("text/event-stream") === true
          ? "no-cache, no-transform"
          : "no-store";
      expect(headers.get("cache-control"), `${method} ${path} ${status}`).toBe(wanted);
    }
    // The loop has deleted both.
    await coordinator.alone("quick", agents.url("/quick"));
    execution = (await coordinator.run({ pipeline: "quick" })).body.execution_id;
    const read = await api("GET", "/v1/pipelines/quick");
    const unchanged = await api("GET", "/v1/pipelines/quick", undefined, {
      "if-none-match": read.headers.get("etag") ?? "",
    });
    expect(unchanged.status).toBe(304);
    for (const { headers } of [
      read,
      unchanged,
      await api("GET", "/v1/nothing"),
      await api("GET", "/healthz"),
    ]) {
      expect(headers.get("cache-control")).toBe("no-store");
    }
    for (const method of ["GET", "HEAD"]) {
      const stream = await coordinator.fetch(`/v1/executions/${execution}/events`, { method });
      await stream.text();
      expect(stream.headers.get("cache-control"), method).toBe("no-cache, no-transform");
      expect(stream.headers.get("content-type"), method).toBe("text/event-stream; charset=utf-8");
      expect(varied(stream.headers), method).toEqual(["Accept", "Origin"]);
    }
  });

  test("of a POST is what Accept likes best, and says so", async () => {
    const json = await coordinator.run({ pipeline: "quick" }, { accept: "text/event-stream;q=0, */*" });
    expect(varied(json.headers)).toContain("Accept");
    const async = await coordinator.run({ pipeline: "slow" }, { prefer: "respond-async" });
    expect(async.status).toBe(202);
    expect(varied(async.headers)).toContain("Accept");
    const stream = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: 'text/event-stream;x="a,b", application/json;q=0.5',
      },
      body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: "quick" }),
    });
    expect(lifecycle(await readEvents(stream)).at(-1)?.event).toBe("execution.completed");
    expect(varied(stream.headers)).toEqual(["Accept", "Origin"]);
    expect(stream.headers.get("preference-applied")).toBeNull();
  });
});

describe("Prefer", () => {
  test.each([
    ["Respond-Async", 202, "respond-async"],
    ['respond-async=""; foo="a,b"', 202, "respond-async"],
    ["return=minimal, respond-async", 202, "respond-async"],
    ["wait=0, wait=9", 202, "wait=0"],
    ['wait="9"', 200, "wait=9"],
    ["respond-async, wait=9", 200, "respond-async, wait=9"],
    ["wait=1.5", 200, null],
    ["wait=99999999999", 200, "wait=99999999999"],
    ['foo="a, respond-async, b"', 200, null],
  ])("%s", async (prefer, status, applied) => {
    const run = await coordinator.run({ pipeline: "slow" }, { prefer, origin: ORIGIN });
    expect(run.status).toBe(status);
    expect(run.headers.get("preference-applied")).toBe(applied);
    expect(run.headers.get("access-control-expose-headers")).toContain("Preference-Applied");
    const stage = await api(
      "POST",
      "/v1/stages/execute",
      { stage: { name: "s", agent_type: "slow" }, query: "q" },
      { prefer },
    );
    expect(stage.status).toBe(status);
    expect(stage.headers.get("preference-applied")).toBe(applied);
    expect(stage.headers.get("location")).toMatch(/^\/v1\/executions\/ex_/);
    expect(stage.body).toMatchObject({ stage: "s", status: status === 200 ? "completed" : "running" });
  });
});

test("a stage whose execution is paused is answered with 202 and its current state", async () => {
  agents.on("/paused", inTurn(hangs, answers({ said: "after all" })));
  await coordinator.agent("paused", agents.url("/paused"));
  const key = { "idempotency-key": "paused-stage" };
  const body = { stage: { name: "paused-stage", agent_type: "paused" }, query: "q" };
  const waiting = api("POST", "/v1/stages/execute", body, key);
  const id = await eventually(
    async () => (await api("GET", "/v1/executions?pipeline=paused-stage")).body.data[0]?.execution_id,
    (found) => found !== undefined,
  );
  await api("POST", `/v1/executions/${id}/pause`, { mode: "abort" });
  const answer = await waiting;
  expect(answer.status).toBe(202);
  expect(answer.headers.get("location")).toBe(`/v1/executions/${id}`);
  expect(answer.body).toMatchObject({ stage: "paused-stage", status: "pending", data: null });
  await api("POST", `/v1/executions/${id}/resume`);
  const again = await api("POST", "/v1/stages/execute", body, key);
  expect(again).toMatchObject({ status: 200, body: { status: "completed", data: { said: "after all" } } });
});

describe("a cursor beyond the end", () => {
  const BEYOND = "99999";

  test.each([
    ["Last-Event-ID", "", { "last-event-id": BEYOND }],
    ["?after=", `?after=${BEYOND}`, {}],
  ])("of a run that goes on gets its terminal event: %s", async (_by, query, headers) => {
    const { body } = await coordinator.run({ pipeline: "slow" }, { prefer: "respond-async" });
    const path = `/v1/executions/${body.execution_id}/events`;
    const stream = await coordinator.fetch(`${path}${query}`, { headers });
    expect(stream.status).toBe(200);
    const events = await readEvents(stream);
    expect(events.map(({ event }) => event)).toEqual(["execution.completed"]);
    // It has had all now, and so has who asks again.
    expect((await coordinator.fetch(`${path}${query}`, { headers })).status).toBe(204);
    const list = await api("GET", `${path}${query}`, undefined, { ...headers, accept: "application/json" });
    expect(list.body).toEqual({ data: [] });
  });

  test("as JSON it is an empty list, while the run goes on as well", async () => {
    const { body } = await coordinator.run({ pipeline: "slow" }, { prefer: "respond-async" });
    const accept = { accept: "application/json" };
    const path = `/v1/executions/${body.execution_id}/events?after=${BEYOND}`;
    expect(await api("GET", path, undefined, accept)).toMatchObject({ status: 200, body: { data: [] } });
  });

  test("survives a crash of the object: the reader gets the terminal event from the next one", async () => {
    const { body } = await coordinator.run({ pipeline: "slow" }, { prefer: "respond-async" });
    const stream = await coordinator.fetch(`/v1/executions/${body.execution_id}/events?after=${BEYOND}`);
    const reading = readEvents(stream);
    await coordinator.abort(body.execution_id);
    expect(lifecycle(await reading).map(({ event }) => event)).toEqual(["execution.completed"]);
  });

  test("of a POST that attaches: its end while it goes on, nothing after it", async () => {
    const request = { query: "q", conversation_id: "c", pipeline: "slow", execution_id: "beyond-by-post" };
    await coordinator.run(request, { prefer: "respond-async" });
    const attach = async () =>
      coordinator.fetch("/v1/executions", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "text/event-stream",
          "last-event-id": BEYOND,
        },
        body: JSON.stringify(request),
      });
    const events = await readEvents(await attach());
    expect(events.map(({ event }) => event)).toEqual(["execution.completed"]);
    const over = await attach();
    expect(over.status).toBe(200);
    expect(await readEvents(over)).toEqual([]);
  });
});
