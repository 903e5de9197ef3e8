// src/contract/README.md section 2: what PipelineExecution and StageResult say. Each test's name is the rule.
import { expect, test } from "vitest";
import { PipelineExecution } from "../../../src/contract/execution.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import { ok, Play, REJECTED, side, stage, status } from "./play.ts";

test("Every stage of the pipeline is in stage_results from the start.", () => {
  const play = new Play([stage("a"), stage("b"), stage("c", { depends_on: ["b"] })]);
  expect(Object.keys(play.view.stage_results)).toEqual(["a", "b", "c"]);
  expect(play.result("c")).toEqual({
    stage: "c",
    agent_type: "agent_c",
    status: "pending",
    attempts: 0,
    start_time: null,
    end_time: null,
    duration_ms: null,
    data: null,
    error: null,
    cached: false,
    fallback: null,
    skip_reason: null,
    usage: null,
    answered_by: null,
    reused_from: null,
  });
});

test("A PipelineExecution is what its schema says, running and ended.", () => {
  const play = new Play([stage("a")]);
  expect(PipelineExecution.parse(play.view)).toEqual(play.view);
  play.after(10).answer("a");
  expect(PipelineExecution.parse(play.view)).toEqual(play.view);
  expect(play.view).toMatchObject({
    status: "completed",
    duration_ms: 10,
    current_stage: null,
    current_stages: [],
  });
});

test("final_result is the data of the last stage.", () => {
  const play = new Play([stage("a"), stage("b", { depends_on: ["a"] })]);
  play.answer("a", ok({ n: 1 }));
  expect(play.view.final_result).toBeNull();
  play.answer("b", ok({ n: 2 }));
  expect(play.view.final_result).toEqual({ n: 2 });
});

test("Of several sinks, final_result is an object by stage name.", () => {
  const play = new Play([side("a"), side("b"), side("c", { required: false })]);
  play
    .answer("a", ok({ n: 1 }))
    .answer("b", ok({ n: 2 }))
    .fail("c", status(400));
  expect(play.view.final_result).toEqual({ a: { n: 1 }, b: { n: 2 }, c: null });
});

test("An agent's context is merged into context_data.", () => {
  const play = new Play([stage("a"), stage("b")], {}, { context: { kept: 1, changed: 1 } });
  play.answer("a", ok({}, { context: { changed: 2, added: { deep: true } } }));
  expect(play.view.context_data).toEqual({ kept: 1, changed: 2, added: { deep: true } });
});

test("usage is summed over the stages.", () => {
  const play = new Play([side("a"), side("b")]);
  play.answer("a", ok({}, { usage: { tokens: 3, model: "small" } }));
  play.answer("b", ok({}, { usage: { tokens: 4, cost: 0.5 } }));
  expect(play.view.usage).toEqual({ tokens: 7, cost: 0.5 });
  expect(play.result("a").usage).toEqual({ tokens: 3, model: "small" });
});

test("current_stages names the stages at work, also those that wait between tries, in definition order.", () => {
  const play = new Play([side("a"), side("b"), side("c", { depends_on: ["a"] })]);
  play.fail("b", REJECTED);
  expect(play.view.current_stages).toEqual(["a", "b"]);
  expect(play.view.current_stage).toBe("a");
  play.answer("a");
  expect(play.view.current_stages).toEqual(["b", "c"]);
});

test("duration_ms has the pauses in it.", () => {
  const play = new Play([stage("a")]);
  play.pause("abort").after(5_000).resume().after(10).answer("a");
  expect(play.view.duration_ms).toBe(5_010);
});

test("The critical path is the chain of stages that determined the end, and its time excludes waits.", () => {
  const play = new Play([
    side("quick"),
    side("slow"),
    side("after_quick", { depends_on: ["quick"] }),
    side("last", { depends_on: ["slow", "after_quick"] }),
  ]);
  play.after(10).answer("quick").after(30).fail("slow", REJECTED, 0.5);
  // 500 ms of waiting, which are nobody's work.
  play.after(500).tick();
  play.after(60).answer("slow").after(10).answer("after_quick").after(5).answer("last");
  expect(play.view.performance_metrics).toMatchObject({
    critical_path: ["quick", "after_quick", "last"],
    critical_path_ms: 10 + 600 + 5,
    critical_path_links: [
      { kind: "stage", stage: "quick", ms: 10 },
      { kind: "stage", stage: "after_quick", ms: 600 },
      { kind: "stage", stage: "last", ms: 5 },
    ],
    stage_ms: { quick: 10, slow: 100, after_quick: 600, last: 5 },
    retries: 1,
  });
});

test("overhead_ms is the time in which no agent was at work, no retry waited and no pause stood.", () => {
  const play = new Play([side("a"), side("b")]);
  const { call } = play.state.stages[0] as { call: number };
  // Sent 7 ms after it was to be.
  play.submit({ type: "pause", mode: "drain" });
  play
    .after(107)
    .submit({ type: "answer", stage: "a", call, outcome: ok(), began_at: play.began + 7, chance: 0 });
  const other = play.state.stages[1] as { call: number };
  play.submit({
    type: "answer",
    stage: "b",
    call: other.call,
    outcome: ok(),
    began_at: play.began + 7,
    chance: 0,
  });
  play.after(10_000).resume();
  expect(play.view).toMatchObject({ status: "completed", duration_ms: 10_107 });
  expect(play.view.performance_metrics.overhead_ms).toBe(7);
});

