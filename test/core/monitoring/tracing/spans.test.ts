// The spans of runs that did not go straight.
import { describe, expect, test } from "vitest";
import { spansJson } from "../../../../src/adapters/outbound/otlp-encode.ts";
import type { LifecycleEvent } from "../../../../src/contract/event.ts";
import type { WaitStage } from "../../../../src/contract/stage.ts";
import { eventFields } from "../../../../src/core/monitoring/log-line.ts";
import { Play } from "../../rules/play.ts";
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
      model: "large",
      provider: "acme",
    };
    const bench = new Bench(async () => ({ ok: true, answer: { data: {}, usage }, bytes: 2 }));
    const spec = makeSpec([makeStage("a")], {}, { traceparent });
    const url = "https://llm.example/v1";
    const agent_a = { url, protocol: "openai" as const, options: { model: "small" } };
    await (await bench.start({ ...spec, agents: { agent_a } })).until();
    const [, call] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    expect(call?.attributes).toMatchObject({
      "server.address": "llm.example",
      "server.port": 443,
      // What the agent has said counts more than what it was asked for.
      "gen_ai.request.model": "large",
      "gen_ai.provider.name": "acme",
      "gen_ai.usage.input_tokens": 1,
      "gen_ai.usage.reasoning.output_tokens": 2,
      "gen_ai.usage.cache_read.input_tokens": 3,
    });
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
