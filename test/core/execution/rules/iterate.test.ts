// src/contract/README.md section 2, `repeat`: a stage is called again until its result is good. Each test's name is the rule.
import { describe, expect, test } from "vitest";
import { type AgentStage, RepeatSpec } from "../../../../src/contract/stage.ts";
import { stageInput } from "../../../../src/core/execution/stage-input.ts";
import { stageOf } from "../../../../src/core/execution/state.ts";
import { unitScope } from "../../../../src/core/execution/units/unit-scope.ts";
import { BROKEN, ok, Play, REJECTED, stage, status } from "../../rules/play.ts";

const draft = (repeat: object = {}, fields: Partial<AgentStage> = {}) =>
  stage("draft", {
    repeat: RepeatSpec.parse({ until: "result.good", max: 3, ...repeat }),
    retry_attempts: 2,
    ...fields,
  });

const bad = (n: number) => ok({ good: false, n });
const GOOD = ok({ good: true });

test("It is called again until `until` is true, and its data is the last one's.", () => {
  const run = new Play([draft()]);
  run.answer("draft", bad(1));
  expect(run.calls).toEqual(["draft"]);
  run.answer("draft", GOOD);
  expect(run.view.final_result).toEqual({ good: true });
  expect(run.result("draft").iterations).toBe(2);
});

test("Each iteration has its own stage.started, and says which.", () => {
  const run = new Play([draft()]);
  run.answer("draft", bad(1)).answer("draft", GOOD);
  expect(run.of("stage.started").map(({ attempt, data }) => ({ attempt, data }))).toEqual([
    { attempt: 1, data: { agent_type: "agent_draft", iteration: 1 } },
    { attempt: 1, data: { agent_type: "agent_draft", iteration: 2 } },
  ]);
  expect(run.of("stage.iterated")).toMatchObject([{ data: { iteration: 1, data: { good: false, n: 1 } } }]);
});

test("The call has the iteration and the data of the one before.", () => {
  const run = new Play([draft({}, { input: { last: "previous", n: "iteration" } })]);
  expect(unitScope(run.state, "draft")).toEqual({ iteration: 1, previous: null });
  run.answer("draft", bad(7));
  expect(unitScope(run.state, "draft")).toEqual({ iteration: 2, previous: { good: false, n: 7 } });
  expect(stageInput(run.state, "draft")).toEqual({
    ok: true,
    value: { last: { good: false, n: 7 }, n: 2 },
  });
});

describe("after `max` iterations", () => {
  test("the last result is taken.", () => {
    const run = new Play([draft({ max: 2 })]);
    run.answer("draft", bad(1)).answer("draft", bad(2));
    expect(run.view).toMatchObject({ status: "completed", final_result: { n: 2 } });
  });

  test("or the stage fails, where on_max says so.", () => {
    const run = new Play([draft({ max: 2, on_max: "fail" })]);
    run.answer("draft", bad(1)).answer("draft", bad(2));
    expect(run.view.error_info).toMatchObject({
      code: "AGENT_PROCESSING_ERROR",
      message: "draft: repeat.until is false after 2 iterations: result.good",
    });
  });
});

test("The tries of an iteration are its own.", () => {
  const run = new Play([draft()]);
  run.fail("draft", REJECTED).after(1e5).tick().answer("draft", bad(1));
  run.fail("draft", REJECTED);
  expect(run.status).toBe("running");
  run.after(1e5).tick().answer("draft", GOOD);
  expect(run.of("stage.started").map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2]);
  expect(run.status).toBe("completed");
});

test("So is the further try after an answer that breaks the contract.", () => {
  const run = new Play([draft({}, { retry_attempts: 3 })]);
  run.fail("draft", BROKEN).after(1e5).tick().answer("draft", bad(1));
  run.fail("draft", BROKEN).after(1e5).tick();
  expect(run.calls).toEqual(["draft"]);
  run.fail("draft", BROKEN);
  expect(run.view.error_info).toMatchObject({ code: "AGENT_PROCESSING_ERROR", retry_attempts: 2 });
});

test("`until` sees the iteration, and the results and the context as elsewhere.", () => {
  const run = new Play([draft({ until: "iteration >= context.least" })], {}, { context: { least: 2 } });
  run.answer("draft", bad(1)).answer("draft", bad(2));
  expect(run.view.final_result).toEqual({ good: false, n: 2 });
});