test("A pause that a cancel ends, and a call that it cuts, are not the coordinator's overhead.", () => {
  const paused = new Play([stage("a")]);
  paused.pause("abort").after(60_000).cancel();
  expect(paused.view.performance_metrics.overhead_ms).toBe(0);
  const cut = new Play([stage("a")]);
  cut.after(60_000).cancel();
  expect(cut.view.performance_metrics).toMatchObject({ overhead_ms: 0, stage_ms: { a: 60_000 } });
});

test("RESOURCE_EXHAUSTED with the limit and the value: memory_limit_mb bounds one execution's context.", () => {
  const play = new Play([stage("a")], { memory_limit_mb: 0.001 }, { context: { note: "ü".repeat(400) } });
  play.answer("a", { ok: true, answer: { data: {} }, bytes: 300 });
  expect(play.view.error_info?.code).toBe("RESOURCE_EXHAUSTED");
  expect(play.view.error_info?.message).toMatch(/1111 bytes.*1048/);
});

test("A context of more than 40,000 members is refused: expressions list them all at once.", () => {
  const members = (letter: string) =>
    Object.fromEntries(Array.from({ length: LIMITS.MEMBERS * 0.6 }, (_, at) => [`${letter}${at}`, 1]));
  const play = new Play([stage("a"), stage("b", { retry_attempts: 1 })]);
  play.answer("a", ok({}, { context: members("a") })).answer("b", ok({}, { context: members("b") }));
  expect(play.view.error_info?.message).toContain("/context would have more than 40000 members");
  expect(play.result("a").status).toBe("completed");
});

test("Sums of usage stay finite.", () => {
  const play = new Play([side("a"), side("b")]);
  play.answer("a", ok({}, { usage: { cost: 1.5e308, tokens: 3 } }));
  play.answer("b", ok({}, { usage: { cost: 1.5e308, tokens: 3 } }));
  expect(JSON.parse(JSON.stringify(play.view.usage))).toEqual({ cost: Number.MAX_VALUE, tokens: 6 });
});

test("A context key that is overwritten counts once against memory_limit_mb.", () => {
  const limit = { memory_limit_mb: 0.001 };
  const writes = (key: string) => {
    const context = { [key]: "漢".repeat(200) };
    const bytes = Buffer.byteLength(JSON.stringify({})) + Buffer.byteLength(JSON.stringify(context));
    return { ok: true, answer: { data: {}, context }, bytes } as const;
  };
  const chain = ["a", "b", "c", "d"].map((name) => stage(name));
  const once = new Play(chain, limit, { context: { k: "ü".repeat(200) } });
  for (const { name } of chain) once.answer(name, writes("k"));
  expect(once.status).toBe("completed");
  // What it holds, but for a brace or a comma an answer.
  const exact = Buffer.byteLength(JSON.stringify(once.view.context_data)) + chain.length * 2;
  expect(Math.abs(once.state.context_bytes - exact)).toBeLessThanOrEqual(chain.length);
  expect(replay(once.log)?.context_bytes).toBe(once.state.context_bytes);
  const each = new Play(chain, limit, { context: { k: "ü".repeat(200) } });
  each.answer("a", writes("other")).answer("b", writes("third"));
  expect(each.view.error_info?.code).toBe("RESOURCE_EXHAUSTED");
});

test("A log that counted an overwritten key twice folds as it did.", () => {
  const play = new Play([stage("a"), stage("b")], {}, { context: { k: 1 } });
  play.answer("a", ok({}, { context: { k: 2 } }));
  const log = play.log.map((event) =>
    event.type === "stage.completed" ? { ...event, internal: { ...event.internal, bytes: 1_000 } } : event,
  );
  expect(replay(log)?.context_bytes).toBe(7 + 1_000);
});

test("Above 256 KiB the terminal event is without stage data, final_result and context_data, and says truncated; the execution has them.", () => {
  const play = new Play([stage("a")]);
  const data = { text: "ü".repeat(LIMITS.TERMINAL_EVENT_BYTES / 2) };
  play.answer("a", ok(data, { context: { seen: 1 }, usage: { tokens: 3 } }));
  expect(play.last.data).toMatchObject({
    truncated: true,
    status: "completed",
    final_result: null,
    context_data: {},
    usage: {},
  });
  expect(play.of("execution.completed")[0]?.data.stage_results["a"]).toMatchObject({
    data: null,
    usage: null,
    attempts: 1,
  });
  expect(play.view.final_result).toEqual(data);
  const small = new Play([stage("a")]);
  small.answer("a", ok({ text: "x".repeat(LIMITS.TERMINAL_EVENT_BYTES / 4) }));
  expect(small.last.data).not.toHaveProperty("truncated");
});

test("What only the log keeps is not in what readers get.", async () => {
  const { wireJson } = await import("../../../src/core/execution/log-event.ts");
  const play = new Play([stage("a")], {}, { context: { secret: "s3cret" } });
  play.fail("a", REJECTED, 0).tick().crash();
  expect(play.log.filter((event) => event.internal !== undefined).length).toBeGreaterThan(2);
  for (const event of play.log) {
    expect(wireJson(event)).not.toContain("internal");
    expect(wireJson(event)).not.toContain("s3cret");
  }
});
