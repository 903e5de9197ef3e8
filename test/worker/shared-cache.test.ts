// The result cache and the fallback that it serves, the same suite over both adapters: objects of the house's own,
// and a real Redis behind Upstash's protocol.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  startAgentServer,
  streams,
} from "../support/agent-server.ts";
import { closeAll } from "../support/close.ts";
import { type Coordinator, startCoordinator } from "../support/coordinator.ts";
import { type RedisRest, startRedis } from "../support/redis.ts";
import { lifecycle, readEvents, textOf } from "../support/sse.ts";

describe.each(["embedded", "upstash"])("the result cache, %s", (backend) => {
  let agents: AgentServer;
  let redis: RedisRest | null = null;
  let coordinator: Coordinator;
  let names = 0;

  /** An agent and a pipeline of its own, so that no test meets another's results. */
  async function stage(fields: Record<string, unknown> = {}) {
    names += 1;
    const name = `a${names}`;
    await coordinator.agent(name, agents.url(`/${name}`));
    await coordinator.pipeline(name, [{ name: "only", agent_type: name, ...fields }]);
    agents.on(`/${name}`, answers({ by: name }, { context: { seen: name }, usage: { tokens: 3 } }));
    const run = async (body: Record<string, unknown> = {}) => {
      conversations += 1;
      // Each question stands in a conversation of its own: a history would be another input.
      const { body: execution } = await coordinator.run({
        pipeline: name,
        conversation_id: `${name}-${conversations}`,
        ...body,
      });
      return { execution, result: execution.stage_results?.only };
    };
    return { name, path: `/${name}`, run, calls: () => agents.callsOf(`/${name}`).length };
  }
  let conversations = 0;

  beforeAll(async () => {
    agents = await startAgentServer();
    redis = backend === "upstash" ? await startRedis() : null;
    coordinator = await startCoordinator([agents], {
      AGENT_COORDINATOR_RETRY_DELAY: "0.01",
      AGENT_COORDINATOR_CACHING: "true",
      ...(redis === null ? {} : { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token }),
    });
  });

  afterAll(() => closeAll(coordinator, agents, redis));

  test("the same input is answered from it: data, context and hits told, nothing used, nobody called", async () => {
    const { run, calls, name } = await stage();
    const first = await run();
    expect(first.result).toMatchObject({ cached: false, attempts: 1 });
    const second = await run();
    expect(calls()).toBe(1);
    expect(second.result).toMatchObject({ status: "completed", cached: true, attempts: 0, usage: null });
    expect(second.result.data).toEqual({ by: name });
    expect(second.execution).toMatchObject({ context_data: { seen: name }, usage: {} });
    expect(second.execution.performance_metrics).toMatchObject({ cache_hits: 1, retries: 0 });
    if (redis !== null) expect(redis.requests()).toBeGreaterThan(0);
  });

  test("a streaming stage's hit gives its text as one delta", async () => {
    const { run, path, name } = await stage();
    agents.on(
      path,
      streams([
        ["delta", { text: "Hello, " }],
        ["delta", { text: "wörld 🌍" }],
        ["result", { data: { answer: "Hello, wörld 🌍" } }],
      ]),
    );
    await run();
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "a question", conversation_id: "streamed", pipeline: name }),
    });
    const events = await readEvents(response);
    expect(textOf(events, "only")).toBe("Hello, wörld 🌍");
    expect(events.filter((event) => event.event === "stage.delta")).toHaveLength(1);
    expect(lifecycle(events).map((event) => event.event)).toEqual([
      "execution.started",
      "stage.started",
      "stage.completed",
      "execution.completed",
    ]);
  });

  test("a failure is never kept", async () => {
    const { run, calls, path } = await stage({ retry_attempts: 1 });
    agents.on(path, failsWith(500));
    await run();
    agents.on(path, answers({ well: true }));
    expect((await run()).result).toMatchObject({ cached: false, data: { well: true } });
    expect(calls()).toBe(2);
  });

  test("what differs in anything that the agent is told does not hit; the conversation's name does", async () => {
    const { run, calls, name } = await stage();
    await run({ conversation_id: "k1" });
    let expected = 1;
    const misses = async (body: Record<string, unknown>) => {
      expect((await run(body)).result.cached, JSON.stringify(body)).toBe(false);
      expected += 1;
      expect(calls()).toBe(expected);
    };
    await misses({ query: "another question" });
    await misses({ context: { given: 1 } });
    await misses({ pipeline_config: { only: { config: { top_k: 3 } } } });
    // The same conversation again: its history is another input.
    await misses({ conversation_id: "k1" });
    await coordinator.agent(name, `${agents.url(`/${name}`)}?other`);
    agents.on(`/${name}?other`, answers({ by: "another" }));
    expect((await run()).result).toMatchObject({ cached: false, data: { by: "another" } });
    await coordinator.agent(name, agents.url(`/${name}`));
    expect((await run({ conversation_id: "k2" })).result.cached).toBe(true);
  });

  test("another stage name and other inputs do not hit", async () => {
    const { name, calls } = await stage();
    const execute = (stageName: string, inputs: unknown) =>
      coordinator
        .fetch("/v1/stages/execute", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ stage: { name: stageName, agent_type: name }, query: "q", inputs }),
        })
        .then(async (response) => JSON.parse(await response.text()) as { cached: boolean });
    expect((await execute("one", { a: { x: 1 } })).cached).toBe(false);
    expect((await execute("one", { a: { x: 2 } })).cached).toBe(false);
    expect((await execute("two", { a: { x: 1 } })).cached).toBe(false);
    expect((await execute("one", { a: { x: 1 } })).cached).toBe(true);
    expect(calls()).toBe(3);
  });

  test("cache false, enable_caching false and a TTL that is over ask the agent", async () => {
    const off = await stage({ cache: false });
    await off.run();
    expect((await off.run()).result.cached).toBe(false);
    const brief = await stage({ cache: { ttl_seconds: 3 } });
    await brief.run();
    expect((await brief.run()).result.cached).toBe(true);
    await new Promise((resolve) => {
      setTimeout(resolve, 3_100);
    });
    expect((await brief.run()).result.cached).toBe(false);
    const on = await stage();
    await on.run();
    await coordinator.configure({ enable_caching: false });
    expect((await on.run()).result.cached).toBe(false);
    await coordinator.configure({ enable_caching: null, cache_ttl_seconds: 0.001 });
    expect((await on.run()).result.cached).toBe(false);
    // Whoever stored it wanted it to be fresh no longer than that.
    await coordinator.configure({ cache_ttl_seconds: null });
    expect((await on.run()).result.cached).toBe(false);
    expect((await on.run()).result.cached).toBe(true);
  });

  test("use_cached_results gives the last good result of the same agent, config and query", async () => {
    const { run, path, name, calls } = await stage({
      cache: { ttl_seconds: 0.001 },
      retry_attempts: 1,
      fallback: "use_cached_results",
    });
    await run();
    agents.on(path, failsWith(500, { detail: "broken" }));
    const { execution, result } = await run({ context: { other: "input" } });
    expect(calls()).toBe(2);
    expect(execution.status).toBe("completed");
    expect(result).toMatchObject({ status: "completed", attempts: 1, data: { by: name }, error: null });
    expect(result.fallback).toEqual({ strategy: "use_cached_results", reason: "broken" });
    const other = await run({ query: "never asked" });
    expect(other.execution.error_info).toMatchObject({
      code: "AGENT_PROCESSING_ERROR",
      message: "only: broken; its fallback failed too: there is no earlier result",
    });
  });

  test("results for the fallback are kept where nothing is cached", async () => {
    const { run, path } = await stage({ cache: false, retry_attempts: 1, fallback: "use_cached_results" });
    await run();
    agents.on(path, failsWith(400));
    expect((await run()).result.fallback.strategy).toBe("use_cached_results");
  });

  if (backend === "embedded") {
    test("two executions that ask at once call once", async () => {
      const { run, path, calls } = await stage();
      agents.on(path, after(400, answers({ slow: true })));
      const [one, two] = await Promise.all([run(), run()]);
      expect(calls()).toBe(1);
      expect([one.result.cached, two.result.cached].filter(Boolean)).toHaveLength(1);
      expect(one.result.data).toEqual(two.result.data);
    });

    test("whoever waits calls after all where the first has failed", async () => {
      const { run, path, calls } = await stage({ retry_attempts: 1 });
      agents.on(path, (call, response, count) =>
        after(300, count === 1 ? failsWith(400) : answers({ mended: true }))(call, response, count),
      );
      const ends = await Promise.all([run(), run(), run()]);
      expect(ends.filter(({ result }) => result.status === "completed")).toHaveLength(2);
      expect(calls()).toBe(2);
    });
  }
});
