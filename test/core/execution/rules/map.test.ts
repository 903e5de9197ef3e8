// src/contract/README.md section 2, `map`: one call for each item of a list. Each test's name is the rule.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { type AgentStage, MapSpec } from "../../../../src/contract/stage.ts";
import { wireJson } from "../../../../src/core/execution/log-event.ts";
import { dataOf } from "../../../../src/core/execution/evolve.ts";
import { stageInput } from "../../../../src/core/execution/stage-input.ts";
import { BROKEN, ok, Play, REJECTED, side, stage, status } from "../../rules/play.ts";

const over = (list: string, fields: object = {}) => MapSpec.parse({ over: list, ...fields });

/** A stage that maps `context.docs`. */
function each(map: object = {}, fields: Partial<AgentStage> = {}): AgentStage {
  return stage("each", { map: over("context.docs", map), retry_attempts: 2, ...fields });
}

const docs = (count: number) => Array.from({ length: count }, (_, at) => `doc ${at}`);

function play(
  count: number,
  map: object = {},
  fields: Partial<AgentStage> = {},
  after: AgentStage[] = [],
): Play {
  return new Play([each(map, fields), ...after], {}, { context: { docs: docs(count) } });
}

/** Answers calls until none is in flight. */
function answerAll(run: Play): void {
  for (let [call] = run.calls; call !== undefined; [call] = run.calls) run.answer(call, ok({ from: call }));
}

describe("one call an item", () => {
  test("As many items as concurrency says are at work, and the next begins when one ends.", () => {
    const run = play(6, { concurrency: 2 });
    expect(run.calls).toEqual(["each[0]", "each[1]"]);
    run.answer("each[1]");
    expect(run.calls).toEqual(["each[0]", "each[2]"]);
    expect(run.status).toBe("running");
  });

  test("No more of them are sent at a time than an object has connections, beside those that wait for a callback.", () => {
    const run = play(20, { concurrency: 10 }, { callback_timeout_seconds: 60 });
    expect(run.calls).toHaveLength(6);
    for (const call of run.calls) run.accept(call);
    expect(run.calls).toHaveLength(4);
    run.answer("each[6]");
    expect(run.calls).toEqual(["each[7]", "each[8]", "each[9]", "each[10]"]);
  });

  test("data has the items in the order of the list, however they end.", () => {
    const run = play(3);
    for (const at of [2, 0, 1]) run.answer(`each[${at}]`, ok({ n: at }));
    expect(run.status).toBe("completed");
    expect(run.view.final_result).toEqual({
      items: [0, 1, 2].map((n) => ({ index: n, status: "completed", data: { n }, error: null, attempts: 1 })),
      completed: 3,
      failed: 0,
    });
  });

  test("The stage's stage.started says how many there are, and events of an item carry its place.", () => {
    const run = play(2);
    run.answer("each[0]");
    const shown = run.log.flatMap(({ type, stage: of, item, data }) =>
      of === undefined ? [] : [{ type, of, item, data }],
    );
    expect(shown.slice(0, 3)).toMatchObject([
      { type: "stage.started", of: "each", item: undefined, data: { agent_type: "agent_each", items: 2 } },
      { type: "stage.started", of: "each", item: 0 },
      { type: "stage.started", of: "each", item: 1 },
    ]);
    expect(shown.at(-1)).toMatchObject({ type: "stage.completed", of: "each", item: 0 });
    expect(wireJson(run.log[1] as never)).not.toContain("doc 0");
  });

  test("An empty list completes.", () => {
    const run = play(0);
    expect(run.view.final_result).toEqual({ items: [], completed: 0, failed: 0 });
    expect(run.types).not.toContain("stage.failed");
  });

  test("A list longer than max_items fails before any call.", () => {
    const run = play(4, { max_items: 3 });
    expect(run.view.error_info).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "each: map.over: 4 items, and max_items is 3",
      retry_attempts: 0,
    });
    expect(run.view.stage_results["each"]).toMatchObject({ status: "failed", attempts: 0 });
    expect(run.of("stage.started")).toEqual([]);
    expect(run.result("each").attempts).toBe(0);
    expect(run.view.error_info?.retry_attempts).toBe(0);
  });

  test("An expression that gives no list, or cannot be evaluated, fails the stage and names map.over.", () => {
    const wrong = new Play(
      [stage("each", { map: over("context.docs") })],
      {},
      { context: { docs: { a: 1 } } },
    );
    expect(wrong.view.error_info).toMatchObject({ code: "INVALID_PIPELINE_CONFIG" });
    expect(wrong.view.error_info?.message).toContain("map.over: ");
    const none = new Play([stage("each", { map: over("context.docs") })]);
    expect(none.view.error_info?.message).toContain("map.over: ");
  });

  test("The list is what it was when the stage began, also after a crash.", () => {
    const run = play(2, { concurrency: 1 });
    run.answer("each[0]", ok({}, { context: { docs: ["another"] } })).crash();
    expect(run.state.stages[0]?.values).toEqual(["doc 0", "doc 1"]);
    answerAll(run);
    expect(run.view.final_result).toMatchObject({ completed: 2 });
  });

  test("`input` sees the item and its place.", () => {
    const run = play(2, {}, { input: { text: "item", at: "index", q: "query" } });
    expect(stageInput(run.state, "each[1]")).toEqual({
      ok: true,
      value: { text: "doc 1", at: 1, q: run.state.spec.query },
    });
  });

  test("An input that cannot be evaluated fails its item alone.", () => {
    const run = new Play(
      [each({ on_error: "collect" }, { input: { n: "item.n" } })],
      {},
      { context: { docs: [{ n: 1 }, {}] } },
    );
    answerAll(run);
    const { items } = run.view.final_result as { items: object[] };
    expect(items).toMatchObject([
      { status: "completed" },
      { status: "failed", attempts: 0, error: { code: "INVALID_PIPELINE_CONFIG" } },
    ]);
  });
});

