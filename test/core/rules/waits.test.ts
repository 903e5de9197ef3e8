// What src/contract/README.md section 10 says of stages that ask: the question, its time, and the clock of the execution.
// The answers are in waits-answers.test.ts, the agents that answer later in waits-callbacks.test.ts.
import { describe, expect, test } from "vitest";
import { nextAlarm } from "../../../src/core/execution/alarm/next-alarm.ts";
import { isAtRest, stageOf } from "../../../src/core/execution/state.ts";
import { asks, NO, ok, Play, REJECTED, side, stage, YES } from "./play.ts";

const DAY = 86_400_000;

describe("the question", () => {
  test("A stage that asks shows its prompt, its schema and when its time is over; it makes no try.", () => {
    const schema = { type: "object", required: ["approved"] };
    const prompt = "{'question': query, 'draft': results.draft.said}";
    const play = new Play([
      stage("draft"),
      asks("approval", { prompt, schema }, { depends_on: ["draft"] }),
    ]).answer("draft");
    expect(play.of("stage.waiting")).toMatchObject([
      {
        stage: "approval",
        status: "waiting",
        attempt: 0,
        data: {
          reason: "wait",
          prompt: { question: "What are the benefits of renewable energy?", draft: "yes" },
          schema,
          expires_at: new Date(play.now + 60_000).toISOString(),
        },
      },
    ]);
    expect(play.result("approval")).toMatchObject({ status: "waiting", attempts: 0, agent_type: null });
    expect(play.view).toMatchObject({ status: "waiting", current_stage: "approval" });
    expect(stageOf(play.state, "approval").wait).toMatchObject({ seq: 4, reason: "wait", location: null });
  });

  test("Without a prompt and a schema the question is empty, and any object answers it.", () => {
    const play = new Play([asks("approval")], { memory_limit_mb: 0.000_001 });
    expect(play.of("stage.waiting")[0]?.data).toMatchObject({ prompt: {}, schema: null });
    expect(new Play([asks("approval")]).say("approval", { ok: true, data: {} }).status).toBe("completed");
  });

  test.each([
    ["cannot be evaluated", "{'x': 1 / 0}", "INVALID_PIPELINE_CONFIG"],
    ["gives no object", "context.n", "INVALID_PIPELINE_CONFIG"],
    ["gives a list", "context.list", "INVALID_PIPELINE_CONFIG"],
    ["is beyond 64 KiB", "{'a': context.much, 'b': context.much}", "RESOURCE_EXHAUSTED"],
  ])("A prompt that %s fails its stage, or begins its fallback.", (_why, prompt, code) => {
    const context = { n: 1, list: [1], much: "x".repeat(40_000) };
    const play = new Play([asks("approval", { prompt })], {}, { context });
    expect(play.types.slice(1)).toEqual(["stage.failed", "execution.failed"]);
    expect(play.result("approval").error).toMatchObject({ code, retryable: false });
    const fallback = { strategy: "use_default", data: { approved: false } } as const;
    const rescued = new Play([asks("approval", { prompt }, { fallback })], {}, { context });
    expect(rescued.types.slice(1)).toEqual(["stage.fallback", "stage.completed", "execution.completed"]);
    expect(rescued.result("approval")).toMatchObject({ data: { approved: false }, answered_by: null });
  });

  test("A prompt that would make the execution too large fails its stage.", () => {
    const play = new Play([asks("approval", { prompt: "{'question': query}" })], {
      memory_limit_mb: 0.000_01,
    });
    expect(play.result("approval").error?.code).toBe("RESOURCE_EXHAUSTED");
  });

  test("A false condition skips it without asking, and one that cannot be evaluated fails it.", () => {
    const skipped = new Play([asks("approval", {}, { when: "false" })]);
    expect(skipped.result("approval")).toMatchObject({ status: "skipped", answered_by: null });
    const failed = new Play([asks("approval", {}, { when: "1 / 0 == 1" })]);
    expect(failed.types.slice(1)).toEqual(["stage.failed", "execution.failed"]);
  });
});

