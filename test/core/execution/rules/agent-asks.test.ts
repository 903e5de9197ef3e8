// Agents that ask for input (src/contract/README.md section 10): where their stage allows it a person is asked, and the
// agent is called again with the answer; what it has asked counts as a question in all else.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { PipelineStage } from "../../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../../src/core/execution/command.ts";
import { wireJson } from "../../../../src/core/execution/log-event.ts";
import { stageOf } from "../../../../src/core/execution/state.ts";
import { openWaits } from "../../../../src/core/execution/view/waits.ts";
import { stageWait } from "../../../../src/core/execution/view/stage-wait.ts";
import { validatePipeline } from "../../../../src/core/pipeline/validate.ts";
import { ok, Play, side } from "../../rules/play.ts";

const DAY = 86_400_000;
const schema = { type: "object", required: ["date"], properties: { date: { type: "string" } } };
const asks = (more: object = {}): CallOutcome => ({
  ok: "asks",
  prompt: { question: "Which day?" },
  schema,
  continuation: { thread: "t1" },
  ...more,
});
const waits = { on_input_required: "wait" as const };
const data = { date: "monday" };

test("a stage that does not allow it fails, is not tried again, and says what was asked", () => {
  const play = new Play([side("book")]);
  play.answer("book", asks());
  expect(play.result("book")).toMatchObject({
    status: "failed",
    attempts: 1,
    error: {
      code: "AGENT_PROCESSING_ERROR",
      message: "the agent asks for more: Which day?",
      retryable: false,
    },
  });
});

test("a person is asked, and the agent is called again with the answer", () => {
  const play = new Play([side("book", waits), side("pay", { depends_on: ["book"] })]);
  play.after(100).answer("book", asks());
  expect([play.status, play.calls, play.waitsFor("book")]).toEqual(["waiting", [], DAY]);
  expect(openWaits(play.state)).toMatchObject([
    { stage: "book", prompt: { question: "Which day?" }, schema },
  ]);
  expect(stageWait(play.state, "book")).toMatchObject({
    state: "open",
    prompt: { question: "Which day?" },
    schema,
  });
  play.after(5_000).say("book", { ok: true, data });
  expect([play.refusal, play.status, play.calls]).toEqual([null, "running", ["book"]]);
  expect(stageOf(play.state, "book")).toMatchObject({
    attempt: 1,
    reply: { continuation: { thread: "t1" }, data },
  });
  play.after(200).answer("book", ok({ booked: true }));
  expect(play.result("book")).toMatchObject({ status: "completed", attempts: 1, data: { booked: true } });
  play.answer("pay");
  expect(play.status).toBe("completed");
  // The wait is no time of the agent's, nor of the run's clock.
  expect(play.view.performance_metrics.stage_ms["book"]).toBe(300);
  expect(stageWait(play.state, "book")).toMatchObject({ state: "answered", prompt: {} });
});

test("readers are told the question, and never what the agent gave along", () => {
  const play = new Play([side("book", waits)]);
  play.answer("book", asks()).say("book", { ok: true, data });
  const told = play.log.map((event) => wireJson(event));
  expect(told.join()).toContain("Which day?");
  expect(told.join()).not.toContain("t1");
  expect(told.join()).not.toContain("monday");
});

test("the answer is held to the schema, taken once, and is bound to its question", () => {
  const play = new Play([side("book", waits)]);
  play.answer("book", asks());
  const seq = stageOf(play.state, "book").wait?.seq ?? 0;
  expect(play.say("book", { ok: true, data: { date: 7 } }).refusal).toMatchObject({
    reason: "mismatch",
    errors: [{ pointer: "/date" }],
  });
  expect(play.say("book", { ok: true, data }, seq + 1).refusal).toMatchObject({ reason: "unanswerable" });
  expect(play.say("book", { ok: true, data }, seq).refusal).toBeNull();
  expect(play.say("book", { ok: true, data }, seq).refusal).toMatchObject({ reason: "repeated" });
  expect(play.say("book", { ok: true, data: { date: "sunday" } }).refusal).toMatchObject({
    reason: "unanswerable",
    why: "it has been answered already",
  });
  expect(play.calls).toEqual(["book"]);
});

test("an answer before the agent has asked is refused", () => {
  const play = new Play([side("book", waits)]);
  expect(stageWait(play.state, "book")).toBeNull();
  expect(play.say("book", { ok: true, data }).refusal).toMatchObject({ reason: "unanswerable" });
});

