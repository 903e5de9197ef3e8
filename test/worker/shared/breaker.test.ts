// Breakers, fallbacks and the retry budget in real workerd: what executions learn of one another's agents.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  type Behaviour,
  failsWith,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

/** Longer than a busy machine takes for three runs: the breaker is looked at while it is open. */
const RECOVERY_S = 3;

/** An agent and a pipeline of its own; nothing is cached, so that every run calls. */
async function stage(behaviour: Behaviour, fields: Record<string, unknown> = {}) {
  names += 1;
  const name = `b${names}`;
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [
    { name: "only", agent_type: name, cache: false, retry_attempts: 1, ...fields },
  ]);
  agents.on(`/${name}`, behaviour);
  return {
    name,
    calls: () => agents.callsOf(`/${name}`).length,
    on: (next: Behaviour) => agents.on(`/${name}`, next),
    run: async (body: Record<string, unknown> = {}) =>
      (await coordinator.run({ pipeline: name, ...body })).body,
    breaker: async () => {
      const response = await coordinator.fetch(`/v1/agents/${name}`);
      return (JSON.parse(await response.text()) as { breaker: Record<string, unknown> }).breaker;
    },
  };
}

/** Resolves when a breaker that is open lets a probe through. */
async function recovered(breaker: () => Promise<Record<string, unknown>>): Promise<void> {
  const { retry_at } = await breaker();
  await sleep(Date.parse(retry_at as string) - Date.now() + 50);
}

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  await coordinator.configure({
    retry_backoff_factor: 1,
    circuit_breaker: { failure_threshold: 3, recovery_timeout_seconds: RECOVERY_S },
  });
});

afterAll(() => closeAll(coordinator, agents));

