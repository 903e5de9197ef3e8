// The result cache and the fallback that it serves, the same suite over both adapters: objects of the house's own,
// and a real Redis behind Upstash's protocol.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  startAgentServer,
  streams,
} from "../../support/agents/agent-server.ts";
import { eventually } from "../../support/eventually.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type RedisRest, startRedis } from "../../support/servers/redis.ts";
import { lifecycle, readEvents, textOf } from "../../support/clients/sse.ts";

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

  const lost = () => coordinator.output().match(/Redis (?:is unavailable|request failed)/g)?.length ?? 0;
  let known = 0;

  /** Whether results are kept, which they are not for a while after an answer of Redis that came too late. */
  async function isKept(): Promise<boolean> {
    const { run } = await stage();
    await run();
    return (await run()).result.cached;
  }

  /**
   * A test, made again where Redis did not answer the coordinator in time: on a machine so busy nothing is kept for a
   * while, as it should be, and the test has nothing to look at.
   */
  function kept(name: string, body: () => Promise<void>): void {
    test(name, { timeout: 120_000 }, async () => {
      for (let left = 3; ; left -= 1) {
        try {
          await body();
          return;
        } catch (cause) {
          const isBusy = redis !== null && (lost() > known || !(await isKept()));
          if (!isBusy || left === 0) throw cause;
          console.log(`Redis did not answer in time, so once more: ${name}`);
          await coordinator.configure({ enable_caching: null, cache_ttl_seconds: null });
          await eventually(isKept, Boolean, 30_000);
          known = lost();
        }
      }
    });
  }

  kept(
    "the same input is answered from it: with data, context and hits, without usage and without a call",
    async () => {
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
    },
  );

  kept("a streaming stage's hit gives its text as one delta", async () => {
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

  kept("a failure is never kept", async () => {
    const { run, calls, path } = await stage({ retry_attempts: 1 });
    agents.on(path, failsWith(500));
    await run();
    agents.on(path, answers({ well: true }));
    expect((await run()).result).toMatchObject({ cached: false, data: { well: true } });
    expect(calls()).toBe(2);
  });

  kept(
    "what differs in anything that the agent gets does not hit; the conversation's name does",
    async () => {
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
      expect((await run({ conversation_id: "k3" })).result).toMatchObject({
        cached: false,
        data: { by: "another" },
      });
      expect((await run({ conversation_id: "k2" })).result.cached).toBe(true);
    },
  );

  kept(
    "a PUT of an agent begins a new generation, also of the same registration, and after a DELETE",
    async () => {
      const { run, calls, name, path } = await stage();
      await run();
      expect((await run()).result.cached).toBe(true);
      const put = await coordinator.api("PUT", `/v1/agents/${name}`, { url: agents.url(path) });
      expect(put).toMatchObject({ status: 200, body: { agent_type: name, url: agents.url(path) } });
      expect((await run()).result.cached).toBe(false);
      expect((await run()).result.cached).toBe(true);
      expect((await coordinator.api("DELETE", `/v1/agents/${name}`)).status).toBe(204);
      await coordinator.agent(name, agents.url(path));
      expect((await run()).result.cached).toBe(false);
      expect(calls()).toBe(3);
      // A generation is the coordinator's own: a registration cannot name one.
      const named = { url: agents.url(path), generation: 1 };
      expect((await coordinator.api("PUT", `/v1/agents/${name}`, named)).status).toBe(400);
      const shown = await coordinator.api("GET", `/v1/agents/${name}`);
      expect(Object.keys(shown.body).toSorted()).toEqual(["agent_type", "breaker", "protocol", "url"]);
    },
  );

  kept("another generation's result still is the fallback's", async () => {
    const { run, path, name } = await stage({ retry_attempts: 1, fallback: "use_cached_results" });
    await run();
    await coordinator.agent(name, agents.url(path));
    agents.on(path, failsWith(400));
    expect((await run()).result).toMatchObject({ status: "completed", data: { by: name } });
  });

  kept('cache: "bypass" and Cache-Control: no-cache call every agent, and keep the new results', async () => {
    const { run, path, name, calls } = await stage();
    agents.on(path, (call, response, count) => answers({ count })(call, response, count));
    await run();
    const bypassed = await run({ cache: "bypass" });
    expect(bypassed.result).toMatchObject({ cached: false, attempts: 1, data: { count: 2 } });
    expect((await run()).result).toMatchObject({ cached: true, data: { count: 2 } });
    for (const header of ["no-cache", "max-age=0, No-Cache"]) {
      const body = { query: "a question", conversation_id: `${name}-${header}`, pipeline: name };
      const answer = await coordinator.api("POST", "/v1/executions", body, { "cache-control": header });
      expect(answer.body.stage_results.only.cached, header).toBe(false);
    }
    expect((await run()).result).toMatchObject({ cached: true, data: { count: 4 } });
    const stored = { query: "a question", conversation_id: `${name}-stored`, pipeline: name };
    const kept = await coordinator.api("POST", "/v1/executions", stored, { "cache-control": "max-age=0" });
    expect(kept.body.stage_results.only.cached).toBe(true);
    const refused = await coordinator.api("POST", "/v1/executions", { ...stored, cache: "never" });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, "/cache"]);
    const one = { stage: { name: "one", agent_type: name }, query: "a question" };
    expect((await coordinator.api("POST", "/v1/stages/execute", one)).body.cached).toBe(false);
    expect((await coordinator.api("POST", "/v1/stages/execute", one)).body.cached).toBe(true);
    const bypassing = await coordinator.api("POST", "/v1/stages/execute", { ...one, cache: "bypass" });
    expect(bypassing.body.cached).toBe(false);
    const headed = await coordinator.api("POST", "/v1/stages/execute", one, { "cache-control": "no-cache" });
    expect(headed.body.cached).toBe(false);
    expect(calls()).toBe(7);
  });

  const remove = async (execution_id: string) => {
    const removed = await coordinator.api("DELETE", `/v1/executions/${execution_id}`);
    expect(removed.status).toBe(204);
  };

  kept(
    "DELETE of an execution takes what it put into the cache with it, and nothing of another's",
    async () => {
      const { run, calls, path } = await stage();
      const made = await run();
      const hit = await run();
      const other = await run({ query: "another question" });
      // At once: its result may not have been written yet.
      await remove(made.execution.execution_id);
      expect((await run()).result.cached).toBe(false);
      expect((await run({ query: "another question" })).result.cached).toBe(true);
      // A run that only hit has put nothing in.
      await remove(hit.execution.execution_id);
      expect((await run()).result.cached).toBe(true);
      expect(calls()).toBe(3);
      // Written meanwhile; and no fallback's either.
      await sleep(700);
      await remove(other.execution.execution_id);
      agents.on(path, failsWith(400));
      const fallback = { only: { fallback: "use_cached_results" } };
      const lost = await run({ query: "another question", pipeline_config: fallback });
      expect(lost.execution.status).toBe("failed");
      expect(lost.execution.error_info.message).toContain("no cached result is available");
    },
  );

  kept("DELETE takes no result that another execution has made since", async () => {
    const { run, calls } = await stage();
    const first = await run();
    const second = await run({ cache: "bypass" });
    await remove(first.execution.execution_id);
    expect((await run()).result.cached).toBe(true);
    await remove(second.execution.execution_id);
    expect((await run()).result.cached).toBe(false);
    expect(calls()).toBe(3);
  });

  kept(
    "DELETE takes the results of a run that failed, or whose caller named it, and cleanup takes all",
    async () => {
      const { name, calls } = await stage();
      await coordinator.agent(`${name}-bad`, agents.url("/bad"));
      agents.on("/bad", failsWith(400));
      await coordinator.pipeline(`${name}-two`, [
        { name: "good", agent_type: name },
        { name: "bad", agent_type: `${name}-bad`, depends_on: ["good"] },
      ]);
      const run = async (at: number) => {
        const id = `${name}-${at}`;
        const body = { pipeline: `${name}-two`, conversation_id: id, execution_id: id };
        return (await coordinator.run(body)).body.stage_results.good.cached as boolean;
      };
      expect([await run(1), await run(2)]).toEqual([false, true]);
      await remove(`${name}-1`);
      expect(await run(3)).toBe(false);
      // The same id again is another execution.
      expect(await run(1)).toBe(true);
      await remove(`${name}-3`);
      expect([await run(3), await run(4)]).toEqual([false, true]);
      for (let more = true; more; ) {
        const cleaned = await coordinator.api("POST", "/v1/executions/cleanup", { older_than_seconds: 0 });
        more = cleaned.body.has_more;
      }
      expect(await run(5)).toBe(false);
      expect(calls()).toBe(4);
    },
  );

  kept("another stage name and other inputs do not hit", async () => {
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

  kept(
    "a stage that is run on its own is answered with what a pipeline has made of the same input",
    async () => {
      const { name, path } = await stage();
      agents.on(path, (call, response, count) => answers({ count })(call, response, count));
      const stages = ["one", "two"].map((of, at) => ({
        name: of,
        agent_type: name,
        depends_on: at === 0 ? [] : ["one"],
      }));
      await coordinator.pipeline(`${name}-two`, stages);
      const query = `of ${name}`;
      await coordinator.run({ pipeline: `${name}-two`, conversation_id: `${name}-own`, query });
      const execute = async (inputs: Record<string, unknown>) => {
        const body = { stage: { name: "two", agent_type: name }, query, inputs };
        return (await coordinator.api("POST", "/v1/stages/execute", body)).body;
      };
      expect(await execute({ one: { count: 1 } })).toMatchObject({ cached: true, data: { count: 2 } });
      expect(await execute({ one: { count: 7 } })).toMatchObject({ cached: false });
    },
  );

  kept("results that are too large to be brought with the question are found where they are", async () => {
    const { run, path, calls } = await stage();
    const much = "x".repeat(400_000);
    agents.on(path, answers({ much }));
    await run();
    // It is reported after the answer.
    await sleep(500);
    const { result } = await run();
    expect([result.cached, result.data.much === much, calls()]).toEqual([true, true, 1]);
  });

  kept("a chain asks once and reports once, and is answered with one question", async () => {
    const { name, calls } = await stage();
    const stages = ["one", "two", "three"].map((of, at, all) => ({
      name: of,
      agent_type: name,
      depends_on: all.slice(Math.max(0, at - 1), at),
    }));
    await coordinator.pipeline(`${name}-three`, stages);
    const run = async (at: number) => {
      const before = redis?.requests() ?? 0;
      const id = `${name}-chain-${at}`;
      const { body } = await coordinator.run({ pipeline: `${name}-three`, conversation_id: id, query: name });
      const cached = Object.values<{ cached: boolean }>(body.stage_results).filter((of) => of.cached).length;
      // What it has made is reported after the answer.
      const expected = cached === 0 ? 2 : 1;
      if (redis !== null) await expect.poll(() => (redis?.requests() ?? 0) - before).toBe(expected);
      return cached;
    };
    expect([await run(1), await run(2), calls()]).toEqual([0, 3, 3]);
  });

  kept("cache false, enable_caching false and a TTL that is over ask the agent", async () => {
    const off = await stage({ cache: false });
    await off.run();
    expect((await off.run()).result.cached).toBe(false);
    const brief = await stage({ cache: { ttl_seconds: 3 } });
    await brief.run();
    expect((await brief.run()).result.cached).toBe(true);
    await sleep(3_100);
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

  kept("use_cached_results gives the last good result of the same agent, config and query", async () => {
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
      message: "only: broken; its fallback also failed: no cached result is available",
    });
  });

  kept("results for the fallback are kept where nothing is cached", async () => {
    const { run, path } = await stage({ cache: false, retry_attempts: 1, fallback: "use_cached_results" });
    await run();
    agents.on(path, failsWith(400));
    expect((await run()).result.fallback.strategy).toBe("use_cached_results");
  });

  if (backend === "embedded") {
    kept("two executions that ask at once call once", async () => {
      const { run, path, calls } = await stage();
      agents.on(path, after(400, answers({ slow: true })));
      const [one, two] = await Promise.all([run(), run()]);
      expect(calls()).toBe(1);
      expect([one.result.cached, two.result.cached].filter(Boolean)).toHaveLength(1);
      expect(one.result.data).toEqual(two.result.data);
    });
  }
});
