// A budget of the config that is spent (src/contract/README.md section 12): the call is not sent and is no try, calls in
// flight finish, and a resume makes it.
import { describe, expect, test } from "vitest";
import { MapSpec } from "../../../../src/contract/stage.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../../src/core/execution/log-event.ts";
import { ok, Play, side, stage, status } from "../../rules/play.ts";

const SPENT = {
  ok: "overspent" as const,
  scope: "tenant",
  spent_usd: 1.2,
  limit_usd: 1,
};

/** The run goes on as its log says that it did. */
function expectReplayed(play: Play): void {
  expect(replay(JSON.parse(JSON.stringify(play.log)) as LogEvent[])).toEqual(play.state);
}

describe("a call that is not sent, since a budget is spent", () => {
  test("pauses its run, with the scope and what each stage has spent, and is made by a resume", () => {
    const play = new Play([stage("one"), stage("two", { depends_on: ["one"] })]);
    play.answer("one", ok({}, { usage: { cost_usd: 0.5, input_tokens: 3, output_tokens: 4 } }));
    play.after(20).answer("two", SPENT);
    expect(play.last).toMatchObject({
      type: "execution.paused",
      message: "paused: the budget of tenant is spent, 1.2 of 1 USD",
      data: {
        mode: "drain",
        reason: "budget",
        scope: "tenant",
        spent: { cost_usd: 1.2, tokens: 0 },
        limit: { cost_usd: 1 },
        by_stage: { one: { cost_usd: 0.5, tokens: 7 } },
      },
    });
    expect(play.result("two")).toMatchObject({ status: "pending", attempts: 0 });
    expect([play.status, play.calls, play.state.isOverspent]).toEqual(["paused", [], true]);
    play.after(60_000).resume();
    expect([play.status, play.calls, play.state.isOverspent]).toEqual(["running", ["two"], false]);
    expect(play.of("stage.started").map(({ attempt, internal }) => [attempt, internal?.repeated])).toEqual([
      [1, undefined],
      [1, undefined],
      [1, true],
    ]);
    play.after(10).answer("two");
    expect(play.result("two")).toMatchObject({ status: "completed", attempts: 1 });
    expectReplayed(play);
  });

  test("uses up no try of a stage that has failed before", () => {
    const play = new Play([stage("one")], { retry_delay_seconds: 0 });
    play.fail("one", status(503)).tick().answer("one", SPENT);
    expect(play.result("one")).toMatchObject({ status: "pending", attempts: 1 });
    play.resume().answer("one");
    expect(play.result("one")).toMatchObject({ status: "completed", attempts: 2 });
    expectReplayed(play);
  });

  test("lets others finish, and each that is not sent says so", () => {
    const play = new Play([side("one"), side("two"), side("three")]);
    play.answer("one", SPENT);
    const paused_at = play.state.paused_at;
    expect(play.calls).toEqual(["two", "three"]);
    play.after(50).answer("two", SPENT);
    play.after(50).answer("three");
    expect([play.calls, play.state.paused_at]).toEqual([[], paused_at]);
    expect(play.of("execution.paused").length).toBe(2);
    expect(play.result("three").status).toBe("completed");
    play.resume();
    expect(play.calls).toEqual(["one", "two"]);
    expectReplayed(play);
  });

  test("of an item of a list is that item's", () => {
    const play = new Play(
      [stage("each", { map: MapSpec.parse({ over: "context.list", concurrency: 2 }) })],
      {},
      {
        context: { list: [1, 2, 3] },
      },
    );
    play.answer("each[0]").answer("each[1]", SPENT);
    expect(play.status).toBe("paused");
    play.resume();
    expect(play.calls).toContain("each[1]");
    for (const item of ["each[1]", "each[2]"]) play.answer(item);
    expect(play.status).toBe("completed");
    expectReplayed(play);
  });

  test("is found so in a run that is paused by hand, whose pause it becomes", () => {
    const play = new Play([stage("one")]);
    play.pause("drain").answer("one", SPENT);
    expect([play.state.isOverspent, play.calls]).toEqual([true, []]);
    play.resume();
    expect(play.calls).toEqual(["one"]);
    expectReplayed(play);
  });
});