describe("the breaker", () => {
  test.concurrent("opens at the threshold, refuses without a call or a try, lets one probe through, and closes", async () => {
    const { run, calls, on, breaker, name } = await stage(failsWith(503));
    expect(await breaker()).toEqual({ state: "closed", failures: 0, opened_at: null, retry_at: null });
    await run();
    await run();
    expect(await breaker()).toMatchObject({ state: "closed", failures: 2 });
    await run();
    const open = await breaker();
    expect(open).toMatchObject({ state: "open", failures: 3 });
    const recovery = Date.parse(open["retry_at"] as string) - Date.parse(open["opened_at"] as string);
    expect(recovery).toBeGreaterThanOrEqual(RECOVERY_S * 900);
    expect(recovery).toBeLessThanOrEqual(RECOVERY_S * 1_100);
    const refused = await run();
    expect(calls()).toBe(3);
    expect(refused.error_info).toMatchObject({ code: "AGENT_UNAVAILABLE", retry_attempts: 0 });
    expect(refused.error_info.message).toContain(`the circuit breaker of ${name} is open`);
    expect(refused.stage_results.only).toMatchObject({ status: "failed", attempts: 0 });
    expect(refused.performance_metrics.retries).toBe(0);

    await recovered(breaker);
    expect((await breaker())["state"]).toBe("half_open");
    on(after(300, answers({ well: true })));
    const ends = await Promise.all([run(), run(), run(), run()]);
    expect(calls()).toBe(4);
    expect(ends.filter((execution) => execution.status === "completed")).toHaveLength(1);
    expect(await breaker()).toEqual({ state: "closed", failures: 0, opened_at: null, retry_at: null });
    expect((await run()).status).toBe("completed");
  });

  test.concurrent("a probe that fails opens it again; one that is cancelled does not count", async () => {
    const { run, calls, on, breaker, name } = await stage(failsWith(500));
    for (const _ of [1, 2, 3]) await run();
    await recovered(breaker);
    await run();
    expect(calls()).toBe(4);
    expect(await breaker()).toMatchObject({ state: "open", failures: 4 });
    await recovered(breaker);
    on(after(2_000, answers({})));
    const { body } = await coordinator.run({ pipeline: name }, { prefer: "respond-async" });
    await sleep(200);
    await coordinator.fetch(`/v1/executions/${body.execution_id}/cancel`, { method: "POST" });
    await sleep(100);
    on(answers({ well: true }));
    expect((await run()).status).toBe("completed");
    expect((await breaker())["state"]).toBe("closed");
  });

  test("a success between failures resets it; 4xx and cancelled calls do not count", async () => {
    const { run, breaker } = await stage(
      inTurn(failsWith(500), failsWith(500), answers({}), failsWith(500), failsWith(404), failsWith(422)),
    );
    for (const _ of [1, 2, 3, 4, 5, 6]) await run();
    expect(await breaker()).toMatchObject({ state: "closed", failures: 1 });
    const hanging = await stage(after(5_000, answers({})));
    for (const _ of [1, 2, 3, 4]) {
      const { body } = await coordinator.run({ pipeline: hanging.name }, { prefer: "respond-async" });
      await sleep(100);
      await coordinator.fetch(`/v1/executions/${body.execution_id}/cancel`, { method: "POST" });
    }
    expect(await hanging.breaker()).toMatchObject({ state: "closed", failures: 0 });
  });

  test("opens in the middle of a run's own tries, and GET /v1/agents shows it", async () => {
    const { run, calls, name } = await stage(failsWith(503), { retry_attempts: 10 });
    const execution = await run();
    // A failure is reported off the path of the run: a try that comes at once may be out before the breaker knows.
    expect(calls()).toBeGreaterThanOrEqual(3);
    expect(calls()).toBeLessThan(10);
    expect(execution.stage_results.only.attempts).toBe(calls());
    expect(execution.error_info).toMatchObject({ code: "AGENT_UNAVAILABLE", retry_attempts: calls() });
    const response = await coordinator.fetch("/v1/agents");
    const { data } = (await response.json()) as {
      data: { agent_type: string; breaker: { state: string } }[];
    };
    expect(data.find((agent) => agent.agent_type === name)?.breaker.state).toBe("open");
    expect(data.filter((agent) => agent.agent_type !== name && agent.breaker.state === "open").length).toBe(
      0,
    );
  });

  test("an agent that says when to come again is tried as often as its stage allows, and opens none", async () => {
    for (const status of [429, 503]) {
      const loaded = failsWith(status, {}, { "retry-after": "0" });
      const { run, calls, breaker } = await stage(loaded, { retry_attempts: 5 });
      expect((await run()).error_info).toMatchObject({ code: "AGENT_UNAVAILABLE", retry_attempts: 5 });
      expect(calls()).toBe(5);
      expect(await breaker()).toMatchObject({ state: "closed", failures: 0 });
    }
  });

  test("another registration has a clean record, and enable_circuit_breaker false turns it off", async () => {
    const { run, calls, name, breaker } = await stage(failsWith(503));
    for (const _ of [1, 2, 3]) await run();
    expect((await breaker())["state"]).toBe("open");
    await coordinator.agent(name, agents.url(`/${name}`));
    expect((await breaker())["state"]).toBe("closed");
    const off = await stage(failsWith(503));
    await coordinator.configure({ enable_circuit_breaker: false });
    for (const _ of [1, 2, 3, 4, 5]) await off.run();
    await coordinator.configure({ enable_circuit_breaker: null });
    expect(off.calls()).toBe(5);
    expect(await off.breaker()).toMatchObject({ state: "closed", failures: 0 });
    expect(calls()).toBe(3);
  });

  test("runs in flight refuse within 2 s of its opening", async () => {
    const opened = Promise.withResolvers<void>();
    const slow = await stage(async (call, response, count) => {
      await opened.promise;
      await sleep(2_000);
      return answers({})(call, response, count);
    });
    const broken = await stage(failsWith(503));
    await coordinator.pipeline("long", [
      { name: "first", agent_type: slow.name, cache: false },
      { name: "second", agent_type: broken.name, depends_on: ["first"], cache: false, retry_attempts: 1 },
    ]);
    const long = coordinator.run({ pipeline: "long" });
    await vi.waitUntil(() => slow.calls() === 1, { timeout: 10_000 });
    await coordinator.configure({ circuit_breaker: { recovery_timeout_seconds: 30 } });
    for (const _ of [1, 2, 3]) await broken.run();
    opened.resolve();
    expect(broken.calls()).toBe(3);
    expect((await long).body.stage_results.second).toMatchObject({ status: "failed", attempts: 0 });
    expect(broken.calls()).toBe(3);
    await coordinator.configure({ circuit_breaker: { recovery_timeout_seconds: RECOVERY_S } });
  });
});