describe("retries, fallbacks and failures of items", () => {
  test("Retries are each item's.", () => {
    const run = play(2);
    run.fail("each[0]", REJECTED);
    expect(run.calls).toEqual(["each[1]"]);
    run.after(run.delay).tick();
    expect(run.calls).toEqual(["each[0]", "each[1]"]);
    answerAll(run);
    expect(run.view.final_result).toMatchObject({ items: [{ attempts: 2 }, { attempts: 1 }], completed: 2 });
    expect(run.result("each").attempts).toBe(2);
  });

  test("An item that waits for its next try keeps its place.", () => {
    const run = play(3, { concurrency: 1 });
    run.fail("each[0]", REJECTED);
    expect(run.calls).toEqual([]);
  });

  test("fail: the first item that fails cancels its siblings, and the stage fails with its error.", () => {
    const run = play(4, { concurrency: 2 });
    run.fail("each[1]", status(400));
    expect(run.of("stage.cancelled").map(({ item }) => item)).toEqual([0]);
    expect(run.calls).toEqual([]);
    expect(run.result("each")).toMatchObject({ status: "failed", data: null });
    expect(run.view.error_info?.message).toMatch(/^each: item 1: /);
    expect(run.of("stage.started").map(({ item }) => item)).toEqual([undefined, 0, 1]);
  });

  test("fail: a stage that is not required goes on with null.", () => {
    const last = stage("last", { depends_on: ["each"] });
    const run = play(2, {}, { required: false }, [last]);
    run.fail("each[0]", status(400));
    expect(run.calls).toEqual(["last"]);
    expect(dataOf(run.state, "each")).toBeNull();
  });

  test("collect: the stage completes with the errors of its items.", () => {
    const run = play(3, { on_error: "collect" });
    run.fail("each[1]", status(404)).answer("each[0]").answer("each[2]");
    expect(run.view.final_result).toMatchObject({
      items: [{ status: "completed" }, { status: "failed", data: null, error: { status: 404 } }, {}],
      completed: 2,
      failed: 1,
    });
  });

  test("A fallback is each item's.", () => {
    const fallback = { strategy: "use_default" as const, data: { none: true } };
    const run = play(2, {}, { fallback });
    run.fail("each[0]", status(400)).answer("each[1]", ok({ n: 1 }));
    expect(run.view.final_result).toMatchObject({ items: [{ data: { none: true } }, { data: { n: 1 } }] });
  });

  test("An answer that breaks the contract is asked for once more.", () => {
    const run = play(1, {}, { retry_attempts: 3 });
    run.fail("each[0]", BROKEN);
    run.after(run.delay).tick().fail("each[0]", BROKEN);
    expect(run.view.error_info?.code).toBe("AGENT_PROCESSING_ERROR");
  });

  test("The usage of all items is the stage's, and is counted once.", () => {
    const run = play(2);
    for (const at of [0, 1]) run.answer(`each[${at}]`, ok({}, { usage: { tokens: 5 } }));
    expect(run.result("each").usage).toEqual({ tokens: 10 });
    expect(run.view.usage).toEqual({ tokens: 10 });
  });
});

