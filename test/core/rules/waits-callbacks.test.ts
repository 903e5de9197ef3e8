// What src/contract/README.md section 10 says of agents that answer later.
import { describe, expect, test } from "vitest";
import type { CallEnding } from "../../../src/core/execution/command.ts";
import { isAtRest, stageOf } from "../../../src/core/execution/state.ts";
import { asks, later, ok, Play, side, stage, status } from "./play.ts";

const done = (data: Record<string, unknown>, more: object = {}) => ok(data, more) as CallEnding;
const failed = (code: number, more: object = {}): CallEnding => ({ ok: false, failure: status(code, more) });
const callOf = (play: Play, name: string) => stageOf(play.state, name).call;

describe("the 202", () => {
  test("The try is the agent's from then on: stage.waiting, no call in flight, the same attempt.", () => {
    const play = new Play([later("slow")]).after(40).accept("slow", "https://agents.example/jobs/7");
    expect(play.of("stage.waiting")).toMatchObject([
      {
        attempt: 1,
        data: { reason: "callback", expires_at: new Date(play.now + 600_000).toISOString() },
        internal: { location: "https://agents.example/jobs/7" },
      },
    ]);
    expect(Object.keys(play.of("stage.waiting")[0]?.data ?? {})).toEqual(["reason", "expires_at"]);
    expect([play.status, play.calls, isAtRest(play.state)]).toEqual(["waiting", [], true]);
    expect(play.result("slow")).toMatchObject({ status: "waiting", attempts: 1, agent_type: "agent_slow" });
    expect(stageOf(play.state, "slow").wait).toMatchObject({ location: "https://agents.example/jobs/7" });
  });

  test("With heartbeat_seconds the first silence counts, and never beyond the whole time.", () => {
    const play = new Play([later("a", { heartbeat_seconds: 10 }), later("b", { heartbeat_seconds: 900 })]);
    expect(play.accept("a").waitsFor("a")).toBe(10_000);
    expect(play.accept("b").waitsFor("b")).toBe(600_000);
  });

  test("It takes no place: an exclusive stage gives its up, and the next begins.", () => {
    const play = new Play([later("slow"), stage("next")]);
    expect(play.calls).toEqual(["slow"]);
    expect(play.accept("slow").calls).toEqual(["next"]);
  });

  test("A crash does not call again (I4), and before the 202 it does.", () => {
    const play = new Play([later("slow")]).accept("slow").crash().crash();
    expect([play.of("stage.started").length, play.of("execution.recovered").length]).toEqual([1, 0]);
    expect(play.callback("slow").status).toBe("completed");
    expect(new Play([later("slow")]).crash().of("stage.started")).toHaveLength(2);
  });

  test("The clock of the execution is stopped until the callback.", () => {
    const play = new Play([later("slow", { callback_timeout_seconds: 86_400 })], {
      pipeline_timeout_seconds: 100,
    });
    play.after(10_000).accept("slow").after(50_000_000).callback("slow");
    expect(play.status).toBe("completed");
    expect(play.state.pausedSpans).toEqual([[play.began + 10_000, play.now]]);
  });

  test("One that comes twice is stale.", () => {
    const play = new Play([later("slow")]).accept("slow").accept("slow");
    expect(play.refusal).toEqual({ reason: "stale" });
  });
});

