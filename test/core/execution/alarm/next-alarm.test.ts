// When the object's alarm must fire (I15): each reason for it, which goes before which, and when it is left as it is.
import { describe, expect, test } from "vitest";
import {
  type AlarmFacts,
  nextAlarm,
  retryAfterFault,
} from "../../../../src/core/execution/alarm/next-alarm.ts";
import { decide } from "../../../../src/core/execution/decide.ts";
import { endWasReported, wasReported } from "../../../../src/core/execution/alarm/report-times.ts";
import { retainedUntil } from "../../../../src/core/execution/alarm/retention.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import { Play } from "../../rules/play.ts";
import { makeSpec, makeStage } from "../../simulation/spec.ts";

const { ALARM_JOIN_MS, ALARM_RETRY_MS, MEMORY_KEPT_MS } = TIMINGS;

type Fields = ConstructorParameters<typeof Play>;

function running(config: Fields[1] = {}, fields: Fields[2] = {}): Play {
  const own = { pipeline_timeout_seconds: 60, retention_seconds: 600, ...config };
  return new Play([makeStage("one")], own, fields);
}

/** Of an object that has nothing to do but what its state says, and has set no alarm yet. */
function factsAt(now: number): AlarmFacts {
  const no = { isAsLeft: false, isHandled: false, isBusy: false, needsHandler: false };
  return { now, set: null, blockedUntil: null, reports: "none", ...no };
}

function alarmOf({ state, now }: Play, facts: Partial<AlarmFacts> = {}): number | null {
  return nextAlarm(state, { ...factsAt(now), ...facts });
}

describe("a run that goes on", () => {
  test("at rest has the alarm of what it waits for: its try, its deadline, the end of its pause", () => {
    const play = running({ retry_delay_seconds: 30 });
    expect(alarmOf(play)).toBe(play.state.deadline_at);
    play.after(10).fail("one", { kind: "rejected" });
    const [stage] = play.state.stages;
    expect(stage?.phase).toBe("delayed");
    expect(alarmOf(play)).toBe(stage?.due_at);
    play.pause("abort");
    expect(alarmOf(play)).toBe(play.now + play.state.spec.config.max_pause_seconds * 1_000);
  });

  test("while it is busy has one that joins soon, and at its deadline if that is sooner", () => {
    const play = running();
    expect(alarmOf(play, { isBusy: true })).toBe(play.now + ALARM_JOIN_MS);
    play.now = play.state.deadline_at - 100;
    expect(alarmOf(play, { isBusy: true })).toBe(play.state.deadline_at);
  });

  test("while it is busy keeps one that comes soon enough, and moves a later one", () => {
    const play = running().after(500);
    for (const set of [play.now - 1_000, play.now + 1, play.now + ALARM_JOIN_MS]) {
      expect(alarmOf(play, { isBusy: true, set })).toBe(set);
    }
    expect(alarmOf(play, { isBusy: true, set: play.now + ALARM_JOIN_MS + 1 })).toBe(play.now + ALARM_JOIN_MS);
  });

  test("at rest moves one that comes too soon, too", () => {
    const play = running();
    expect(alarmOf(play, { set: play.now + 1 })).toBe(play.state.deadline_at);
  });

  test("whose calls only the handler may repeat has it soon, but not where an earlier instance set it", () => {
    const play = running();
    expect(alarmOf(play, { needsHandler: true })).toBe(play.now + ALARM_JOIN_MS);
    expect(alarmOf(play, { needsHandler: true, isAsLeft: true })).toBeNull();
  });
});

describe("an end that every receiver has", () => {
  const ended = (fields: Fields[2]) => running({}, fields).after(50).answer("one");

  test("has no alarm where the index deletes the run, unless its retention is over already", () => {
    const play = ended({ index_shards: 8 });
    expect(alarmOf(play)).toBeNull();
    const until = retainedUntil(play.state);
    expect(alarmOf(play, { now: until })).toBe(until);
    // A receiver that refuses has its tries, and the run its own deletion.
    expect(alarmOf(play, { reports: play.now + 5_000 })).toBe(play.now + 5_000);
    expect(alarmOf(play, { reports: until + 1 })).toBe(until);
  });

  test("has the alarm of its retention where it has no storage, or is of an earlier version", () => {
    for (const fields of [{}, { index_shards: 8, storage: "memory" as const }]) {
      const play = ended(fields);
      expect(alarmOf(play)).toBe(retainedUntil(play.state));
    }
  });

  test("is shown by the absence of an alarm, or by that of retention", () => {
    const kept = ended({ index_shards: 8 });
    expect(endWasReported(kept.state, null)).toBe(true);
    expect(endWasReported(kept.state, kept.now + ALARM_JOIN_MS)).toBe(false);
    const own = ended({});
    expect(endWasReported(own.state, null)).toBe(false);
    expect(endWasReported(own.state, retainedUntil(own.state))).toBe(true);
  });
});