describe("pauses, cancels and crashes", () => {
  test("A crash repeats no item that was committed, and each that was not with its attempt.", () => {
    const run = play(3, { concurrency: 2 });
    run.answer("each[0]").crash();
    expect(run.calls).toEqual(["each[1]", "each[2]"]);
    expect(run.of("execution.recovered")[0]?.data.stages).toEqual(["each"]);
    const again = run.of("stage.started").slice(-2);
    expect(again.map(({ item, attempt, internal }) => ({ item, attempt, internal }))).toEqual([
      { item: 1, attempt: 1, internal: { repeated: true } },
      { item: 2, attempt: 1, internal: { repeated: true } },
    ]);
  });

  test("No item begins while the run is paused; those at work end.", () => {
    const run = play(3, { concurrency: 1 });
    run.pause("drain").answer("each[0]");
    expect(run.calls).toEqual([]);
    run.resume();
    expect(run.calls).toEqual(["each[1]"]);
  });

  test("An aborting pause interrupts items, and the resume calls them again.", () => {
    const run = play(2);
    run.pause("abort");
    expect(run.calls).toEqual([]);
    expect(run.state.drained_at).not.toBeNull();
    run.resume();
    expect(run.calls).toEqual(["each[0]", "each[1]"]);
    answerAll(run);
    expect(run.result("each").attempts).toBe(1);
  });

  test("A cancel ends the items at work, and then the stage.", () => {
    const run = play(3, { concurrency: 2 });
    run.cancel();
    expect(run.of("stage.cancelled").map(({ item }) => item)).toEqual([0, 1, undefined]);
    expect(run.result("each").status).toBe("cancelled");
  });

  test("A stage that is cancelled has the tries and the usage of its items.", () => {
    const run = play(3, { concurrency: 2 });
    run.answer("each[0]", ok({}, { usage: { tokens: 5 } })).fail("each[1]", REJECTED);
    run.after(run.delay).tick().cancel();
    expect(run.result("each")).toMatchObject({ status: "cancelled", attempts: 2, usage: { tokens: 5 } });
    expect(run.view.usage).toEqual({ tokens: 5 });
  });

  test("An item whose agent answers later leaves the run waiting, and its callback is its result.", () => {
    const run = play(2, {}, { callback_timeout_seconds: 60 });
    run.accept("each[0]").answer("each[1]", ok({ n: 1 }));
    expect(run.status).toBe("waiting");
    const call = run.of("stage.started").find(({ item }) => item === 0)?.seq as number;
    run.callback("each[0]", ok({ n: 0 }) as never, call);
    expect(run.refusal).toBeNull();
    expect(run.view.final_result).toMatchObject({ items: [{ data: { n: 0 } }, { data: { n: 1 } }] });
    run.callback("each[0]", ok({ n: 0 }) as never, call);
    expect(run.refusal).toEqual({ reason: "repeated", stage: "each" });
  });

  test("A callback is its own item's, also where its call was lost and another item's has its number.", () => {
    const run = play(3, { concurrency: 2 }, { callback_timeout_seconds: 60 });
    run.accept("each[0]").accept("each[1]");
    const call = run.of("stage.started").find(({ item }) => item === 1)?.seq as number;
    run.callback("each[0]", ok({ n: 0 }) as never, call);
    expect(run.refusal).toMatchObject({ reason: "unanswerable", stage: "each" });
    run.callback("each[1]", ok({ n: 1 }) as never, call);
    expect(run.of("stage.completed").map(({ item }) => item)).toEqual([1]);
  });

  test("A callback that does not come is the item's timeout.", () => {
    const run = play(1, { on_error: "collect" }, { callback_timeout_seconds: 60, retry_attempts: 1 });
    run.accept("each[0]").after(60_000).tick();
    expect(run.view.final_result).toMatchObject({ items: [{ error: { code: "STAGE_TIMEOUT" } }], failed: 1 });
  });
});

