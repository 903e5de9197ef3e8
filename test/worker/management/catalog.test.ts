// Pipelines and agents in real workerd: versions, ETags and conditions, stages in and out, the verdict, the registry;
// and one catalog under two Workers.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestHarness } from "wrangler";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { callWith } from "../../support/clients/keys.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents]);
  await coordinator.agent("one", agents.url("/one"));
});

afterAll(() => closeAll(coordinator, agents));

const api: Coordinator["api"] = (...call) => coordinator.api(...call);
const stage = (name: string, ...depends_on: string[]) => ({ name, agent_type: "one", depends_on });

describe("pipelines", () => {
  test("rag is preset, can be replaced and deleted, and never reuses a version", async () => {
    const built = await api("GET", "/v1/pipelines/rag");
    expect(built.body).toMatchObject({ name: "rag", version: 1 });
    expect(built.body.stages.map((at: { name: string }) => at.name)).toContain("answer_generation");
    expect(built.body.stages[0]).toMatchObject({
      name: "query_rewriting",
      retry_attempts: 3,
      required: false,
    });
    expect((await api("PUT", "/v1/pipelines/rag", { stages: [stage("a")] })).status).toBe(200);
    expect((await api("DELETE", "/v1/pipelines/rag")).status).toBe(204);
    expect((await api("GET", "/v1/pipelines/rag")).body.code).toBe("PIPELINE_NOT_FOUND");
    expect((await api("DELETE", "/v1/pipelines/rag")).status).toBe(404);
    expect((await api("POST", "/v1/executions", { query: "q", conversation_id: "c" })).status).toBe(404);
    const again = await api("PUT", "/v1/pipelines/rag", { stages: [stage("a")] });
    expect(again).toMatchObject({ status: 201, body: { version: 3 } });
  });

  test("a description is kept with the stages, outlives their edits, and goes with a definition without one", async () => {
    const stages = [stage("a")];
    const put = (body: object) => api("PUT", "/v1/pipelines/described", body);
    expect((await put({ description: "Says one.", stages })).body.description).toBe("Says one.");
    const edited = await api("POST", "/v1/pipelines/described/stages", stage("b", "a"));
    expect(edited.body).toMatchObject({ version: 2, description: "Says one." });
    const { body } = await api("GET", "/v1/pipelines");
    const listed = body.data.find(({ name }: { name: string }) => name === "described");
    expect(listed.description).toBe("Says one.");
    const definition = { description: "Says one.", stages };
    expect((await api("POST", "/v1/pipelines/validate", definition)).body.valid).toBe(true);
    expect((await put({ stages })).body.description).toBeUndefined();
    for (const description of ["", "x".repeat(1_025), 7]) {
      const refused = await put({ description, stages });
      expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: "/description" }] } });
    }
  });

  test("conditions: If-None-Match: * creates once, If-Match writes over what was seen alone", async () => {
    const create = () => api("PUT", "/v1/pipelines/etag", { stages: [stage("a")] }, { "if-none-match": "*" });
    const created = await create();
    expect(created.status).toBe(201);
    const etag = created.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[^"]+"$/);
    expect(await create()).toMatchObject({ status: 412, body: { code: "PRECONDITION_FAILED" } });
    const read = await api("GET", "/v1/pipelines/etag");
    expect(read.headers.get("etag")).toBe(etag);
    const unchanged = await api("GET", "/v1/pipelines/etag", undefined, { "if-none-match": etag });
    expect(unchanged).toMatchObject({ status: 304, body: "" });
    const write = (tag: string) =>
      api("PUT", "/v1/pipelines/etag", { stages: [stage("b")] }, { "if-match": tag });
    const written = await write(etag);
    expect(written).toMatchObject({ status: 200, body: { version: 2 } });
    expect(written.headers.get("etag")).not.toBe(etag);
    expect((await write(etag)).status).toBe(412);
    expect((await write(`W/${written.headers.get("etag")}`)).status).toBe(412);
    expect((await write("*")).status).toBe(200);
    expect((await api("DELETE", "/v1/pipelines/etag", undefined, { "if-match": etag })).status).toBe(412);
    expect((await api("DELETE", "/v1/pipelines/nowhere", undefined, { "if-match": etag })).status).toBe(404);
    expect(
      (await api("PUT", "/v1/pipelines/nowhere", { stages: [stage("a")] }, { "if-match": "*" })).status,
    ).toBe(412);
  });

  test("of writers who saw the same version one wins", async () => {
    const { headers } = await api("PUT", "/v1/pipelines/race", { stages: [stage("a")] });
    const etag = headers.get("etag") ?? "";
    const writes = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        api("PUT", "/v1/pipelines/race", { stages: [stage(`s${at}`)] }, { "if-match": etag }),
      ),
    );
    expect(writes.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 412, 412, 412, 412, 412, 412, 412,
    ]);
  });

  test("stages go in and out", async () => {
    await api("PUT", "/v1/pipelines/stages", { stages: [stage("a"), stage("b", "a")] });
    const names = async () =>
      (await api("GET", "/v1/pipelines/stages")).body.stages.map((at: { name: string }) => at.name);
    const added = await api("POST", "/v1/pipelines/stages/stages", stage("c", "b"));
    expect(added).toMatchObject({ status: 201, body: { version: 2 } });
    expect(await names()).toEqual(["a", "b", "c"]);
    await api("POST", "/v1/pipelines/stages/stages?before=b", stage("z"));
    expect(await names()).toEqual(["a", "z", "b", "c"]);
    expect((await api("POST", "/v1/pipelines/stages/stages?before=nobody", stage("y"))).body.code).toBe(
      "STAGE_NOT_FOUND",
    );
    expect((await api("POST", "/v1/pipelines/stages/stages", stage("a"))).body.code).toBe(
      "INVALID_PIPELINE_CONFIG",
    );
    expect((await api("POST", "/v1/pipelines/stages/stages", stage("y", "nobody"))).body.code).toBe(
      "MISSING_DEPENDENCY",
    );
    expect((await api("POST", "/v1/pipelines/nowhere/stages", stage("y"))).body.code).toBe(
      "PIPELINE_NOT_FOUND",
    );
    expect((await api("DELETE", "/v1/pipelines/stages/stages/a")).body.code).toBe("MISSING_DEPENDENCY");
    expect((await api("DELETE", "/v1/pipelines/stages/stages/nobody")).body.code).toBe("STAGE_NOT_FOUND");
    const removed = await api("DELETE", "/v1/pipelines/stages/stages/c");
    expect(removed).toMatchObject({ status: 200, body: { version: 4 } });
    const stale = await api("DELETE", "/v1/pipelines/stages/stages/z", undefined, { "if-match": '"1-60-3"' });
    expect(stale.status).toBe(412);
    expect(await names()).toEqual(["a", "z", "b"]);
  });

  test("a run pins the definition it started with, and says its version", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    agents.on("/held", async (call, response) => {
      await held;
      await answers({ said: "held" })(call, response, 1);
    });
    await coordinator.agent("held", agents.url("/held"));
    const { body } = await api("PUT", "/v1/pipelines/pinned", {
      stages: [{ name: "first", agent_type: "held" }, stage("second", "first")],
    });
    const started = await coordinator.run({ pipeline: "pinned" }, { prefer: "respond-async" });
    expect(started.body.pipeline_version).toBe(body.version);
    await api("DELETE", "/v1/pipelines/pinned");
    await api("DELETE", "/v1/agents/one");
    release();
    await (await coordinator.fetch(started.body.stream_url)).text();
    const ended = await api("GET", `/v1/executions/${started.body.execution_id}`);
    expect(ended.body).toMatchObject({
      status: "completed",
      final_result: { said: "one" },
      pipeline_version: body.version,
    });
    await coordinator.agent("one", agents.url("/one"));
  });

  test("names that mean something to JavaScript are names like any other, or refused", async () => {
    for (const name of ["toString", "valueOf", "hasOwnProperty"]) {
      expect((await api("GET", `/v1/pipelines/${name}`)).status, name).toBe(404);
      expect((await api("GET", `/v1/agents/${name}`)).status, name).toBe(404);
      expect((await api("DELETE", `/v1/agents/${name}`)).status, name).toBe(404);
      expect(
        (await api("PUT", `/v1/pipelines/${name}`, { stages: [{ name, agent_type: name }] })).status,
      ).toBe(201);
      const { body } = await coordinator.run({ pipeline: name });
      expect(body.stage_results[name].error).toMatchObject({ code: "AGENT_UNAVAILABLE" });
      await api("DELETE", `/v1/pipelines/${name}`);
    }
    for (const name of ["__proto__", "constructor", "prototype", "a b", "é", "x".repeat(65), "a%2Fb"]) {
      expect((await api("PUT", `/v1/pipelines/${name}`, { stages: [stage("a")] })).status, name).toBe(400);
      expect((await api("PUT", `/v1/agents/${name}`, { url: agents.url("/one") })).status, name).toBe(400);
    }
  });

  test("validate reports every error at once, with 200", async () => {
    const bad = await api("POST", "/v1/pipelines/validate", {
      stages: [stage("a", "b"), stage("b", "a"), stage("c", "nobody"), { name: "d", agent_type: 7 }],
    });
    expect(bad.status).toBe(200);
    expect(bad.body.valid).toBe(false);
    const codes = bad.body.errors.map((at: { code: string; stage: string }) => `${at.code} ${at.stage}`);
    expect(codes.toSorted()).toEqual([
      "CIRCULAR_DEPENDENCY a",
      "INVALID_PIPELINE_CONFIG d",
      "MISSING_DEPENDENCY c",
    ]);
    // A change that is refused points to the same place.
    const refused = await api("PUT", "/v1/pipelines/refused", { stages: [stage("c", "nobody")] });
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((at: { pointer: string }) => at.pointer)).toEqual([
      "/stages/0/depends_on/0",
    ]);
    const good = await api("POST", "/v1/pipelines/validate", { stages: [stage("a"), stage("b", "a")] });
    expect(good.body).toEqual({
      valid: true,
      errors: [],
      hints: [],
      dependencies: { a: [], b: ["a"] },
      layers: [["a"], ["b"]],
      critical_path: ["a", "b"],
      stages: ["a", "b"].map((name) => ({ name, kind: "agent" })),
    });
  });
});