describe("reports", () => {
  test("of a pause and of an end that wait for their first try have the alarm soon", () => {
    const paused = running().pause("abort");
    const ended = running().after(50).answer("one");
    for (const play of [paused, ended]) {
      expect(alarmOf(play, { reports: "pending" })).toBe(play.now + ALARM_JOIN_MS);
      expect(alarmOf(play, { reports: "pending", set: play.now + 400 })).toBe(play.now + 400);
    }
  });

  test("of an end have it before the end of retention, which would show that they were made", () => {
    const ended = running({ retention_seconds: 1 }).after(50).answer("one").after(400);
    expect(alarmOf(ended, { reports: "pending" })).toBe(retainedUntil(ended.state) - 1);
    expect(wasReported(ended.state, alarmOf(ended, { reports: "pending" }))).toBe(false);
  });

  test("that were refused have it at their next try, unless the run needs it before", () => {
    const paused = running({ max_pause_seconds: 20 }).pause("abort");
    expect(alarmOf(paused, { reports: paused.now + 5_000 })).toBe(paused.now + 5_000);
    expect(alarmOf(paused, { reports: paused.now + 30_000 })).toBe(paused.now + 20_000);
    const ended = running().after(50).answer("one");
    expect(alarmOf(ended, { reports: ended.now + 5_000, set: ended.now + 1 })).toBe(ended.now + 5_000);
  });
});

test("a run that has ended has it at the end of its retention, a minute later without storage", () => {
  const ended = running().after(50).answer("one");
  expect(alarmOf(ended)).toBe(retainedUntil(ended.state));
  expect(alarmOf(ended)).toBe(ended.now + 600_000);
  const unstored = running({}, { storage: "memory" }).after(50).answer("one");
  expect(alarmOf(unstored)).toBe(unstored.now + MEMORY_KEPT_MS);
});

test("what an earlier instance left is left alone until something is in flight or pending", () => {
  const play = running();
  expect(alarmOf(play, { isAsLeft: true })).toBeNull();
  expect(alarmOf(play, { isAsLeft: true, isBusy: true })).toBe(play.now + ALARM_JOIN_MS);
  const paused = running().pause("abort");
  expect(alarmOf(paused, { isAsLeft: true, reports: "pending" })).toBe(paused.now + ALARM_JOIN_MS);
});

test("while it is handled it is not set, after any effect", () => {
  const play = running();
  const all = { isHandled: true, isBusy: true, reports: "pending", blockedUntil: play.now } as const;
  expect(alarmOf(play, all)).toBeNull();
});

test("a run that cannot be taken up has it when it can be, also where its log was not read", () => {
  const play = running();
  const at = play.now + 600_000;
  expect(alarmOf(play, { blockedUntil: at, isBusy: true, set: play.now + 1 })).toBe(at);
  expect(nextAlarm(null, { ...factsAt(play.now), blockedUntil: at })).toBe(at);
});

test("an object without a run has none", () => {
  expect(nextAlarm(null, factsAt(0))).toBeNull();
  expect(nextAlarm(null, { ...factsAt(0), isBusy: true })).toBeNull();
});

describe("after a fault", () => {
  test("the run is taken up after 5 s, twice as long after each further one, at most 85 minutes", () => {
    const waits = [1, 2, 3, 4, 11, 12, 1_000].map((faults) => retryAfterFault(null, 0, faults));
    const most = ALARM_RETRY_MS * 1_024;
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, most, most, most]);
  });

  test("and at its deadline if that is sooner and not over", () => {
    const { state, now } = running();
    const due = state.deadline_at;
    expect(retryAfterFault(state, now, 5)).toBe(due);
    expect(retryAfterFault(state, due - 1, 1)).toBe(due);
    expect(retryAfterFault(state, due, 1)).toBe(due + ALARM_RETRY_MS);
  });

  test("of a run that has ended there is no deadline", () => {
    const { state, now } = running().after(50).answer("one");
    expect(retryAfterFault(state, now, 2)).toBe(now + 2 * ALARM_RETRY_MS);
  });
});

describe("a run that waits in the queue of its conversation", () => {
  const spec = makeSpec([makeStage("one")], { max_pause_seconds: 60 });
  const { state } = decide(null, { type: "start", spec, queued: { behind: "a", position: 1 } }, 1_000);
  const alarm = (facts: Partial<AlarmFacts> = {}) => nextAlarm(state, { ...factsAt(1_000), ...facts });
  const poll = 1_000 + TIMINGS.QUEUE_POLL_MS;

  test("has one that asks for its place, and keeps one that comes before", () => {
    expect(alarm()).toBe(poll);
    for (const set of [1_001, poll]) expect(alarm({ set })).toBe(set);
    for (const set of [1_000, poll + 1]) expect(alarm({ set })).toBe(poll);
  });

  test("has it at the end of its patience where that is sooner, and as an earlier instance left it", () => {
    expect(alarm({ now: 55_000 })).toBe(61_000);
    expect(alarm({ isAsLeft: true })).toBeNull();
  });
});