test("While items are at work, the stage's time on the critical path is theirs.", () => {
  const run = play(3, { concurrency: 1 });
  run.after(100).answer("each[0]").after(50).tick();
  const links = run.view.performance_metrics.critical_path_links;
  // An execution is as it was at its last event.
  expect(links).toEqual([{ kind: "stage", stage: "each", ms: 100 }]);
});

describe("beside other stages", () => {
  test("A stage that maps has one place among them.", () => {
    const run = new Play(
      [side("each", { map: over("context.docs") }), side("a"), side("b")],
      { max_concurrent_stages: 2 },
      { context: { docs: docs(3) } },
    );
    expect(run.calls).toEqual(["each[0]", "each[1]", "each[2]", "a"]);
  });

  test("Its place is free while nothing but callbacks of its items is waited for.", () => {
    const run = new Play(
      [stage("each", { map: over("context.docs"), callback_timeout_seconds: 60 }), stage("a")],
      {},
      { context: { docs: docs(1) } },
    );
    expect(run.calls).toEqual(["each[0]"]);
    run.accept("each[0]");
    expect(run.calls).toEqual(["a"]);
  });

  test("The place that it frees where its last items need no call is taken at once.", () => {
    const input = { n: "item.n" };
    const run = new Play(
      [
        stage("a", { callback_timeout_seconds: 60 }),
        stage("each", { map: over("context.docs", { concurrency: 1, on_error: "collect" }), input }),
      ],
      {},
      { context: { docs: [{ n: 1 }, {}] } },
    );
    run.accept("a").callback("a", { ok: false, failure: REJECTED }).after(run.delay).tick();
    expect(run.calls).toEqual(["each[0]"]);
    run.answer("each[0]");
    expect(run.calls).toEqual(["a"]);
  });

  test("A place that it has left it needs again for its next item.", () => {
    const run = new Play(
      [
        stage("each", { map: over("context.docs", { concurrency: 1 }), callback_timeout_seconds: 60 }),
        stage("a"),
      ],
      {},
      { context: { docs: docs(2) } },
    );
    run.accept("each[0]").callback("each[0]");
    expect(run.calls).toEqual(["a"]);
    run.answer("a");
    expect(run.calls).toEqual(["each[1]"]);
  });
});

describe("large results", () => {
  const large = { text: "x".repeat(4 * 1024) };

  test("Beyond a bound, events and views show items without their data; the stages after it get them.", () => {
    const last = stage("last", { depends_on: ["each"] });
    const run = play(100, { max_items: 100, concurrency: 100 }, {}, [last]);
    for (let at = 0; at < 100; at += 1) run.answer(`each[${at}]`, ok(large));
    const data = dataOf(run.state, "last");
    expect(data).toBeNull();
    expect(dataOf(run.state, "each")).toMatchObject({
      completed: 100,
      items: expect.arrayContaining([expect.objectContaining({ data: large })]),
    });
    const shown = run.result("each").data as { items: object[]; truncated: boolean };
    expect(shown.truncated).toBe(true);
    expect(shown.items[0]).toEqual({ index: 0, status: "completed", data: null, error: null, attempts: 1 });
    const end = run.of("stage.completed").at(-1);
    expect(wireJson(end as never).length).toBeLessThan(LIMITS.SHOWN_ITEMS_BYTES);
    const before = dataOf(run.state, "each");
    run.crash({ crashes: 0 });
    expect(dataOf(run.state, "each")).toEqual(before);
  });

  test("What the items add is bounded by memory_limit_mb.", () => {
    const run = new Play(
      [each({ concurrency: 10 }, { retry_attempts: 1 })],
      { memory_limit_mb: 0.02 },
      { context: { docs: docs(10) } },
    );
    for (let at = 0; run.status === "running"; at += 1) run.answer(`each[${at}]`, ok(large));
    expect(run.view.error_info).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });
});
