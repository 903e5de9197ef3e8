// src/contract/README.md section 2: pause, resume, cancel, and the clock that a pause stops. Each test's name is the
// rule.
import { expect, test } from "vitest";
import { ok, Play, REJECTED, side, stage, status } from "./play.ts";

const NO = status(400);

test("Pause: status is paused at once and no stage starts.", () => {
  const play = new Play([stage("a"), stage("b")]);
  play.pause("drain");
  expect(play.status).toBe("paused");
  play.answer("a").after(1_000).tick();
  expect(play.calls).toEqual([]);
  expect(play.of("stage.started")).toHaveLength(1);
});

test("drain lets those in flight finish and keeps their results.", () => {
  const play = new Play([side("a"), side("b")]);
  play.pause("drain");
  expect(play.calls).toEqual(["a", "b"]);
  expect(play.view.current_stages).toEqual(["a", "b"]);
  play.answer("a", ok({ n: 1 }));
  expect(play.result("a")).toMatchObject({ status: "completed", data: { n: 1 } });
  expect(play.status).toBe("paused");
});

test("A required failure among those that drain ends the execution.", () => {
  const play = new Play([side("a"), side("b")]);
  play.pause("drain").fail("a", NO);
  expect(play.status).toBe("failed");
  expect(play.last.type).toBe("execution.failed");
});

test("A last success stays paused until resume.", () => {
  const play = new Play([stage("a")]);
  play.pause("drain").answer("a");
  expect(play.status).toBe("paused");
  play.after(5_000).resume();
  expect(play.status).toBe("completed");
});

test("abort stops those in flight, to run again after resume.", () => {
  const play = new Play([side("a"), side("b")]);
  const { call } = play.state.stages[0] as { call: number };
  play.pause("abort");
  expect(play.calls).toEqual([]);
  expect(play.view.current_stages).toEqual([]);
  play.submit({ type: "answer", stage: "a", call, outcome: ok(), began_at: play.now, chance: 0 });
  expect(play.refusal).toEqual({ reason: "stale" });
  play.resume();
  expect(play.calls).toEqual(["a", "b"]);
});

test("Pausing twice, cancelling twice: the same state.", () => {
  const play = new Play([stage("a")]);
  play.pause("drain");
  const paused = play.state;
  play.pause("abort");
  expect(play.refusal).toBeNull();
  expect(play.state).toEqual(paused);
  play.cancel();
  const cancelled = play.state;
  play.after(1_000).cancel();
  expect(play.refusal).toBeNull();
  expect(play.state).toBe(cancelled);
});

test("A verb that cannot apply (resume what runs, pause what ended): a conflict that names both.", () => {
  const play = new Play([stage("a")]);
  play.resume();
  expect(play.refusal).toEqual({ reason: "conflict", verb: "resume", status: "running" });
  play.answer("a");
  for (const mode of ["drain", "abort"] as const) {
    play.pause(mode);
    expect(play.refusal).toEqual({ reason: "conflict", verb: "pause", status: "completed" });
  }
  play.cancel();
  expect(play.refusal).toEqual({ reason: "conflict", verb: "cancel", status: "completed" });
});

test("The late answer of a call that a pause has interrupted is not taken for that of the call after it.", () => {
  const run = new Play([stage("one")]);
  const { call } = run.state.stages[0] as { call: number };
  run.pause("abort").resume();
  run.submit({ type: "answer", stage: "one", call, outcome: ok(), began_at: run.now, chance: 0.5 });
  expect(run.refusal).toEqual({ reason: "stale" });
  expect(run.calls).toEqual(["one"]);
});

test("Cancel: in-flight calls are aborted, their late answers are discarded, and execution.cancelled comes once.", () => {
  const play = new Play([side("a"), side("b"), stage("c")]);
  const { call } = play.state.stages[0] as { call: number };
  play.cancel();
  expect(play.calls).toEqual([]);
  play.submit({ type: "answer", stage: "a", call, outcome: ok(), began_at: play.now, chance: 0 });
  play.cancel();
  expect(play.of("execution.cancelled")).toHaveLength(1);
  expect(play.last.type).toBe("execution.cancelled");
  expect(play.view.error_info).toBeNull();
  expect(Object.values(play.view.stage_results).map((result) => result.status)).toEqual([
    "cancelled",
    "cancelled",
    "pending",
  ]);
});

test("A paused execution can be cancelled, and what waited is cancelled with it.", () => {
  const play = new Play([side("a"), side("b")]);
  play.fail("a", REJECTED).pause("abort").cancel();
  expect(play.status).toBe("cancelled");
  expect(play.result("a")).toMatchObject({ status: "cancelled", attempts: 1 });
  expect(play.result("b")).toMatchObject({ status: "cancelled", attempts: 0 });
});

test("pipeline_timeout_seconds bounds the whole.", () => {
  const play = new Play([stage("a"), stage("b")], { pipeline_timeout_seconds: 10 });
  expect(play.wakesIn).toBe(10_000);
  play.after(6_000).answer("a").after(3_999).tick();
  expect(play.status).toBe("running");
  play.after(1).tick();
  expect(play.view).toMatchObject({
    status: "failed",
    error_info: { code: "PIPELINE_TIMEOUT", failed_stage: "b", retry_attempts: 1 },
  });
});

test("The clock is stopped from the moment that a pause has no call in flight any more until resume.", () => {
  const play = new Play([side("a"), side("b"), stage("c")], { pipeline_timeout_seconds: 10 });
  play.pause("drain");
  // A call is in flight: the clock goes on.
  play.after(4_000).answer("a");
  expect(play.wakesIn).toBe(6_000);
  play.after(2_000).answer("b");
  play.after(3_600_000).tick();
  expect(play.status).toBe("paused");
  play.resume();
  expect(play.wakesIn).toBe(4_000);
  play.after(4_000).tick();
  expect(play.view.error_info?.code).toBe("PIPELINE_TIMEOUT");
});

test("While a pause drains the deadline holds.", () => {
  const play = new Play([stage("a")], { pipeline_timeout_seconds: 10 });
  play.pause("drain").after(10_000).tick();
  expect(play.view.error_info?.code).toBe("PIPELINE_TIMEOUT");
});

test("No try begins in between.", () => {
  const play = new Play([stage("a")]);
  play.fail("a", REJECTED, 0.5).pause("drain").after(60_000).tick();
  expect(play.calls).toEqual([]);
  play.resume();
  expect(play.calls).toEqual(["a"]);
  expect(play.of("stage.started").map((event) => event.attempt)).toEqual([1, 2]);
});

test("After max_pause_seconds the execution is cancelled.", () => {
  const play = new Play([stage("a")], { max_pause_seconds: 100 });
  play.pause("abort");
  expect(play.wakesIn).toBe(100_000);
  play.after(99_999).tick();
  expect(play.status).toBe("paused");
  play.after(1).tick();
  expect(play.status).toBe("cancelled");
  expect(play.last.message).toContain("100 s");
});

test("A second pause has its own max_pause_seconds.", () => {
  const play = new Play([stage("a")], { max_pause_seconds: 100 });
  play.pause("abort").after(90_000).resume().pause("abort").after(90_000).tick();
  expect(play.status).toBe("paused");
});