describe("fallbacks", () => {
  test("use_default gives its data where the stage would fail, and says why", async () => {
    const { run, name } = await stage(failsWith(400, { detail: "no such thing" }), {
      fallback: { strategy: "use_default", data: { answer: "later" } },
    });
    const { body } = await coordinator.run({ pipeline: name });
    expect(body).toMatchObject({ status: "completed", final_result: { answer: "later" } });
    expect(body.stage_results.only).toMatchObject({
      status: "completed",
      attempts: 1,
      error: null,
      fallback: { strategy: "use_default", reason: "no such thing" },
    });
    const listed = await coordinator.fetch(`/v1/executions/${body.execution_id}/events`, {
      headers: { accept: "application/json" },
    });
    const { data } = (await listed.json()) as { data: { type: string; data: unknown }[] };
    expect(data.map((event) => event.type)).toEqual([
      "execution.started",
      "stage.started",
      "stage.fallback",
      "stage.completed",
      "execution.completed",
    ]);
    expect(data[2]?.data).toEqual({ strategy: "use_default", reason: "no such thing" });
    expect((await run()).status).toBe("completed");
  });

  test("use_simple_model calls the same agent once more with model simple, under its own key", async () => {
    const { run, name } = await stage(
      (call, response, count) =>
        (call.body.config["model"] === "simple" ? answers({ simple: true }) : failsWith(400))(
          call,
          response,
          count,
        ),
      { fallback: "use_simple_model", config: { top_k: 3 } },
    );
    const execution = await run();
    expect(execution.stage_results.only).toMatchObject({
      status: "completed",
      data: { simple: true },
      attempts: 1,
      fallback: { strategy: "use_simple_model" },
    });
    const [, second] = agents.callsOf(`/${name}`);
    expect(second?.body.config).toEqual({ top_k: 3, model: "simple" });
    expect(second?.headers["idempotency-key"]).toBe(`"${execution.execution_id}.only.fallback"`);
  });

  test("use_simple_model calls the agent that it names, also where a breaker refused the stage's own", async () => {
    const simple = await stage(answers({ by: "the other" }));
    const { run, calls } = await stage(failsWith(503), {
      fallback: { strategy: "use_simple_model", agent_type: simple.name, config: { brief: true } },
    });
    for (const _ of [1, 2, 3]) expect((await run()).status).toBe("completed");
    const refused = await run();
    expect(calls()).toBe(3);
    expect(refused.stage_results.only).toMatchObject({
      status: "completed",
      attempts: 0,
      data: { by: "the other" },
    });
    expect(refused.stage_results.only.fallback.reason).toContain("circuit breaker");
    const call = agents.callsOf(`/${simple.name}`).at(-1);
    expect(call?.body).toMatchObject({ agent_type: simple.name, config: { brief: true }, stage: "only" });
  });

  test("fallback_strategies hold for stages of that name; the stage's own wins; a failed one is reported", async () => {
    const { run, name } = await stage(failsWith(400));
    await coordinator.configure({
      fallback_strategies: { only: { strategy: "use_default", data: { from: "config" } } },
    });
    expect((await run()).final_result).toEqual({ from: "config" });
    const own = await stage(failsWith(400, { detail: "no" }), { fallback: "use_simple_model" });
    const failed = await own.run();
    await coordinator.configure({ fallback_strategies: null });
    expect(failed.error_info.message).toBe("only: no; its fallback also failed: no");
    expect(failed.stage_results.only).toMatchObject({ status: "failed", attempts: 1 });
    expect(own.calls()).toBe(2);
    expect(agents.callsOf(`/${name}`).length).toBe(1);
  });

  test("a condition that cannot be evaluated falls back, too", async () => {
    const { run, calls } = await stage(answers({}), {
      when: "context.missing.x > 1.0",
      fallback: { strategy: "use_default", data: { instead: true } },
    });
    expect((await run()).final_result).toEqual({ instead: true });
    expect(calls()).toBe(0);
  });
});

describe("the retry budget", () => {
  test("an outage is not multiplied by everybody's retries, every run makes its tries, events say why they wait", async () => {
    await coordinator.configure({ circuit_breaker: { failure_threshold: 1_000 } });
    const { name, calls } = await stage(failsWith(500, { detail: "down" }), { retry_attempts: 2 });
    const began = Date.now();
    const ended = Promise.all(
      Array.from({ length: 24 }, (_, at) => coordinator.run({ pipeline: name, conversation_id: `r${at}` })),
    );
    await sleep(2_000);
    const allowed = 24 + 6 + (Date.now() - began) / 300;
    expect(calls()).toBeLessThanOrEqual(allowed);
    const runs = await ended;
    await coordinator.configure({ circuit_breaker: { failure_threshold: 3 } });
    expect(calls()).toBe(48);
    expect(runs.map(({ body }) => body.stage_results.only.attempts)).toEqual(
      Array.from({ length: 24 }, () => 2),
    );
    const events = await Promise.all(
      runs.map(({ body }) =>
        coordinator.api("GET", `/v1/executions/${body.execution_id}/events`, undefined, {
          accept: "application/json",
        }),
      ),
    );
    const delayed = events
      .flatMap(({ body }) => body.data as { type: string; message: string }[])
      .filter(({ type, message }) => type === "stage.retrying" && message.includes("retry budget"));
    expect(delayed.length).toBeGreaterThan(10);
  }, 60_000);

  test("runs that meet an agent's restart survive it", async () => {
    await coordinator.configure({ circuit_breaker: { failure_threshold: 1_000 }, retry_delay_seconds: 1 });
    let first = 0;
    const { name } = await stage(
      (call, response, count) => {
        first ||= Date.now();
        const behaviour = Date.now() - first < 700 ? failsWith(503) : answers({ up: true });
        return behaviour(call, response, count);
      },
      { retry_attempts: 8 },
    );
    const runs = await Promise.all(
      Array.from({ length: 20 }, (_, at) => coordinator.run({ pipeline: name, conversation_id: `s${at}` })),
    );
    await coordinator.configure({ circuit_breaker: { failure_threshold: 3 }, retry_delay_seconds: null });
    expect(runs.map(({ body }) => body.status)).toEqual(Array.from({ length: 20 }, () => "completed"));
  }, 60_000);

  test("one run's tries are its own", async () => {
    await coordinator.configure({ circuit_breaker: { failure_threshold: 1_000 } });
    const { run, calls } = await stage(failsWith(500), { retry_attempts: 12 });
    expect((await run()).stage_results.only.attempts).toBe(12);
    await coordinator.configure({ circuit_breaker: { failure_threshold: 3 } });
    expect(calls()).toBe(12);
  });
});
