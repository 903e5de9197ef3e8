// What src/contract/README.md section 10 says of the heartbeats of agents that answer later.
import { describe, expect, test } from "vitest";
import { nextAlarm } from "../../../src/core/execution/alarm/next-alarm.ts";
import { wasReported } from "../../../src/core/execution/alarm/report-times.ts";
import { later, Play, stage } from "./play.ts";

describe("heartbeats", () => {
  test("Each gives the whole heartbeat_seconds from then on, and a tenth more.", () => {
    const play = new Play([later("slow", { heartbeat_seconds: 10 })])
      .accept("slow")
      .after(5_000)
      .heartbeat("slow");
    expect(play.waitsFor("slow")).toBe(11_000);
    expect(play.of("stage.signalled")).toMatchObject([
      {
        status: "waiting",
        attempt: 1,
        data: { signal: "heartbeat", expires_at: new Date(play.now + 11_000).toISOString() },
      },
    ]);
  });

  test("One that would move it by less than a tenth is answered, and not logged.", () => {
    const play = new Play([later("slow", { heartbeat_seconds: 10 })])
      .accept("slow")
      .after(5_000)
      .heartbeat("slow");
    const before = play.log.length;
    play.after(1_000).heartbeat("slow");
    expect([play.refusal, play.log.length]).toEqual([null, before]);
    expect(play.after(1).heartbeat("slow").log.length).toBe(before + 1);
  });

  test("None goes beyond the whole callback_timeout_seconds.", () => {
    const play = new Play([later("slow", { heartbeat_seconds: 100, callback_timeout_seconds: 150 })]).accept(
      "slow",
    );
    play.after(90_000).heartbeat("slow");
    expect(play.waitsFor("slow")).toBe(60_000);
    const before = play.log.length;
    expect(play.after(50_000).heartbeat("slow").log.length).toBe(before);
    play.after(10_000).tick();
    expect(play.result("slow").error?.message).toContain("150000 ms");
  });

  test("Without heartbeat_seconds they move the whole time.", () => {
    const play = new Play([later("slow")]).accept("slow").after(500_000).heartbeat("slow");
    expect(play.waitsFor("slow")).toBe(660_000);
  });

  test("One before the 202 is answered; after the end of the try it is refused.", () => {
    const play = new Play([later("slow"), stage("b")]).heartbeat("slow");
    expect([play.refusal, play.log.length]).toEqual([null, 2]);
    play.accept("slow").callback("slow").heartbeat("slow");
    expect(play.refusal?.reason).toBe("unanswerable");
    expect(play.cancel().heartbeat("slow").refusal?.reason).toBe("unanswerable");
  });

  test("At expires_at it is too late.", () => {
    const play = new Play([later("slow", { retry_attempts: 1 })])
      .accept("slow")
      .after(600_000)
      .heartbeat("slow");
    expect(play.refusal?.reason).toBe("unanswerable");
    expect(play.status).toBe("failed");
  });

  test("The alarm follows them, and one that was set before shows no report.", () => {
    const facts = { set: null, isAsLeft: false, isHandled: false, blockedUntil: null, isBusy: false };
    const play = new Play([later("slow", { heartbeat_seconds: 10 })]).accept("slow");
    const before = nextAlarm(play.state, { ...facts, now: play.now, needsHandler: false, reports: "none" });
    expect(before).toBe(play.now + 10_000);
    expect(wasReported(play.state, before)).toBe(true);
    play.after(5_000).heartbeat("slow");
    const after = nextAlarm(play.state, { ...facts, now: play.now, needsHandler: false, reports: "none" });
    expect(after).toBe(play.now + 11_000);
    expect([wasReported(play.state, before), wasReported(play.state, after)]).toEqual([false, true]);
  });
});

test("Without heartbeat_seconds a callback comes within 30 days for all signs of life.", () => {
  const MONTH = 30 * 86_400_000;
  const play = new Play([later("slow", { callback_timeout_seconds: 86_400, retry_attempts: 1 })]).accept(
    "slow",
  );
  const began = play.now;
  while (play.now - began < MONTH - 3_600_000) play.after(3_600_000).heartbeat("slow");
  expect(play.result("slow").status).toBe("waiting");
  play.after(3_600_000).tick();
  expect(play.result("slow").error?.code).toBe("STAGE_TIMEOUT");
});
