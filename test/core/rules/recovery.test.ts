// src/contract/README.md section 2, and its rules of recovery: what a crash may cost and what it may not. Each test's
// name is the rule.
import { expect, test } from "vitest";
import { ok, Play, REJECTED, side, stage } from "./play.ts";

test("After a crash, an eviction or a deploy, an execution goes on by itself.", () => {
  const play = new Play([stage("a"), stage("b")]);
  play.answer("a").crash();
  expect(play.calls).toEqual(["b"]);
  play.answer("b");
  expect(play.view).toMatchObject({ status: "completed", execution_metadata: { recoveries: 1 } });
  expect(play.of("execution.recovered")[0]?.data).toEqual({ stages: ["b"], recoveries: 1 });
});

test("A stage whose completion was committed is never called again.", () => {
  const play = new Play([side("a"), side("b")]);
  play.answer("a", ok({ n: 1 }));
  for (let n = 0; n < 5; n += 1) play.crash();
  expect(play.of("stage.started").filter((event) => event.stage === "a")).toHaveLength(1);
  expect(play.result("a").data).toEqual({ n: 1 });
});

test("A call repeated after a crash keeps its attempt.", () => {
  const play = new Play([stage("a")]);
  play.fail("a", REJECTED, 0).tick();
  play.crash();
  expect(play.of("stage.started").map((event) => event.attempt)).toEqual([1, 2, 2]);
  expect(play.last).toMatchObject({ type: "stage.started", internal: { repeated: true } });
});

test("An execution that waits between tries is recovered without a call and without losing its delay.", () => {
  const play = new Play([stage("a")], { retry_delay_seconds: 10 });
  play.fail("a", REJECTED, 0.5).after(2_000).crash();
  expect(play.of("execution.recovered")).toEqual([]);
  expect(play.wakesIn).toBe(3_000);
});

test("A paused execution is recovered paused, and what drained runs again after resume.", () => {
  const play = new Play([stage("a")]);
  play.pause("drain").after(1_000).crash();
  expect(play.status).toBe("paused");
  expect(play.calls).toEqual([]);
  play.after(60_000).resume();
  expect(play.calls).toEqual(["a"]);
  expect(play.of("stage.started").map((event) => event.attempt)).toEqual([1, 1]);
});

test("Five recoveries without progress end it failed.", () => {
  const play = new Play([stage("a")]);
  for (let n = 1; n <= 5; n += 1) {
    play.crash();
    expect(play.calls).toEqual(["a"]);
  }
  play.crash();
  expect(play.view).toMatchObject({
    status: "failed",
    error_info: { code: "INTERNAL_ERROR", failed_stage: "a" },
  });
});

test("A run whose process died of others goes on, however often: the platform has not counted crashes of its own.", () => {
  const play = new Play([stage("a"), stage("b")]);
  for (let n = 1; n <= 12; n += 1) {
    play.crash({ crashes: n % 5 });
    expect(play.calls).toEqual(["a"]);
  }
  play.answer("a").answer("b");
  expect(play.view).toMatchObject({ status: "completed", execution_metadata: { recoveries: 12 } });
});

test("A run that had no work in flight when its object died continues, for any crash count of the platform.", () => {
  const play = new Play([stage("a")], { retry_delay_seconds: 10 });
  play.fail("a", REJECTED, 0.5);
  for (let n = 1; n <= 12; n += 1) play.crash({ crashes: n });
  expect(play.status).toBe("running");
  expect(play.wakesIn).toBe(5_000);
});

test("A run that dies in its own recoveries, before they could write anything, ends failed at the fifth.", () => {
  const play = new Play([stage("a")]);
  play.crash({ crashes: 5, cut: 4 });
  expect(play.status).toBe("running");
  const poison = new Play([stage("a")], { retry_delay_seconds: 10 });
  poison.fail("a", REJECTED, 0.5).crash({ crashes: 5, cut: 5 });
  expect(poison.view).toMatchObject({ status: "failed", error_info: { code: "INTERNAL_ERROR" } });
});

test("Progress of any stage resets the count of recoveries.", () => {
  const play = new Play([side("a"), side("b")]);
  for (let n = 1; n <= 4; n += 1) play.crash();
  play.answer("b");
  for (let n = 1; n <= 5; n += 1) play.crash();
  expect(play.status).toBe("running");
  play.crash();
  expect(play.status).toBe("failed");
});

test("enable_state_recovery: false ends an execution whose calls were lost failed instead.", () => {
  const play = new Play([stage("a")], { enable_state_recovery: false });
  play.crash();
  expect(play.view).toMatchObject({
    status: "failed",
    error_info: { code: "INTERNAL_ERROR", failed_stage: "a" },
  });
  expect(play.view.error_info?.message).toContain("enable_state_recovery");
  // One that waits has lost nothing.
  const waits = new Play([stage("a")], { enable_state_recovery: false, retry_delay_seconds: 10 });
  waits.fail("a", REJECTED, 0.5).crash();
  expect(waits.status).toBe("running");
});

test("An execution whose deadline passed while the coordinator was down ends with PIPELINE_TIMEOUT.", () => {
  const play = new Play([stage("a")], { pipeline_timeout_seconds: 10 });
  play.after(60_000).crash();
  expect(play.view.error_info?.code).toBe("PIPELINE_TIMEOUT");
  expect(play.of("execution.recovered")).toEqual([]);
});