test("it may ask again; beyond the bound it fails", () => {
  const play = new Play([side("book", waits)]);
  for (let n = 0; n < LIMITS.AGENT_QUESTIONS; n += 1) {
    play.answer("book", asks({ continuation: { n } })).say("book", { ok: true, data });
    expect(stageOf(play.state, "book").reply?.continuation).toEqual({ n });
  }
  play.answer("book", asks());
  expect(play.result("book").error?.message).toMatch(/has asked 20 times/);
});

test("a person who gives up fails the stage, and so does the end of its time", () => {
  const given = new Play([side("book", waits)]);
  given.answer("book", asks()).say("book", { ok: false, message: "not now" });
  expect(given.result("book")).toMatchObject({
    status: "failed",
    error: { message: "not now" },
    answered_by: "key:1",
  });
  const late = new Play([side("book", { ...waits, input_timeout_seconds: 60 })]);
  late.answer("book", asks());
  expect(late.wakesIn).toBe(60_000);
  late.after(60_000).tick();
  expect([stageWait(given.state, "book")?.state, stageWait(late.state, "book")?.state]).toEqual([
    "answered",
    "expired",
  ]);
  expect(late.result("book")).toMatchObject({
    status: "failed",
    error: { code: "STAGE_TIMEOUT", message: "no answer within 60 s" },
    answered_by: "timeout",
  });
});

test("a crash after the answer was committed calls the agent with it, and never asks again", () => {
  const play = new Play([side("book", waits)]);
  play.answer("book", asks()).crash();
  expect([play.status, play.calls]).toEqual(["waiting", []]);
  play.say("book", { ok: true, data }).crash();
  expect(play.calls).toEqual(["book"]);
  expect(stageOf(play.state, "book").reply).toEqual({ continuation: { thread: "t1" }, data });
  expect(play.of("stage.waiting")).toHaveLength(1);
  play.answer("book", ok({}));
  expect(play.status).toBe("completed");
});

test("a further try after a failure has the answer as well", () => {
  const play = new Play([side("book", waits)]);
  play.answer("book", asks()).say("book", { ok: true, data });
  play.fail("book", { kind: "rejected" });
  play.after(play.delay).tick();
  expect(play.calls).toEqual(["book"]);
  expect(stageOf(play.state, "book")).toMatchObject({ attempt: 2, reply: { data } });
});

test("an answer while the run is paused is taken, and the agent is called once it goes on", () => {
  const play = new Play([side("book", waits)]);
  play.answer("book", asks()).pause("abort").say("book", { ok: true, data });
  expect([play.refusal, play.status, play.calls]).toEqual([null, "paused", []]);
  play.resume();
  expect(play.calls).toEqual(["book"]);
});

test("it leaves its place while a person is asked, and waits for one again", () => {
  const play = new Play([side("book", { ...waits, parallel: false }), side("other", { parallel: false })]);
  expect(play.calls).toEqual(["book"]);
  play.answer("book", asks());
  expect(play.calls).toEqual(["other"]);
  play.say("book", { ok: true, data });
  expect(play.calls).toEqual(["other"]);
  play.answer("other");
  expect(play.calls).toEqual(["book"]);
});

test("a question that is too large, or whose schema is wrong, is the agent's failure", () => {
  const large = new Play([side("book", waits)]);
  large.answer("book", asks({ prompt: { question: "x".repeat(LIMITS.PROMPT_BYTES) } }));
  expect(large.result("book").error?.message).toMatch(/^what the agent asks is \d+ bytes/);
  const wrong = new Play([side("book", waits)]);
  wrong.answer("book", asks({ schema: { type: "objekt" } }));
  expect(wrong.result("book").error?.message).toMatch(/schema of what the agent asks is wrong: \/type/);
});

describe("the fields", () => {
  const faults = (fields: object) =>
    validatePipeline([PipelineStage.parse({ name: "a", agent_type: "x", ...fields })]).map(
      ({ pointer }) => pointer,
    );

  test("belong together, and to stages that call an agent", () => {
    expect(faults({ ...waits, input_timeout_seconds: 60 })).toEqual([]);
    expect(faults({ input_timeout_seconds: 60 })).toEqual(["/stages/0/input_timeout_seconds"]);
    expect(faults({ agent_type: undefined, wait: {}, ...waits })).toEqual(["/stages/0/on_input_required"]);
  });
});