describe("the callback", () => {
  test("It ends the stage as an answer would: data, context, usage; the agent was at work until then.", () => {
    const play = new Play([later("slow")]).after(5).accept("slow").after(1_000);
    play.callback("slow", done({ n: 1 }, { context: { seen: 1 }, usage: { tokens: 3 } }));
    expect(play.view).toMatchObject({ status: "completed", context_data: { seen: 1 }, usage: { tokens: 3 } });
    expect(play.result("slow")).toMatchObject({
      data: { n: 1 },
      attempts: 1,
      answered_by: null,
      duration_ms: 1_005,
    });
    expect(play.view.performance_metrics.stage_ms).toEqual({ slow: 1_005 });
  });

  test("One before the 202 is valid, and the late 202 is stale.", () => {
    const play = new Play([later("slow"), stage("next", { depends_on: ["slow"] })]);
    const call = callOf(play, "slow");
    play.callback("slow");
    expect([play.refusal, play.calls]).toEqual([null, ["next"]]);
    const late = {
      type: "answer",
      stage: "slow",
      call,
      outcome: { ok: "later" },
      began_at: 0,
      chance: 0,
    } as const;
    expect(play.submit(late).refusal).toEqual({ reason: "stale" });
    expect(play.result("slow").status).toBe("completed");
  });

  test.each([
    ["the same", done({ n: 1 }), "repeated"],
    ["another one", done({ n: 2 }), "unanswerable"],
    ["a failure", failed(500), "unanswerable"],
  ] as const)("A second one is refused, or the same: %s.", (_what, again, reason) => {
    const play = new Play([later("slow"), stage("next", { depends_on: ["slow"] })]).accept("slow");
    play.callback("slow", done({ n: 1 }));
    expect(play.callback("slow", again).refusal).toMatchObject({ reason, stage: "slow" });
    expect(play.crash().callback("slow", again).refusal).toMatchObject({ reason });
    expect(play.cancel().callback("slow", again).refusal).toMatchObject({ reason });
  });

  test("What the coordinator adds to the same failure makes it no other one.", () => {
    const play = new Play([later("slow"), stage("b")]).accept("slow");
    play.callback("slow", { ...failed(503), budget_wait_ms: 5 } as CallEnding, 2);
    expect(play.callback("slow", failed(503), 2).refusal).toMatchObject({ reason: "repeated" });
  });

  test("A failure that may be retried leads to another try, under a new call; the old one's callback is refused.", () => {
    const play = new Play([later("slow", { retry_attempts: 2 })], { retry_delay_seconds: 0 }).accept("slow");
    const first = callOf(play, "slow");
    play.callback("slow", failed(503));
    expect([play.types.at(-1), play.status]).toEqual(["stage.started", "running"]);
    expect(play.result("slow").attempts).toBe(2);
    expect(callOf(play, "slow")).not.toBe(first);
    expect(play.callback("slow", done({ n: 1 }), first).refusal).toMatchObject({
      reason: "unanswerable",
      why: "the try that the callback belongs to has ended",
    });
    expect(play.callback("slow", failed(503), first).refusal).toMatchObject({ reason: "repeated" });
    expect(play.accept("slow").callback("slow").status).toBe("completed");
  });

  test("The delay of that try is the same at every replay, and differs between executions.", () => {
    const delayOf = (execution_id: string) =>
      new Play([later("slow")], { retry_delay_seconds: 20 }, { execution_id })
        .accept("slow")
        .callback("slow", failed(503)).delay;
    expect(delayOf("ex_1")).toBe(delayOf("ex_1"));
    expect(new Set(["ex_1", "ex_2", "ex_3"].map(delayOf)).size).toBe(3);
  });

  test("A failure that may not be retried fails the stage, or begins its fallback.", () => {
    const play = new Play([later("slow")]).accept("slow").callback("slow", failed(422));
    expect(play.view.error_info).toMatchObject({ code: "AGENT_PROCESSING_ERROR", retry_attempts: 1 });
    const fallback = { strategy: "use_simple_model", agent_type: "small" } as const;
    const rescued = new Play([later("slow", { fallback })]).accept("slow").callback("slow", failed(422));
    expect(rescued.of("stage.started").map(({ data }) => data.agent_type)).toEqual(["agent_slow", "small"]);
    // The fallback's call may be answered later, too.
    rescued.accept("slow").callback("slow", done({ n: 2 }));
    expect(rescued.result("slow")).toMatchObject({
      data: { n: 2 },
      attempts: 1,
      fallback: { strategy: "use_simple_model" },
    });
  });

  test("A result for which the execution has no room is a failure.", () => {
    const play = new Play([later("slow")], { memory_limit_mb: 0.001 }).accept("slow");
    play.callback("slow", done({ much: "x".repeat(2_000) }));
    expect(play.view.error_info?.code).toBe("RESOURCE_EXHAUSTED");
  });

  test.each<[string, (play: Play) => Play]>([
    ["after the execution's end", (play) => play.cancel()],
    ["after its time", (play) => play.after(600_000)],
    ["after an aborting pause", (play) => play.pause("abort")],
    ["after that and resume", (play) => play.pause("abort").resume()],
  ])("One that comes %s is refused.", (_when, change) => {
    const play = new Play([later("slow")]).accept("slow");
    const call = callOf(play, "slow");
    expect(change(play).callback("slow", done({ n: 1 }), call).refusal?.reason).toBe("unanswerable");
    expect(play.result("slow").data).toBeNull();
  });

  test("The first token is as good where a crash before the 202 has repeated the call.", () => {
    const first = (play: Play) => callOf(play, "slow");
    const repeated = new Play([later("slow")]);
    const call = first(repeated);
    repeated.crash();
    expect(first(repeated)).toBeGreaterThan(call);
    expect(repeated.callback("slow", done({ n: 1 }), call).result("slow").data).toEqual({ n: 1 });
    expect(repeated.result("slow").attempts).toBe(1);
    // Also once the repeated call has its own 202, and where a pause keeps the call from being repeated.
    const accepted = new Play([later("slow")]).crash().accept("slow");
    expect(accepted.callback("slow", done({ n: 2 }), call).result("slow").data).toEqual({ n: 2 });
    const paused = new Play([later("slow")]).pause("drain").crash();
    expect(paused.callback("slow", done({ n: 3 }), call).result("slow")).toMatchObject({
      data: { n: 3 },
      attempts: 1,
    });
  });

  test("It is not after a further try, nor after its fallback has begun.", () => {
    const play = new Play([later("slow", { fallback: "use_cached_results" })]);
    const call = callOf(play, "slow");
    play.crash().fail("slow", { kind: "rejected" }).after(60_000).tick();
    expect(play.callback("slow", done({ n: 1 }), call).refusal?.reason).toBe("unanswerable");
  });

  test("An unknown stage, a question, and a call that never was.", () => {
    const play = new Play([asks("approval"), side("a")]);
    expect(play.callback("unknown", ok() as CallEnding, 3).refusal).toMatchObject({
      reason: "unknown_stage",
    });
    expect(play.callback("approval", ok() as CallEnding, 0).refusal?.reason).toBe("unanswerable");
    expect(play.callback("a", ok() as CallEnding, 99).refusal?.reason).toBe("unanswerable");
    expect(play.submit({ type: "heartbeat", stage: "unknown", call: 1 }).refusal?.reason).toBe(
      "unknown_stage",
    );
  });

  test("During a pause it is kept, and what comes next begins after resume.", () => {
    const play = new Play([later("slow"), stage("next", { depends_on: ["slow"] })])
      .accept("slow")
      .pause("drain");
    play.callback("slow");
    expect([play.refusal, play.status, play.result("slow").status, play.calls]).toEqual([
      null,
      "paused",
      "completed",
      [],
    ]);
    expect(play.resume().calls).toEqual(["next"]);
  });
});