describe("agents", () => {
  test("are registered, listed with their breaker, replaced and removed", async () => {
    const url = agents.url("/two");
    const created = await api("PUT", "/v1/agents/two", { url, headers: { authorization: "secret:TWO" } });
    const closed = { state: "closed", failures: 0, opened_at: null, retry_at: null };
    const two = {
      agent_type: "two",
      url,
      protocol: "native",
      headers: { authorization: "secret:TWO" },
      breaker: closed,
    };
    expect(created).toMatchObject({ status: 201, body: two });
    expect((await api("GET", "/v1/agents/two")).body).toEqual(two);
    expect((await api("PUT", "/v1/agents/two", { binding: "AGENTS_X", path: "/y" })).status).toBe(200);
    const { data } = (await api("GET", "/v1/agents")).body;
    expect(data.map((at: { agent_type: string }) => at.agent_type)).toContain("two");
    expect((await api("DELETE", "/v1/agents/two")).status).toBe(204);
    expect((await api("DELETE", "/v1/agents/two")).status).toBe(404);
    expect((await api("GET", "/v1/agents/two")).body.code).toBe("AGENT_NOT_FOUND");
  });

  test.each([
    [{ url: "https://evil.example.com/" }, "/url"],
    [{ url: "nonsense" }, "/url"],
    [{ url: "https://u:hunter2@evil.example.com/" }, "/url"],
    [{ binding: "SECRETS" }, "/binding"],
    [{ binding: "AGENTS", path: "nowhere" }, "/path"],
    [{ binding: "AGENTS", colour: "red" }, "/colour"],
    [{ binding: "AGENTS", headers: { authorization: "Bearer hunter2hunter2" } }, "/headers/authorization"],
    [{ binding: "AGENTS", headers: { authorization: "secret:_HUNTER2" } }, "/headers/authorization"],
    [{ binding: "AGENTS", headers: { host: "secret:X" } }, "/headers/host"],
    [{ binding: "AGENTS", headers: { "coordinator-stage": "secret:X" } }, "/headers/coordinator-stage"],
    [{ binding: "AGENTS", headers: { "bad name": "secret:X" } }, "/headers/bad name"],
    [{ binding: "AGENTS", protocol: "other" }, "/protocol"],
    [{ url: "https://agents.example.com/", protocol: "other" }, "/protocol"],
    [{ url: "https://agents.example.com/", binding: "AGENTS" }, "/binding"],
    [{ protocol: "native" }, ""],
  ])(
    "%o is refused at %s, and not repeated in the answer where it may be a credential",
    async (registration, pointer) => {
      const { status, body } = await api("PUT", "/v1/agents/bad", registration);
      expect(status).toBe(400);
      expect(body.code).toBe("INVALID_REQUEST");
      expect(body.errors.map((at: { pointer: string }) => at.pointer)).toContain(pointer);
      expect(JSON.stringify(body)).not.toMatch(/hunter2/i);
      expect((await api("GET", "/v1/agents/bad")).status).toBe(404);
    },
  );
});

