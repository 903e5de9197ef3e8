// The spans of runs that did not go straight.
import { describe, expect, test } from "vitest";
import { spansJson } from "../../../../src/adapters/outbound/otlp-encode.ts";
import type { LifecycleEvent } from "../../../../src/contract/event.ts";
import type { WaitStage } from "../../../../src/contract/stage.ts";
import { eventFields } from "../../../../src/core/monitoring/log-line.ts";
import { Play, status } from "../../rules/play.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { type Span, spansOf } from "../../../../src/core/monitoring/tracing/spans.ts";
import { makeSpec, makeStage } from "../../simulation/spec.ts";
import { Bench, later, said } from "../../../engine/simulation/fair-weather.ts";
import { ran } from "../runs.ts";

describe("the spans of a run", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("that was paused in the middle of a call: the interrupted call, and the next one", async () => {
    const bench = new Bench((_request, _hooks, own) => later(own, 100, said()));
    await bench.start(makeSpec([makeStage("one")], {}, { traceparent }));
    await bench.until(40);
    bench.driver.submit({ type: "pause", mode: "abort" });
    await bench.until(500);
    bench.driver.submit({ type: "resume" });
    await bench.until();
    const { state } = bench.driver;
    const [root, cut, whole] = state === null ? [] : spansOf(state, bench.log);
    expect(cut).toMatchObject({ error: "interrupted by a pause", attributes: { "coordinator.attempt": 1 } });
    expect((cut?.ended ?? 0) - (cut?.began ?? 0)).toBe(40);
    expect(whole).toMatchObject({ error: null, attributes: { "coordinator.attempt": 1 } });
    expect((whole?.ended ?? 0) - (whole?.began ?? 0)).toBe(100);
    expect(whole?.span_id).not.toBe(cut?.span_id);
    expect(root?.events.map(({ name }) => name)).toEqual(["execution.paused", "execution.resumed"]);
  });

  test("counts tokens beyond 2^53 with all their digits, as an int of OTLP where it has 64 bits", async () => {
    const usage = { input_tokens: 9007199254740993n, output_tokens: 2n ** 63n };
    const bench = new Bench(async () => ({ ok: true, answer: { data: {}, usage }, bytes: 2 }));
    const { traceparent: _, ...fields } = makeSpec([makeStage("a")]);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await (await bench.start({ ...fields, traceparent })).until();
    const [root] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    const [{ attributes }] = JSON.parse(spansJson([root as Span], 1_000_000)) as [any];
    expect(attributes).toContainEqual({
      key: "gen_ai.usage.input_tokens",
      value: { intValue: "9007199254740993" },
    });
    expect(attributes).toContainEqual({ key: "gen_ai.usage.output_tokens", value: { doubleValue: 2 ** 63 } });
  });

  test("says where its agent is, and of which model and provider it was, where that is known", async () => {
    const usage = {
      input_tokens: 1,
      reasoning_tokens: 2,
      cached_input_tokens: 3,
      cost_usd: 0.25,
      model: "large",
      provider: "acme",
    };
    const bench = new Bench(async () => ({ ok: true, answer: { data: {}, usage }, bytes: 2 }));
    const spec = makeSpec([makeStage("a")], {}, { traceparent });
    const url = "https://llm.example/v1";
    const agent_a = { url, protocol: "openai" as const, options: { model: "small" } };
    await (await bench.start({ ...spec, agents: { agent_a } })).until();
    const [root, call] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    expect(call?.attributes).toMatchObject({
      "server.address": "llm.example",
      "server.port": 443,
      "gen_ai.request.model": "small",
      "gen_ai.response.model": "large",
      "gen_ai.provider.name": "acme",
      "gen_ai.usage.input_tokens": 1,
      "gen_ai.usage.reasoning.output_tokens": 2,
      "gen_ai.usage.cache_read.input_tokens": 3,
      "coordinator.cost_usd": 0.25,
    });
    expect(root?.attributes).toMatchObject({ "gen_ai.usage.input_tokens": 1, "coordinator.cost_usd": 0.25 });
  });

  test("have nothing of a cost that is not known, and the model that an agent names where none was asked for", async () => {
    const usage = { input_tokens: 1, cost_usd: null, unpriced_tokens: 1, model: "new" };
    const bench = new Bench(async () => ({ ok: true, answer: { data: {}, usage }, bytes: 2 }));
    await (await bench.start(makeSpec([makeStage("a")], {}, { traceparent }))).until();
    const [, call] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    expect(call?.attributes).not.toHaveProperty("coordinator.cost_usd");
    expect(call?.attributes).toMatchObject({
      "coordinator.unpriced_tokens": 1,
      "gen_ai.request.model": "new",
      "gen_ai.response.model": "new",
    });
  });

  test("a call that was queued has none: the run's span says that and why", () => {
    const play = new Play([makeStage("one")], {}, { traceparent });
    play.answer("one", { ok: "queued", reason: "retry_after", until: play.now + 1_000 });
    play.after(1_000).tick().after(10).answer("one");
    const spans = spansOf(play.state, play.log);
    expect(
      spans.slice(1).map(({ began, ended, error }) => [began - play.began, ended - play.began, error]),
    ).toEqual([[1_000, 1_010, null]]);
    const attributes = { "coordinator.stage": "one", "coordinator.queued.reason": "retry_after" };
    expect(spans[0]?.events).toEqual([{ at: play.began, name: "stage.queued", attributes }]);
    const [root] = JSON.parse(spansJson(spans, 1_000_000)) as [{ events: { attributes?: object }[] }];
    expect(root.events[0]?.attributes).toContainEqual({
      key: "coordinator.queued.reason",
      value: { stringValue: "retry_after" },
    });
  });

  test("of tries that failed have what these used, also the last one before a fallback", () => {
    const fallback = { strategy: "use_default" as const, data: {} };
    const play = new Play([makeStage("one", { retry_attempts: 2, fallback })], {}, { traceparent });
    play.after(10).fail("one", status(503)).after(10_000).tick().after(20).fail("one", status(500));
    const usage = { input_tokens: 4, cost_usd: 0.5, model: "large" };
    const log = structuredClone(play.log);
    for (const event of log)
      if (event.type === "stage.retrying" || event.type === "stage.fallback")
        Object.assign(event, { internal: { ...event.internal, usage } });
    const [, ...tries] = spansOf(play.state, log);
    expect(tries.map(({ began, ended, error }) => [ended - began, error !== null])).toEqual([
      [10, true],
      [20, true],
    ]);
    for (const { attributes } of tries)
      expect(attributes).toMatchObject({ "gen_ai.usage.input_tokens": 4, "coordinator.cost_usd": 0.5 });
    expect(tries[1]?.attributes).toMatchObject({ "http.response.status_code": 500 });
  });

  test("of iterations have what each used", async () => {
    let calls = 0;
    const bench = new Bench(async () => {
      calls += 1;
      return { ok: true, answer: { data: { calls }, usage: { input_tokens: calls } }, bytes: 2 };
    });
    const repeat = { until: "result.calls == 2", max: 3, on_max: "accept" as const };
    await (await bench.start(makeSpec([makeStage("a", { repeat })], {}, { traceparent }))).until();
    const [root, ...tries] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    const tokens = (span: Span | undefined) => span?.attributes["gen_ai.usage.input_tokens"];
    expect([tokens(root), ...tries.map(tokens)]).toEqual([3, 1, 2]);
  });

  test("that asked: a span a question, whose trace shows who answered, and one for an agent that answers later", async () => {
    const wait = { timeout_seconds: 60, on_timeout: "skip" };
    const question = (name: string, depends_on: string[] = []) =>
      ({ name, required: false, parallel: false, depends_on, config: {}, wait }) as WaitStage;
    const agent = makeStage("agent", { callback_timeout_seconds: 60 });
    const play = new Play([agent, question("a", ["agent"]), question("b", ["agent"])], {}, { traceparent });
    play.after(5).answer("agent", { ok: "later" }).crash();
    const { call } = play.state.stages[0] ?? { call: 0 };
    const outcome = { ok: true, answer: { data: {} }, bytes: 2 } as const;
    play.after(100).submit({ type: "callback", stage: "agent", call, outcome });
    const answer = { ok: true, data: {} } as const;
    play.after(10).submit({ type: "signal", stage: "a", wait: null, answer, by: "key:k1" });
    play.after(60_000).tick();
    const [, later, a, b] = spansOf(play.state, play.log);
    expect(later).toMatchObject({ kind: "client", error: null });
    expect((later?.ended ?? 0) - (later?.began ?? 0)).toBe(105);
    expect(a).toMatchObject({
      name: "wait a",
      kind: "internal",
      error: null,
      attributes: { "coordinator.stage": "a", "coordinator.answered_by": "key" },
    });
    expect((a?.ended ?? 0) - (a?.began ?? 0)).toBe(10);
    expect(b).toMatchObject({ name: "wait b", error: "timeout" });
    expect(eventFields(play.of("stage.waiting").at(-1) as LifecycleEvent, play.state.spec)).toMatchObject({
      event: "stage.waiting",
      stage: "b",
      reason: "wait",
    });
  });

  test("that failed says why, in the root too, and one without a trace has no spans", async () => {
    const stage = makeStage("one", { retry_attempts: 2 });
    const failing = await ran([stage], { one: [10, 10, 10] }, { fields: { traceparent } });
    const [root, ...tries] = spansOf(failing.state, failing.bench.log);
    expect(root).toMatchObject({
      parent_span_id: "b7ad6b7169203331",
      attributes: { "error.type": "AGENT_UNAVAILABLE", "coordinator.status": "failed" },
    });
    expect(root?.error).toContain("one");
    expect(tries.map(({ attributes }) => attributes["coordinator.attempt"])).toEqual([1, 2]);
    const without = await ran([stage], { one: 1 });
    expect(spansOf(without.state, without.bench.log)).toEqual([]);
  });
});
