// The index of executions in real workerd: the list with its filters and cursor, forgetting one and many, retention,
// and what it costs the execution itself.
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { callWith } from "../../support/clients/keys.ts";
import { startWorkerd, temporaryState } from "../../support/servers/workerd.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/quick", answers({ said: "quick" }));
  agents.on("/slow", after(1_500, answers({ said: "slow" })));
  agents.on("/broken", failsWith(400));
  coordinator = await startCoordinator([agents]);
  for (const name of ["quick", "slow", "broken"]) {
    await coordinator.alone(name, agents.url(`/${name}`));
  }
});

afterAll(() => closeAll(coordinator, agents));

const api: Coordinator["api"] = (...call) => coordinator.api(...call);
const list = async (query = "") => (await api("GET", `/v1/executions${query}`)).body;
const ids = (page: { data: { execution_id: string }[] }) => page.data.map((at) => at.execution_id);

/** Asks until `holds`, for at most a second: that is how far the index may be behind. */
async function within1s<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const until = Date.now() + 1_000;
  for (;;) {
    const answer = await ask();
    if (holds(answer) || Date.now() > until) return answer;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe("the list", () => {
  test("follows a run through its states within a second, and shows the newest first", async () => {
    const { body } = await coordinator.run(
      { pipeline: "slow", conversation_id: "follow" },
      { prefer: "respond-async" },
    );
    const id = body.execution_id;
    const status = async () => (await list("?conversation_id=follow")).data[0]?.status;
    expect(await within1s(status, (at) => at === "running")).toBe("running");
    await api("POST", `/v1/executions/${id}/pause`);
    expect(await within1s(status, (at) => at === "paused")).toBe("paused");
    await api("POST", `/v1/executions/${id}/resume`);
    expect(await within1s(status, (at) => at === "running")).toBe("running");
    await (await coordinator.fetch(body.stream_url)).text();
    expect(await within1s(status, (at) => at === "completed")).toBe("completed");
    const [entry] = (await list("?conversation_id=follow")).data;
    const execution = (await api("GET", `/v1/executions/${id}`)).body;
    for (const field of [
      "execution_id",
      "status",
      "query",
      "pipeline",
      "pipeline_version",
      "start_time",
      "end_time",
      "duration_ms",
      "error_info",
    ]) {
      expect(entry[field], field).toEqual(execution[field]);
    }
  });

  test("a pause that is cancelled with nothing in flight is reported, too", async () => {
    const { body } = await coordinator.run(
      { pipeline: "slow", conversation_id: "stopped" },
      { prefer: "respond-async" },
    );
    await api("POST", `/v1/executions/${body.execution_id}/pause`, { mode: "abort" });
    const status = async () => (await list("?conversation_id=stopped")).data[0]?.status;
    expect(await within1s(status, (at) => at === "paused")).toBe("paused");
    await api("POST", `/v1/executions/${body.execution_id}/cancel`);
    expect(await within1s(status, (at) => at === "cancelled")).toBe("cancelled");
  });

  test("filters, and pages through everything once, in order", async () => {
    const started: string[] = [];
    for (let at = 0; at < 11; at += 1) {
      const { body } = await coordinator.run({
        pipeline: at % 2 === 0 ? "quick" : "broken",
        conversation_id: "pages",
      });
      started.unshift(body.execution_id);
    }
    const all = await within1s(
      () => list("?conversation_id=pages&limit=100"),
      (page) => page.data.length === 11,
    );
    expect(ids(all)).toEqual(started);
    expect(all).toMatchObject({ has_more: false, next_cursor: null });
    const paged: string[] = [];
    let query = "?conversation_id=pages&limit=4";
    for (let pages = 0; pages < 5; pages += 1) {
      const page = await list(query);
      paged.push(...ids(page));
      expect(page.has_more).toBe(page.next_cursor !== null);
      if (page.next_cursor === null) break;
      query = `?conversation_id=pages&limit=4&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
    expect(paged).toEqual(started);
    expect((await list("?conversation_id=pages&status=failed")).data).toHaveLength(5);
    expect((await list("?conversation_id=pages&pipeline=quick")).data).toHaveLength(6);
    expect((await list("?conversation_id=pages&pipeline=quick&status=failed")).data).toEqual([]);
    expect((await list("?conversation_id=nobody")).data).toEqual([]);
  });

  test.each([
    "?limit=0",
    "?limit=101",
    "?limit=x",
    "?limit=0x10",
    "?limit=1e1",
    "?limit=+5",
    "?limit=-5",
    "?limit=%205",
    "?limit=5%20",
    "?limit=5.0",
    "?limit=",
    "?limit",
    "?limit=Infinity",
    "?limit=5&limit=6",
    "?status=dead",
    "?status=running&status=failed",
    "?cursor=!",
    "?cursor=zz",
    "?since=2026-01-01",
    "?Limit=5",
    "?__proto__=1",
    "?=1",
  ])("%s is refused", async (query) => {
    expect(await api("GET", `/v1/executions${query}`)).toMatchObject({
      status: 400,
      body: { code: "INVALID_REQUEST" },
    });
  });
});

describe("forgetting", () => {
  test("an execution that has ended is gone everywhere; one that runs is not to be forgotten", async () => {
    const running = await coordinator.run(
      { pipeline: "slow", conversation_id: "forget" },
      { prefer: "respond-async" },
    );
    const path = `/v1/executions/${running.body.execution_id}`;
    expect(await api("DELETE", path)).toMatchObject({ status: 409, body: { code: "EXECUTION_CONFLICT" } });
    await (await coordinator.fetch(running.body.stream_url)).text();
    expect((await api("DELETE", path)).status).toBe(204);
    expect((await api("GET", path)).body.code).toBe("EXECUTION_NOT_FOUND");
    expect((await api("GET", `${path}/events`)).status).toBe(404);
    expect((await api("DELETE", path)).status).toBe(404);
    expect((await list("?conversation_id=forget")).data).toEqual([]);
  });

  test("a name that was forgotten can be used again", async () => {
    const request = { pipeline: "quick", execution_id: "again_and_again", conversation_id: "again" };
    const first = await coordinator.run(request);
    expect((await api("DELETE", "/v1/executions/again_and_again")).status).toBe(204);
    const second = await coordinator.run({ ...request, query: "another" });
    expect(second.body).toMatchObject({ status: "completed", query: "another" });
    expect(second.body.start_time).not.toBe(first.body.start_time);
    const listed = await within1s(
      () => list("?conversation_id=again"),
      (page) => page.data.length === 1,
    );
    expect(listed.data).toMatchObject([{ query: "another" }]);
  });

  test("clean-up forgets what ended long enough ago, and no other", async () => {
    for (let at = 0; at < 3; at += 1) await coordinator.run({ pipeline: "quick", conversation_id: "clean" });
    await within1s(
      () => list("?conversation_id=clean"),
      (page) => page.data.length === 3,
    );
    expect((await api("POST", "/v1/executions/cleanup", { older_than_seconds: 3_600 })).body).toEqual({
      deleted: 0,
      has_more: false,
    });
    const running = await coordinator.run(
      { pipeline: "slow", conversation_id: "clean" },
      { prefer: "respond-async" },
    );
    const done = (await api("POST", "/v1/executions/cleanup", { older_than_seconds: 0 })).body;
    expect(done.deleted).toBeGreaterThanOrEqual(3);
    expect(done.has_more).toBe(false);
    const left = await within1s(
      () => list("?conversation_id=clean"),
      (page) => page.data.length === 1,
    );
    expect(ids(left)).toEqual([running.body.execution_id]);
    for (const wrong of [
      {},
      { older_than_seconds: -1 },
      { older_than_seconds: "x" },
      { older_than_seconds: 1, x: 1 },
    ]) {
      expect((await api("POST", "/v1/executions/cleanup", wrong)).status).toBe(400);
    }
    await (await coordinator.fetch(running.body.stream_url)).text();
  });

  test("what has expired is gone at once, however much later its object is emptied", async () => {
    await api("PATCH", "/v1/config", { retention_seconds: 1 });
    const { body } = await coordinator.run({ pipeline: "quick", conversation_id: "kept" });
    await api("PATCH", "/v1/config", { retention_seconds: null });
    const path = `/v1/executions/${body.execution_id}`;
    expect((await api("GET", path)).status).toBe(200);
    await new Promise((resolve) => {
      setTimeout(resolve, 1_300);
    });
    expect((await api("GET", path)).status).toBe(404);
    expect((await list("?conversation_id=kept")).data).toEqual([]);
    // Its name is free again.
    await api("PATCH", "/v1/config", { retention_seconds: 1 });
    const named = { pipeline: "quick", execution_id: "expired-name", conversation_id: "kept" };
    await coordinator.run(named);
    await api("PATCH", "/v1/config", { retention_seconds: null });
    await new Promise((resolve) => {
      setTimeout(resolve, 2_000);
    });
    const again = await coordinator.run({ ...named, query: "another" });
    expect(again.body).toMatchObject({ status: "completed", query: "another" });
  });

  test("a run without storage is listed while it lives, and forgotten", async () => {
    await api("PATCH", "/v1/config", { context_storage_backend: "memory" });
    const { body } = await coordinator.run({ pipeline: "quick", conversation_id: "memory" });
    await api("PATCH", "/v1/config", { context_storage_backend: null });
    await within1s(
      () => list("?conversation_id=memory"),
      (page) => page.data.length === 1,
    );
    await coordinator.abort(body.execution_id);
    expect((await api("GET", `/v1/executions/${body.execution_id}`)).status).toBe(404);
    await api("POST", "/v1/executions/cleanup", { older_than_seconds: 0 });
    expect((await list("?conversation_id=memory")).data).toEqual([]);
  });
});

test("a run of four stages costs its object at most eight rows, alarms and the index's report included", async () => {
  const state = await temporaryState();
  const server = await startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host },
  });
  const at = { fetch: (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init) };
  try {
    agents.on("/paced", after(120, answers({ said: "paced" })));
    await callWith(at, null, "PUT", "/v1/agents/paced", { url: agents.url("/paced") });
    const stages = ["a", "b", "c", "d"].map((name, n, all) => ({
      name,
      agent_type: "paced",
      depends_on: n === 0 ? [] : [all[n - 1]],
    }));
    await callWith(at, null, "PUT", "/v1/pipelines/four", { stages });
    const ran = await callWith(at, null, "POST", "/v1/executions", {
      query: "q",
      conversation_id: "rows",
      pipeline: "four",
    });
    expect(ran.body.status).toBe("completed");
    const page = await within1s(
      async () => (await callWith(at, null, "GET", "/v1/executions?conversation_id=rows")).body,
      (listed) => listed.data[0]?.status === "completed",
    );
    expect(page.data).toHaveLength(1);
    const file = await server.fileOf(ran.body.execution_id);
    await server.evict(ran.body.execution_id);
    const database = new DatabaseSync(file, { readOnly: true });
    const { rows } = database.prepare("SELECT count(*) AS rows FROM _cf_KV").get() as { rows: number };
    database.close();
    // The log's records, the alarm when it started, and the one of retention.
    expect(rows + 2).toBeLessThanOrEqual(8);
  } finally {
    await server.kill();
    await state.remove();
  }
});