test("`until` sees the item and the result before.", () => {
  const until = "iteration > 1.0 && item == 7.0 && previous.n < result.n";
  const map = { over: "[7]", max_items: 1, concurrency: 1, on_error: "fail" as const };
  const run = new Play([draft({ until }, { map })]);
  run.answer("draft[0]", bad(1)).answer("draft[0]", bad(2));
  expect(run.view.final_result).toMatchObject({ items: [{ data: { n: 2 } }] });
});

test("An `until` that cannot be evaluated fails the stage, and is named.", () => {
  const run = new Play([draft({ until: "result.missing" })]);
  run.answer("draft", bad(1));
  expect(run.view.error_info).toMatchObject({ code: "INVALID_PIPELINE_CONFIG" });
  expect(run.view.error_info?.message).toContain("draft: repeat.until: ");
});

test("A crash repeats no iteration that was committed.", () => {
  const run = new Play([draft()]);
  run.answer("draft", bad(1)).crash();
  expect(run.of("stage.started").at(-1)).toMatchObject({ attempt: 1, data: { iteration: 2 } });
  expect(stageOf(run.state, "draft")).toMatchObject({ iteration: 2, previous: { n: 1 } });
  run.answer("draft", GOOD);
  expect(run.status).toBe("completed");
});

test("No iteration begins while the run is paused.", () => {
  const run = new Play([draft()]);
  run.pause("drain").answer("draft", bad(1));
  expect(run.calls).toEqual([]);
  expect(run.state.drained_at).not.toBeNull();
  run.resume();
  expect(run.calls).toEqual(["draft"]);
  expect(unitScope(run.state, "draft").iteration).toBe(2);
});

test("The usage of all iterations is the stage's, and is counted once, also where it fails.", () => {
  const usage = { usage: { tokens: 3 } };
  const run = new Play([draft()]);
  run.answer("draft", ok({ good: false }, usage)).answer("draft", ok({ good: true }, usage));
  expect(run.result("draft").usage).toEqual({ tokens: 6 });
  expect(run.view.usage).toEqual({ tokens: 6 });
  const failing = new Play([draft()]);
  failing.answer("draft", ok({ good: false }, usage)).fail("draft", status(400));
  expect(failing.result("draft").usage).toEqual({ tokens: 3 });
  expect(failing.view.usage).toEqual({ tokens: 3 });
  const cancelled = new Play([draft()]);
  cancelled.answer("draft", ok({ good: false }, usage)).cancel();
  expect(cancelled.result("draft").usage).toEqual({ tokens: 3 });
  expect(cancelled.view.usage).toEqual({ tokens: 3 });
});

test("What an iteration adds to the context stays.", () => {
  const run = new Play([draft()]);
  run.answer("draft", ok({ good: false }, { context: { seen: 1 } })).answer("draft", GOOD);
  expect(run.view.context_data).toMatchObject({ seen: 1 });
});

test("A fallback ends the stage: its data need not satisfy `until`.", () => {
  const fallback = { strategy: "use_default" as const, data: { good: false } };
  const run = new Play([draft({}, { fallback })]);
  run.answer("draft", bad(1)).fail("draft", status(400));
  expect(run.view).toMatchObject({ status: "completed", final_result: { good: false } });
});

test("An agent that answers later ends an iteration by its callback.", () => {
  const run = new Play([draft({}, { callback_timeout_seconds: 60 })]);
  run.accept("draft").callback("draft", bad(1) as never);
  expect(run.calls).toEqual(["draft"]);
  expect(run.status).toBe("running");
  run.accept("draft").callback("draft", GOOD as never);
  expect(run.status).toBe("completed");
});

test("Items of a stage with `map` repeat, each by itself.", () => {
  const run = new Play([
    draft({}, { map: { over: "[1, 2]", max_items: 10, concurrency: 4, on_error: "fail" } }),
  ]);
  run.answer("draft[0]", bad(1)).answer("draft[1]", GOOD);
  expect(run.calls).toEqual(["draft[0]"]);
  expect(unitScope(run.state, "draft[0]")).toEqual({
    item: 1,
    index: 0,
    iteration: 2,
    previous: { good: false, n: 1 },
  });
  run.answer("draft[0]", GOOD);
  expect(run.view.final_result).toMatchObject({ completed: 2 });
});
