// What a run has used, as it is added up: every call's once, in its stage and in the whole (I20).
import { describe, expect, test } from "vitest";
import { RepeatSpec } from "../../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../../src/core/execution/command.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import { later, ok, Play, stage, status } from "../../rules/play.ts";

const failed = (tokens: number): CallOutcome => ({
  ok: false,
  failure: status(503),
  usage: { output_tokens: tokens, model: "m" },
});
const used = (tokens: number) => ok({}, { usage: { output_tokens: tokens, model: "n" } });

const totalsOf = (play: Play) => {
  // The same from the log alone.
  expect(replay(structuredClone(play.log))?.usage).toEqual(play.state.usage);
  return {
    run: play.view.usage["output_tokens"],
    stages: Object.fromEntries(
      Object.entries(play.view.stage_results).map(([name, { usage }]) => [name, usage?.["output_tokens"]]),
    ),
  };
};

describe("a failed call's usage", () => {
  test("is its stage's and the run's, with that of the try that completes it.", () => {
    const play = new Play([stage("one"), stage("two")]);
    play.answer("one", failed(3)).after(60_000).tick();
    expect(play.view.usage["output_tokens"]).toBe(3);
    play.answer("one", used(4)).answer("two", used(10));
    expect(totalsOf(play)).toEqual({ run: 17, stages: { one: 7, two: 10 } });
    // Of the last call's model.
    expect(play.result("one").usage?.["model"]).toBe("n");
  });

  test("counts where the stage fails for good.", () => {
    const play = new Play([stage("one", { retry_attempts: 2 })]);
    play.answer("one", failed(3)).after(60_000).tick().answer("one", failed(4));
    expect([play.status, totalsOf(play)]).toEqual(["failed", { run: 7, stages: { one: 7 } }]);
  });

  test("counts before a fallback, and the fallback's own is added.", () => {
    const fallback = { strategy: "use_simple_model" as const, agent_type: "other" };
    const play = new Play([stage("one", { retry_attempts: 1, fallback })]);
    play.answer("one", failed(3)).answer("one", used(4));
    expect(totalsOf(play)).toEqual({ run: 7, stages: { one: 7 } });
  });

  test("of an agent that calls back counts, too.", () => {
    const play = new Play([later("slow")]);
    play.accept("slow").callback("slow", failed(3) as never);
    play.after(60_000).tick().answer("slow", used(4));
    expect(totalsOf(play)).toEqual({ run: 7, stages: { slow: 7 } });
  });
});

test("an item's is the item's, its stage's and the run's", () => {
  const play = new Play([
    stage("all", { map: { over: "[1, 2]", concurrency: 1, max_items: 9, on_error: "fail" } }),
  ]);
  play.answer("all[0]", failed(1)).after(60_000).tick().answer("all[0]", used(2)).answer("all[1]", used(4));
  expect([play.status, totalsOf(play)]).toEqual(["completed", { run: 7, stages: { all: 7 } }]);
});

test("an iteration's is, too", () => {
  const repeat = RepeatSpec.parse({ until: "result.done", max: 3 });
  const play = new Play([stage("again", { repeat })]);
  play.answer("again", ok({ done: false }, { usage: { output_tokens: 3 } }));
  play.answer("again", ok({ done: true }, { usage: { output_tokens: 4 } }));
  expect([play.status, totalsOf(play)]).toEqual(["completed", { run: 7, stages: { again: 7 } }]);
});

test("a call that has reported nothing adds nothing", () => {
  const play = new Play([stage("one")]);
  play.answer("one");
  expect(play.view.usage).toEqual({});
  expect(play.result("one").usage).toBeNull();
});