test("two Workers over one catalog: a caller that names the version gets it at once, all others within five seconds", async () => {
  const root = join(import.meta.dirname, "../../..");
  const vars = { AGENT_COORDINATOR_AUTH: "none", AGENT_COORDINATOR_AGENT_HOSTS: agents.host };
  const object = (name: string, class_name: string) => ({
    name,
    class_name,
    script_name: "agent-coordinator",
  });
  const harness = createTestHarness({
    workers: [
      { configPath: join(root, "wrangler.toml"), vars },
      { configPath: join(root, "fixtures/agents/wrangler.toml") },
      {
        config: {
          name: "second",
          main: join(root, "src/index.ts"),
          compatibility_date: "2026-10-20",
          compatibility_flags: ["enable_request_signal"],
          vars,
          durable_objects: {
            bindings: [
              object("EXECUTIONS", "ExecutionObject"),
              object("CATALOG", "CatalogObject"),
              object("LEDGER", "LedgerObject"),
              object("CONVERSATIONS", "ConversationObject"),
              object("AGENT_HEALTH", "AgentHealthObject"),
              object("RESULT_CACHE", "CacheObject"),
              object("RATE_LIMIT", "RateLimitObject"),
            ],
          },
        },
      },
    ],
  });
  try {
    await harness.listen();
    const worker = (name: string) => ({
      fetch: (path: string, init?: RequestInit) =>
        harness.getWorker(name).fetch(`http://x${path}`, init as never) as unknown as Promise<Response>,
    });
    const first = worker("agent-coordinator");
    const second = worker("second");
    const put = (name: string) =>
      callWith(first, null, "PUT", "/v1/pipelines/shared", { stages: [stage(name)] });
    const run = async (on: typeof first, wanted: Record<string, unknown> = {}) =>
      callWith(on, null, "POST", "/v1/executions", {
        query: "q",
        conversation_id: "c",
        pipeline: "shared",
        ...wanted,
      });
    await callWith(first, null, "PUT", "/v1/agents/one", { url: agents.url("/one") });
    expect((await put("a")).body.version).toBe(1);
    // Created elsewhere: found at once, since it was not known at all.
    expect((await run(second)).body).toMatchObject({ pipeline_version: 1, status: "completed" });
    expect((await put("b")).body.version).toBe(2);
    // The isolate that wrote has it at once; the other one goes by its memory, or by what the caller names.
    expect((await run(first)).body.pipeline_version).toBe(2);
    expect((await run(second)).body.pipeline_version).toBe(1);
    expect((await run(second, { pipeline_version: 2 })).body.pipeline_version).toBe(2);
    expect((await run(second)).body.pipeline_version).toBe(2);
    const ahead = await run(second, { pipeline_version: 9 });
    expect(ahead).toMatchObject({ status: 404, body: { code: "PIPELINE_NOT_FOUND" } });
    expect((await put("c")).body.version).toBe(3);
    await new Promise((resolve) => {
      setTimeout(resolve, 5_100);
    });
    expect((await run(second)).body.pipeline_version).toBe(3);
  } finally {
    await harness.close();
  }
});
