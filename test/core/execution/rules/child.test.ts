// src/contract/README.md section 13, `pipeline`: a stage that runs an execution of its own. Each test's name is the rule.
import { describe, expect, test } from "vitest";
import { type PipelineRunStage, RepeatSpec } from "../../../../src/contract/stage.ts";
import type { PinnedPipeline } from "../../../../src/core/execution/run-spec.ts";
import { awaitsPerson, stageOf } from "../../../../src/core/execution/state.ts";
import { childOf, childSpec, everyChild } from "../../../../src/core/execution/units/child.ts";
import { ok, Play, stage } from "../../rules/play.ts";
import { makeRun } from "../../simulation/spec.ts";

const runs = (fields: Partial<PipelineRunStage> = {}) => makeRun("sub", "inner", fields);

const PIPELINES: Record<string, PinnedPipeline> = { inner: { version: 3, stages: [stage("work")] } };
const RESTS = { ok: "rests", seen: { seq: 4, asking: [] } } as const;
const ASKS = { ok: "rests", seen: { seq: 4, asking: ["work"] } } as const;

function play(fields: Partial<PipelineRunStage> = {}, context: Record<string, unknown> = {}): Play {
  return new Play([runs(fields)], {}, { pipelines: PIPELINES, context });
}

const callOf = (run: Play) => run.of("stage.started").at(-1)?.seq as number;

function specOf(run: Play, unit = "sub") {
  const spec = childSpec(run.state, unit, callOf(run), run.now);
  if (!spec.ok) throw new Error(spec.error);
  return spec.value;
}