describe("its place", () => {
  test("A waiting stage takes no place among max_concurrent_stages, and one that is full does not keep it from asking.", () => {
    const play = new Play([side("a"), side("b"), asks("first"), asks("second"), side("c")], {
      max_concurrent_stages: 2,
    });
    expect(play.calls).toEqual(["a", "b"]);
    expect(play.view.current_stages).toEqual(["a", "b", "first", "second"]);
    expect(play.answer("a").calls).toEqual(["b", "c"]);
  });

  test("It is never exclusive: exclusive stages run beside it, and it asks beside them.", () => {
    const play = new Play([asks("approval"), stage("a"), stage("b")], { enable_parallel_execution: false });
    expect(play.view.current_stages).toEqual(["approval", "a"]);
    expect(play.answer("a").view.current_stages).toEqual(["approval", "b"]);
    const after = new Play([stage("a"), stage("b"), asks("approval", {}, { depends_on: ["a"] })]).answer("a");
    expect(after.view.current_stages).toEqual(["b", "approval"]);
  });

  test("It holds up its dependants alone.", () => {
    const play = new Play([asks("approval"), side("after", { depends_on: ["approval"] }), side("other")]);
    expect(play.calls).toEqual(["other"]);
    expect(play.say("approval").calls).toEqual(["after", "other"]);
  });
});

describe("its time", () => {
  test("on_timeout fail: STAGE_TIMEOUT at the very millisecond, and the execution fails with it.", () => {
    const play = new Play([asks("approval")]).after(59_999).tick();
    expect(play.status).toBe("waiting");
    play.after(1).tick();
    expect(play.types.slice(2)).toEqual(["stage.failed", "execution.failed"]);
    expect(play.result("approval")).toMatchObject({
      status: "failed",
      attempts: 0,
      error: { code: "STAGE_TIMEOUT", retryable: false },
      answered_by: "timeout",
    });
    expect(play.view.error_info).toMatchObject({
      code: "STAGE_TIMEOUT",
      failed_stage: "approval",
      retry_attempts: 0,
    });
  });

  test("on_timeout fail of an optional one: its dependants get null.", () => {
    const stages = [asks("approval", {}, { required: false }), stage("after", { depends_on: ["approval"] })];
    const play = new Play(stages).after(60_000).tick();
    expect(play.result("approval").status).toBe("failed");
    expect(play.calls).toEqual(["after"]);
  });

  test("on_timeout fail with a fallback: its default is given, and no person has answered.", () => {
    const fallback = { strategy: "use_default", data: { approved: false } } as const;
    const play = new Play([asks("approval", {}, { fallback })]).after(60_000).tick();
    expect(play.types.slice(2)).toEqual(["stage.fallback", "stage.completed", "execution.completed"]);
    expect(play.result("approval")).toMatchObject({
      data: { approved: false },
      answered_by: "timeout",
      fallback: { strategy: "use_default" },
    });
  });

  test("on_timeout skip: the stage is skipped, and its dependants go on.", () => {
    const stages = [asks("approval", { on_timeout: "skip" }), stage("after", { depends_on: ["approval"] })];
    const play = new Play(stages).after(60_000).tick();
    expect(play.of("stage.skipped")[0]?.data.reason).toBe("no answer within 60 s");
    expect(play.result("approval")).toMatchObject({ status: "skipped", data: null, answered_by: "timeout" });
    expect(play.result("approval").duration_ms).toBe(60_000);
    expect(play.calls).toEqual(["after"]);
  });

  test("on_timeout data: the stage completes with it.", () => {
    const play = new Play([asks("approval", { on_timeout: { data: { approved: false } } })]);
    play.after(60_000).tick();
    expect(play.status).toBe("completed");
    expect(play.result("approval")).toMatchObject({ data: { approved: false }, answered_by: "timeout" });
    expect(play.view.final_result).toEqual({ approved: false });
  });

  test("Data of on_timeout for which the execution has no room left fail the stage.", () => {
    const on_timeout = { data: { much: "x".repeat(2_000) } };
    const play = new Play([asks("approval", { on_timeout })], { memory_limit_mb: 0.001 })
      .after(60_000)
      .tick();
    expect(play.result("approval")).toMatchObject({ status: "failed", error: { code: "STAGE_TIMEOUT" } });
  });

  test("It passes while the execution is paused: what is skipped or given then is kept, a required failure ends it.", () => {
    const stages = [asks("approval", { on_timeout: "skip" }), stage("after", { depends_on: ["approval"] })];
    const play = new Play(stages).pause("abort").after(60_000).tick();
    expect(play.status).toBe("paused");
    expect(play.result("approval").status).toBe("skipped");
    expect(play.calls).toEqual([]);
    expect(play.resume().calls).toEqual(["after"]);
    expect(new Play([asks("approval")]).pause("drain").after(60_000).tick().status).toBe("failed");
  });

  test("Where a pause has lasted too long at that millisecond, the execution is cancelled.", () => {
    const play = new Play([asks("approval", { on_timeout: "skip" })], { max_pause_seconds: 60 });
    play.pause("drain").after(60_000).tick();
    expect(play.types.slice(2)).toEqual(["execution.paused", "stage.cancelled", "execution.cancelled"]);
    expect(play.result("approval")).toMatchObject({ status: "cancelled", answered_by: null });
  });

  test("Where the execution's time is over at that millisecond, it ends with PIPELINE_TIMEOUT.", () => {
    const play = new Play([asks("approval"), side("a")], { pipeline_timeout_seconds: 60 })
      .after(60_000)
      .tick();
    expect(play.view.error_info).toMatchObject({ code: "PIPELINE_TIMEOUT", failed_stage: "a" });
    expect(play.result("approval").status).toBe("cancelled");
  });

  test("Any command that comes then finds it over: a pause takes nothing back.", () => {
    const stages = [asks("approval", { on_timeout: "skip" }), stage("after", { depends_on: ["approval"] })];
    const play = new Play(stages).after(60_000).pause("drain");
    expect(play.types.slice(2)).toEqual(["stage.skipped", "stage.started", "execution.paused"]);
  });
});