describe("the end without one", () => {
  test("It is a try's timeout: another try, and STAGE_TIMEOUT at the last.", () => {
    const play = new Play([later("slow", { retry_attempts: 2 })], { retry_delay_seconds: 0 }).accept("slow");
    play.after(600_000).tick();
    expect(play.of("stage.retrying")[0]?.data.error).toMatchObject({ code: "STAGE_TIMEOUT" });
    expect(play.calls).toEqual(["slow"]);
    play.accept("slow").after(599_999).tick();
    expect(play.status).toBe("waiting");
    play.after(1).tick();
    expect(play.view.error_info).toMatchObject({ code: "STAGE_TIMEOUT", retry_attempts: 2 });
  });

  test("Heartbeats that stop end it after heartbeat_seconds, as silence.", () => {
    const play = new Play([later("slow", { heartbeat_seconds: 10, retry_attempts: 1 })]).accept("slow");
    play.after(6_000).heartbeat("slow").after(10_999).tick();
    expect(play.status).toBe("waiting");
    expect(play.after(1).tick().result("slow").error).toMatchObject({ code: "STAGE_TIMEOUT" });
    expect(play.result("slow").error?.message).toContain("10000 ms");
  });

  test("During a pause its time passes, and the next try begins after resume.", () => {
    const play = new Play([later("slow")], { retry_delay_seconds: 0 })
      .accept("slow")
      .pause("drain")
      .after(600_000)
      .tick();
    expect([play.types.at(-1), play.status, play.calls]).toEqual(["stage.retrying", "paused", []]);
    expect(play.resume().calls).toEqual(["slow"]);
  });
});

