// src/contract/README.md section 2: which stage starts when. Each test's name is the rule.
import { expect, test } from "vitest";
import { Play, REJECTED, ok, side, stage, status } from "./play.ts";

const NO = status(400);

test("A stage starts when all its dependencies are terminal and none of them is a failed required one.", () => {
  const play = new Play([side("a"), side("b"), side("c", { depends_on: ["a", "b"] })]);
  expect(play.calls).toEqual(["a", "b"]);
  play.answer("a");
  expect(play.calls).toEqual(["b"]);
  play.answer("b");
  expect(play.calls).toEqual(["c"]);

  const failed = new Play([side("a"), side("b", { depends_on: ["a"] })]);
  failed.fail("a", NO);
  expect(failed.of("stage.started").map((event) => event.stage)).toEqual(["a"]);
});

test("A skipped stage, or a failed optional one, satisfies its dependants with null.", () => {
  const play = new Play([
    side("skipped", { when: "false" }),
    side("failed", { required: false }),
    side("last", {
      depends_on: ["skipped", "failed"],
      when: "results.skipped == null && results.failed == null",
    }),
  ]);
  play.fail("failed", NO);
  expect(play.calls).toEqual(["last"]);
  play.answer("last");
  expect(play.status).toBe("completed");
  expect(play.result("skipped")).toMatchObject({ status: "skipped", data: null, attempts: 0 });
  expect(play.result("failed")).toMatchObject({ status: "failed", data: null });
});

test("parallel: true stages overlap one another, up to max_concurrent_stages.", () => {
  const play = new Play(
    ["a", "b", "c", "d"].map((name) => side(name)),
    { max_concurrent_stages: 2 },
  );
  expect(play.calls).toEqual(["a", "b"]);
  play.answer("b");
  expect(play.calls).toEqual(["a", "c"]);
});

test("A parallel: false stage runs alone.", () => {
  const play = new Play([side("a"), stage("alone"), side("b")]);
  expect(play.calls).toEqual(["a"]);
  play.answer("a");
  expect(play.calls).toEqual(["alone"]);
  play.answer("alone");
  expect(play.calls).toEqual(["b"]);
});

test("enable_parallel_execution: false makes every stage run alone.", () => {
  const play = new Play([side("a"), side("b")], { enable_parallel_execution: false });
  expect(play.calls).toEqual(["a"]);
  play.answer("a");
  expect(play.calls).toEqual(["b"]);
});

test("Ready stages go in definition order.", () => {
  const play = new Play([side("z", { depends_on: ["first"] }), side("y"), side("first"), side("x")], {
    max_concurrent_stages: 1,
  });
  expect(play.calls).toEqual(["y"]);
  play.answer("y");
  expect(play.calls).toEqual(["first"]);
  play.answer("first");
  expect(play.calls).toEqual(["z"]);
});

test("Nothing overtakes an exclusive stage that waits.", () => {
  const play = new Play([side("a"), side("b"), side("late", { depends_on: ["a"] }), stage("exclusive")]);
  // It has been ready from the start; what becomes ready later waits behind it, though it is defined before it.
  play.answer("a");
  expect(play.calls).toEqual(["b"]);
  play.answer("b");
  expect(play.calls).toEqual(["exclusive"]);
  play.answer("exclusive");
  expect(play.calls).toEqual(["late"]);
});

test("A stage keeps its place while it waits between tries.", () => {
  const play = new Play([side("a"), side("b"), side("c")], { max_concurrent_stages: 2 });
  play.fail("a", REJECTED, 0.9);
  expect(play.calls).toEqual(["b"]);
  play.after(play.delay).tick();
  expect(play.calls).toEqual(["a", "b"]);
  const alone = new Play([stage("a"), side("b")]);
  alone.fail("a", REJECTED, 0.9);
  expect(alone.calls).toEqual([]);
});

test("A required stage that fails ends the execution failed; stages in flight are aborted and become cancelled, the rest stay pending.", () => {
  const play = new Play([side("a"), side("b"), side("waits"), side("c", { depends_on: ["b"] })]);
  play.fail("waits", REJECTED);
  play.fail("a", NO);
  expect(play.status).toBe("failed");
  expect(play.calls).toEqual([]);
  const statuses = Object.values(play.view.stage_results).map((result) => result.status);
  expect(statuses).toEqual(["failed", "cancelled", "cancelled", "pending"]);
  expect(play.view.error_info).toMatchObject({
    failed_stage: "a",
    code: "AGENT_PROCESSING_ERROR",
    retry_attempts: 1,
  });
});

test("when: false skips the stage, a condition that cannot be evaluated fails it with INVALID_PIPELINE_CONFIG.", () => {
  const play = new Play(
    [
      side("skipped", { when: "context.wanted == true" }),
      side("wrong", { when: "results.skipped.field == 1", depends_on: ["skipped"], required: false }),
    ],
    {},
    { context: { wanted: false } },
  );
  expect(play.status).toBe("completed");
  expect(play.result("skipped")).toMatchObject({
    status: "skipped",
    skip_reason: expect.stringContaining("context.wanted"),
  });
  expect(play.result("wrong")).toMatchObject({
    status: "failed",
    error: { code: "INVALID_PIPELINE_CONFIG", retryable: false },
  });
  expect(play.of("stage.started")).toEqual([]);
});

test("when sees query, results and context.", () => {
  const play = new Play(
    [
      side("a"),
      side("b", {
        depends_on: ["a"],
        when: 'query.contains("energy") && results.a.n == 2 && context.added == 1',
      }),
    ],
    {},
    { context: {} },
  );
  play.answer("a", ok({ n: 2 }, { context: { added: 1 } }));
  expect(play.calls).toEqual(["b"]);
});