describe("the inner execution", () => {
  test("has its id from the stage's stage.started on, the same after a crash.", () => {
    const run = play();
    const id = run.of("stage.started")[0]?.data.child_execution_id;
    expect(id).toMatch(/^ex_[0-9a-f]{32}$/);
    run.crash();
    expect(run.of("stage.started").at(-1)?.data.child_execution_id).toBe(id);
    expect(specOf(run).execution_id).toBe(id);
  });

  test("is pinned to what the outer one is pinned to.", () => {
    const run = play();
    expect(specOf(run)).toMatchObject({
      pipeline: "inner",
      pipeline_version: 3,
      stages: [{ name: "work" }],
      query: run.state.spec.query,
      conversation_id: run.state.spec.conversation_id,
      parent: { execution_id: run.state.spec.execution_id, unit: "sub" },
      no_turn: true,
      watched: false,
    });
  });

  test("is asked what `query` and `context` give.", () => {
    const run = play({ query: "'more of ' + query", context: "{'n': context.n + 1.0}" }, { n: 1 });
    expect(specOf(run)).toMatchObject({ query: `more of ${run.state.spec.query}`, context: { n: 2 } });
  });

  test("has no more time than the outer one has left, or the stage's.", () => {
    const run = play({ timeout_seconds: 10 });
    expect(specOf(run).config.pipeline_timeout_seconds).toBe(10);
    run.after(run.left - 4_000);
    expect(specOf(run).config.pipeline_timeout_seconds).toBe(4);
  });

  test("is one call of the outer trace.", () => {
    const run = new Play(
      [runs()],
      {},
      { pipelines: PIPELINES, traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` },
    );
    const [, trace, span] = specOf(run).traceparent?.split("-") ?? [];
    expect(trace).toBe("a".repeat(32));
    expect(span).not.toBe("b".repeat(16));
  });

  test("is another one for each iteration, and for each item.", () => {
    const repeat = RepeatSpec.parse({ until: "false", max: 3 });
    const map = { over: "[1, 2]", max_items: 2, concurrency: 2, on_error: "fail" as const };
    const run = play({ repeat, map });
    run.answer("sub[0]", ok()).answer("sub[0]", ok());
    const ids = run.of("stage.started").flatMap(({ data }) => data.child_execution_id ?? []);
    expect(new Set(ids).size).toBe(4);
    expect(new Set(everyChild(run.state)).size).toBe(6);
    expect(ids.every((id) => everyChild(run.state).includes(id))).toBe(true);
  });
});

test("An expression that cannot be evaluated, or is of another kind, fails the stage before any call.", () => {
  for (const [fields, message] of [
    [{ query: "context.n" }, "sub: query: returns double, not string, of context.n"],
    [{ query: "context.missing" }, "sub: query: "],
    [{ context: "context.n" }, "sub: context: returns double, not object, of context.n"],
  ] as const) {
    const run = play(fields, { n: 1 });
    expect(run.view.error_info).toMatchObject({ code: "INVALID_PIPELINE_CONFIG" });
    expect(run.view.error_info?.message).toContain(message);
    expect(run.of("stage.started")).toEqual([]);
  }
});

test("It is not tried again: its failure is the stage's, with its code.", () => {
  const run = play();
  run.fail("sub", { kind: "execution", code: "STAGE_TIMEOUT", message: "its execution x has failed: slow" });
  expect(run.view.error_info).toMatchObject({
    code: "STAGE_TIMEOUT",
    message: "sub: its execution x has failed: slow",
  });
});

describe("while the inner execution rests", () => {
  test("the stage waits for it, and the clock stands.", () => {
    const run = play().answer("sub", RESTS);
    expect(run.status).toBe("waiting");
    expect(run.calls).toEqual([]);
    expect(run.last).toMatchObject({
      type: "stage.waiting",
      data: { reason: "execution", child_execution_id: childOf(run.state, "sub") },
    });
    const { left } = run;
    expect(run.after(100_000).left).toBe(left);
  });

  test("it is followed behind what was read of it, also after a crash; another iteration's has none.", () => {
    const run = play({ repeat: RepeatSpec.parse({ until: "result.done", max: 3 }) }).answer("sub", RESTS);
    run.submit({ type: "child", stage: "sub", child: childOf(run.state, "sub") as string, seq: 5 }).crash();
    expect(stageOf(run.state, "sub").seen).toEqual(RESTS.seen);
    run.answer("sub", ok({ done: false }));
    expect(stageOf(run.state, "sub")).toMatchObject({ phase: "calling", iteration: 2, seen: null });
  });

  test("it says when it goes on, and is followed again under the same attempt.", () => {
    const run = play().answer("sub", RESTS);
    const child = childOf(run.state, "sub") as string;
    run.after(1_000).submit({ type: "child", stage: "sub", child, seq: 5 });
    expect(run.calls).toEqual(["sub"]);
    expect(run.last).toMatchObject({ type: "stage.started", attempt: 1, internal: { repeated: true } });
    run.answer("sub", ok({ n: 1 }));
    expect(run.view).toMatchObject({ status: "completed", final_result: { n: 1 } });
    expect(run.result("sub").attempts).toBe(1);
  });

  test("after the longest wait it is asked again.", () => {
    const run = play().answer("sub", RESTS);
    run.after(run.wakesIn as number).tick();
    expect(run.calls).toEqual(["sub"]);
  });

  test("a person is waited for where a question is open in it, and not where its agent answers later.", () => {
    const run = play().answer("sub", ASKS);
    expect(run.last).toMatchObject({ data: { reason: "execution", asks: true } });
    expect(awaitsPerson(run.state)).toBe(true);
    run.submit({ type: "child", stage: "sub", child: childOf(run.state, "sub") as string, seq: 5 });
    expect(awaitsPerson(run.state)).toBe(false);
    run.answer("sub", RESTS);
    expect(run.status).toBe("waiting");
    expect(awaitsPerson(run.state)).toBe(false);
  });

  test("it is followed again for what was not read of it, and for nothing else.", () => {
    const run = play().answer("sub", RESTS);
    const child = childOf(run.state, "sub") as string;
    const says = (seq: number) => run.submit({ type: "child", stage: "sub", child, seq }).calls;
    expect(says(RESTS.seen.seq)).toEqual([]);
    expect(says(RESTS.seen.seq + 1)).toEqual(["sub"]);
  });

  test("a question within is not answered at the stage, which says where it is.", () => {
    const run = play().answer("sub", ASKS).say("sub");
    const why = `it runs a pipeline: a question within is answered at the execution ${childOf(run.state, "sub")}`;
    expect(run.refusal).toEqual({ reason: "unanswerable", stage: "sub", why });
  });

  test("a person is waited for where that of one item asks.", () => {
    const map = { over: "[1, 2]", max_items: 2, concurrency: 2, on_error: "fail" as const };
    const run = play({ map }).answer("sub[0]", RESTS);
    expect(awaitsPerson(run.state)).toBe(false);
    run.answer("sub[1]", ASKS);
    expect(run.status).toBe("waiting");
    expect(awaitsPerson(run.state)).toBe(true);
  });

  test("a pause keeps it from being followed until the resume.", () => {
    const run = play().answer("sub", RESTS).pause("drain");
    run.submit({ type: "child", stage: "sub", child: childOf(run.state, "sub") as string, seq: 5 });
    expect(run.calls).toEqual([]);
    run.resume();
    expect(run.calls).toEqual(["sub"]);
  });
});

test("Of an inner execution that the stage still follows, it is to be said again.", () => {
  const run = play();
  const child = childOf(run.state, "sub") as string;
  expect(run.submit({ type: "child", stage: "sub", child, seq: 5 }).refusal).toEqual({ reason: "in_flight" });
});

test("Of an inner execution that is none of the stage's, nothing changes.", () => {
  const run = play().answer("sub", RESTS);
  expect(run.submit({ type: "child", stage: "sub", child: "ex_other", seq: 5 }).refusal).toEqual({
    reason: "stale",
  });
  expect(run.submit({ type: "child", stage: "none", child: "x", seq: 5 }).refusal).toMatchObject({
    reason: "unknown_stage",
  });
  const seq = run.state.seq;
  run.cancel().submit({ type: "child", stage: "sub", child: childOf(run.state, "sub") as string, seq: 5 });
  expect(run.refusal).toBeNull();
  expect(run.state.seq).toBe(seq + 2);
});