describe("a stage that has left its place", () => {
  test("Its next try needs one again (I10), and waits for the end of another stage.", () => {
    const play = new Play([later("slow"), stage("other")], { retry_delay_seconds: 0 }).accept("slow");
    play.callback("slow", failed(503));
    expect([play.calls, play.status]).toEqual([["other"], "running"]);
    // Its delay wakes no one while there is no place.
    expect(play.wakesIn).toBeGreaterThan(1_000);
    play.tick();
    expect(play.calls).toEqual(["other"]);
    play.answer("other");
    expect(play.calls).toEqual(["slow"]);
    expect(play.result("slow").attempts).toBe(2);
  });

  test("So does its fallback.", () => {
    const fallback = { strategy: "use_simple_model", agent_type: "small" } as const;
    const play = new Play([later("slow", { fallback }), stage("other")])
      .accept("slow")
      .callback("slow", failed(422));
    expect(play.calls).toEqual(["other"]);
    expect(play.answer("other").calls).toEqual(["slow"]);
  });

  test("It goes before what has not begun.", () => {
    const play = new Play([later("slow", { parallel: true }), side("a"), side("b"), side("c")], {
      max_concurrent_stages: 1,
      retry_delay_seconds: 0,
    }).accept("slow");
    play.callback("slow", failed(503));
    expect(play.calls).toEqual(["a"]);
    expect(play.answer("a").calls).toEqual(["slow"]);
  });
});

describe("pause and cancel", () => {
  test("An aborting pause interrupts it: it is called again after resume, under a new call with the same attempt.", () => {
    const play = new Play([later("slow")]).accept("slow", "https://agents.example/jobs/7");
    const first = callOf(play, "slow");
    const before = play.state;
    play.after(1_000).pause("abort");
    // Where its work can be cancelled is in the state before the event.
    expect(stageOf(before, "slow").wait?.location).toBe("https://agents.example/jobs/7");
    expect(stageOf(play.state, "slow").wait).toBeNull();
    expect(play.result("slow")).toMatchObject({ status: "pending", attempts: 0 });
    expect(play.resume().of("stage.started").at(-1)).toMatchObject({
      attempt: 1,
      internal: { repeated: true },
    });
    expect(callOf(play, "slow")).toBeGreaterThan(first);
    expect(play.result("slow").attempts).toBe(1);
  });

  test("A draining pause leaves it to its agent, and the clock is stopped.", () => {
    const play = new Play([later("slow")], { pipeline_timeout_seconds: 100 })
      .after(1_000)
      .accept("slow")
      .pause("drain");
    expect([play.result("slow").status, isAtRest(play.state)]).toEqual(["waiting", true]);
    play.after(500_000).resume();
    expect([play.status, play.left, play.of("stage.started").length]).toEqual(["waiting", 99_000, 1]);
  });

  test("A 202 during a draining pause is taken.", () => {
    const play = new Play([later("slow")]).pause("drain");
    expect(isAtRest(play.state)).toBe(false);
    play.after(10).accept("slow");
    expect([play.refusal, play.status, isAtRest(play.state)]).toEqual([null, "paused", true]);
  });

  test("Cancel ends it, and counts the agent's time.", () => {
    const play = new Play([later("slow")]).accept("slow").after(700).cancel();
    expect(play.result("slow")).toMatchObject({ status: "cancelled", attempts: 1 });
    expect(play.view.performance_metrics.stage_ms).toEqual({ slow: 700 });
  });

  test("A required failure beside it cancels it.", () => {
    const play = new Play([later("slow"), side("a")]).accept("slow");
    play.fail("a", { kind: "unregistered", agent_type: "agent_a" });
    expect(play.result("slow").status).toBe("cancelled");
  });
});

test("A question and an agent that answers later wait beside each other; the first that is over wakes the run.", () => {
  const play = new Play([later("slow"), asks("approval")]).accept("slow");
  expect([play.status, play.wakesIn]).toEqual(["waiting", 60_000]);
  expect(play.say("approval").wakesIn).toBe(600_000);
  expect(play.callback("slow").status).toBe("completed");
});