describe("the execution", () => {
  test("Its status is waiting exactly while nothing else is in flight or due.", () => {
    const play = new Play([asks("approval"), side("a", { retry_attempts: 2 })], { retry_delay_seconds: 10 });
    expect(play.status).toBe("running");
    play.fail("a", REJECTED);
    expect([play.delay, play.status]).toEqual([5_000, "running"]);
    play.after(5_000).tick();
    expect([play.calls, play.status]).toEqual([["a"], "running"]);
    play.answer("a");
    expect([play.status, isAtRest(play.state)]).toEqual(["waiting", true]);
    play.say("approval");
    expect(play.status).toBe("completed");
  });

  test("An answer makes it run where something may begin, and leaves it waiting where another question is open.", () => {
    const play = new Play([asks("one"), asks("two"), side("after", { depends_on: ["one"] })]);
    expect(play.say("one").status).toBe("running");
    expect(play.answer("after").status).toBe("waiting");
    expect(play.say("two").status).toBe("completed");
  });

  test("Its clock is stopped while it waits, and any number of days later it goes on at once.", () => {
    const stages = [
      asks("approval", { timeout_seconds: 2_592_000 }),
      stage("after", { depends_on: ["approval"] }),
    ];
    const play = new Play(stages, { pipeline_timeout_seconds: 100 });
    play.after(29 * DAY).say("approval");
    expect([play.status, play.calls, play.left]).toEqual(["running", ["after"], 100_000]);
    expect(play.after(99_999).tick().status).toBe("running");
    expect(play.after(1).tick().view.error_info?.code).toBe("PIPELINE_TIMEOUT");
  });

  test("Where it waits and calls at once, only the time in which it did nothing but wait is given back.", () => {
    const play = new Play([asks("approval"), side("a"), stage("after", { depends_on: ["approval"] })], {
      pipeline_timeout_seconds: 100,
    });
    play.after(30_000).answer("a");
    expect([play.status, play.left]).toEqual(["waiting", 70_000]);
    play.after(20_000).say("approval");
    expect([play.status, play.left]).toEqual(["running", 70_000]);
    expect(play.view.status).toBe("running");
    expect(play.after(10_000).answer("after").state.pausedSpans).toEqual([
      [play.began + 30_000, play.began + 50_000],
    ]);
  });

  test("Time in which nothing but a question was open is no overhead, and shown as a wait on the critical path.", () => {
    const play = new Play([asks("approval"), stage("after", { depends_on: ["approval"] })]);
    play.after(7_000).say("approval").after(50).answer("after");
    const { critical_path_links, overhead_ms, critical_path_ms, stage_ms } = play.view.performance_metrics;
    expect([overhead_ms, critical_path_ms, stage_ms]).toEqual([0, 50, { after: 50 }]);
    expect(critical_path_links).toContainEqual({ kind: "wait", stage: "approval", ms: 7_000 });
  });

  test("It may be paused and resumed while it waits: its clock has not moved, and the question is the same.", () => {
    const play = new Play([asks("approval", { timeout_seconds: 86_400 })], { pipeline_timeout_seconds: 100 });
    play.after(1_000).pause("abort");
    expect([play.status, play.result("approval").status]).toEqual(["paused", "waiting"]);
    play.after(1_000).resume();
    expect([play.status, play.left, play.of("stage.waiting").length]).toEqual(["waiting", 100_000, 1]);
    expect(play.resume().refusal).toMatchObject({ reason: "conflict", verb: "resume", status: "waiting" });
    expect(play.after(DAY - 2_001).say("approval").status).toBe("completed");
  });

  test("An answer during a pause ends its stage; what comes next begins after resume.", () => {
    const play = new Play([asks("approval"), stage("after", { depends_on: ["approval"] })]).pause("drain");
    play.say("approval");
    expect([play.status, play.result("approval").status, play.calls]).toEqual(["paused", "completed", []]);
    expect(play.resume().calls).toEqual(["after"]);
  });

  test("No question is asked during a pause.", () => {
    const play = new Play([stage("a"), asks("approval", {}, { depends_on: ["a"] })])
      .pause("drain")
      .answer("a");
    expect(play.of("stage.waiting")).toEqual([]);
    expect(play.resume().status).toBe("waiting");
  });

  test("After max_pause_seconds it is cancelled, also where it waits.", () => {
    const play = new Play([asks("approval", { timeout_seconds: 86_400 })], { max_pause_seconds: 100 });
    play.after(500).pause("drain").after(99_999).tick();
    expect(play.status).toBe("paused");
    expect(play.after(1).tick().status).toBe("cancelled");
  });

  test("Cancel ends it, and its question with it.", () => {
    const play = new Play([asks("approval")]).after(5).cancel();
    expect(play.types.slice(2)).toEqual(["stage.cancelled", "execution.cancelled"]);
    expect(play.result("approval")).toMatchObject({ status: "cancelled", duration_ms: 5, answered_by: null });
    expect(play.view.duration_ms).toBe(5);
  });

  test("A crash while it waits leaves no trace: nothing was lost.", () => {
    const play = new Play([asks("approval"), stage("after", { depends_on: ["approval"] })]);
    const before = play.log.length;
    play.after(1_000).crash();
    expect([play.log.length, play.status]).toEqual([before, "waiting"]);
    expect(play.say("approval").calls).toEqual(["after"]);
    const off = new Play([asks("approval")], { enable_state_recovery: false }).crash();
    expect(off.status).toBe("waiting");
  });

  test("A crash in which its time has passed ends the question.", () => {
    expect(new Play([asks("approval", { on_timeout: "skip" })]).after(60_000).crash().status).toBe(
      "completed",
    );
  });

  test("A question that is the last stage gives the execution its final result.", () => {
    const play = new Play([stage("draft"), asks("approval", {}, { depends_on: ["draft"] })]);
    play.answer("draft").say("approval");
    expect(play.view).toMatchObject({
      status: "completed",
      final_result: { approved: true },
      final_stages: ["approval"],
    });
    expect(play.last.internal).toMatchObject({ repeats: { stages: { approval: 5 }, final: 5 } });
  });

  test("A failure by a person fails it with AGENT_PROCESSING_ERROR and their words.", () => {
    const play = new Play([asks("approval")]).say("approval", NO);
    expect(play.view.error_info).toMatchObject({ code: "AGENT_PROCESSING_ERROR", failed_stage: "approval" });
    expect(play.result("approval")).toMatchObject({
      error: { message: "not like this" },
      answered_by: "key:1",
    });
  });
});

