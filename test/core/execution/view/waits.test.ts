// Open questions as the inbox has them, and what of them a report says anew.
import { expect, test } from "vitest";
import type { ResolvedStage, WaitStage } from "../../../../src/contract/stage.ts";
import { changeSince, leftReported, reported } from "../../../../src/core/execution/alarm/report-change.ts";
import { needsAlarm } from "../../../../src/core/execution/alarm/report-times.ts";
import { inboxEntry, openWaits } from "../../../../src/core/execution/view/waits.ts";
import { indexEntry } from "../../../../src/core/monitoring/index-entry.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import { Play, ok } from "../../rules/play.ts";
import { makeStage } from "../../simulation/spec.ts";

const HOUR = 3_600_000;
const SCHEMA = { type: "object" };

function question(name: string, hours: number, fields: Partial<WaitStage> = {}): ResolvedStage {
  const wait = { prompt: "{'q': query}", schema: SCHEMA, timeout_seconds: 3_600 * hours, on_timeout: "fail" };
  return { name, required: false, parallel: false, depends_on: [], config: {}, wait, ...fields } as WaitStage;
}

const later = (name: string, fields: object) => makeStage(name, { retry_attempts: 1, ...fields });

test("questions are open from their stage.waiting to the answer, and none is after the run's end", () => {
  const play = new Play([makeStage("slow", { parallel: true }), question("a", 2), question("b", 1)]);
  expect(play.status).toBe("running");
  expect(openWaits(play.state).map(({ stage, seq }) => [stage, seq])).toEqual([
    ["a", 2],
    ["b", 3],
  ]);
  const [first] = openWaits(play.state);
  if (first === undefined) throw new Error("nothing is open");
  expect(inboxEntry(play.state, first)).toEqual({
    execution_id: "ex_test",
    stage: "a",
    pipeline: "tested",
    conversation_id: "c1",
    prompt: { q: play.state.spec.query },
    schema: SCHEMA,
    expires_at: new Date(play.began + 2 * HOUR).toISOString(),
  });
  play.after(1);
  play.submit({ type: "signal", stage: "a", wait: null, answer: { ok: true, data: {} }, by: "key:1" });
  expect(openWaits(play.state).map(({ stage }) => stage)).toEqual(["b"]);
  play.cancel();
  expect(openWaits(play.state)).toEqual([]);
  expect(indexEntry(play.state).waits).toEqual([]);
  expect(indexEntry(new Play([makeStage("only")]).state).waits).toBeNull();
});

test("a wait for a callback is no question, and a run that has asked needs its alarm soon until it ends", () => {
  const play = new Play([later("agent", { callback_timeout_seconds: 60 })]);
  expect(needsAlarm(play.state)).toBe(false);
  play.answer("agent", { ok: "later" });
  expect([play.status, openWaits(play.state)]).toEqual(["waiting", []]);
  const asked = new Play([question("a", 1), makeStage("next", { depends_on: ["a"] })]);
  asked.submit({ type: "signal", stage: "a", wait: null, answer: { ok: true, data: {} }, by: "key:1" });
  expect([asked.status, needsAlarm(asked.state)]).toEqual(["running", true]);
});

test("a report says a status, the questions that have opened, and that some have closed", () => {
  const play = new Play([makeStage("slow", { parallel: true }), question("a", 2), question("b", 1)]);
  expect(changeSince(null, play.state)).toEqual({ status: true, opened: [2, 3] });
  const before = reported(play.state);
  expect(changeSince(before, play.state)).toBeNull();
  expect(changeSince({ ...before, questions: [2] }, play.state)).toEqual({ status: false, opened: [3] });
  play.submit({ type: "signal", stage: "a", wait: null, answer: { ok: true, data: {} }, by: "key:1" });
  expect(changeSince(before, play.state)).toEqual({ status: false, opened: [] });
  // A call is in flight: a crash makes it a run whose reports are not known.
  expect(leftReported(play.state)).toBeNull();
  play.answer("slow", ok());
  expect(changeSince(before, play.state)).toEqual({ status: true, opened: [] });
  expect(leftReported(play.state)).toEqual({
    status: "waiting",
    questions: [3],
    until: play.began + HOUR,
    dropped: 0,
  });
});

test("a waiting run is believed until its last wait is over, and one whose agent goes on is reported again", () => {
  const { expires } = indexEntry(new Play([question("a", 720)]).state);
  expect(expires).toBe(new Play([]).began + 720 * HOUR + TIMINGS.INDEX_GRACE_MS);
  const play = new Play([later("agent", { callback_timeout_seconds: 600 })]);
  play.answer("agent", { ok: "later" });
  const before = reported(play.state);
  const { call } = play.state.stages[0] ?? { call: 0 };
  const beat = () => play.submit({ type: "heartbeat", stage: "agent", call });
  play.after(300_000);
  beat();
  expect(changeSince(before, play.state)).toBeNull();
  play.after(580_000);
  beat();
  expect(changeSince(before, play.state)).toEqual({ status: false, opened: [] });
  expect(indexEntry(play.state).expires).toBeGreaterThan(play.now + 600_000);
});