describe("its alarm", () => {
  const facts = {
    now: 0,
    set: null,
    isAsLeft: false,
    isHandled: false,
    blockedUntil: null,
    isBusy: false,
    needsHandler: false,
    reports: "none",
  } as const;

  test("At rest it is exactly when the first wait is over, nothing sooner; a pause adds its own end.", () => {
    const play = new Play([asks("one", { timeout_seconds: 90 }), asks("two", { timeout_seconds: 30 })], {
      pipeline_timeout_seconds: 1,
      max_pause_seconds: 10,
    });
    expect(nextAlarm(play.state, facts)).toBe(play.began + 30_000);
    play.after(100).say("two");
    expect(nextAlarm(play.state, facts)).toBe(play.began + 90_000);
    play.pause("drain");
    expect(nextAlarm(play.state, facts)).toBe(play.began + 10_100);
  });

  test("One that an earlier instance left is not set again.", () => {
    const play = new Play([asks("one")]).crash();
    expect(nextAlarm(play.state, { ...facts, isAsLeft: true })).toBeNull();
  });

  test("Where calls are in flight beside it, the deadline counts, too.", () => {
    const play = new Play([asks("one"), side("a")], { pipeline_timeout_seconds: 5 });
    expect(play.wakesIn).toBe(5_000);
    expect(play.answer("a", ok()).wakesIn).toBe(60_000);
    expect(play.say("one", YES).wakesIn).toBeNull();
  });
});
