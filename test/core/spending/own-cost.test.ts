// What a run's calls cost, as its budgets count it: each cost once, also after a crash, and none of an inner execution's.
import { describe, expect, test } from "vitest";
import { ownCost } from "../../../src/core/spending/own-cost.ts";
import { ok, Play, stage, status } from "../rules/play.ts";
import { makeRun } from "../simulation/spec.ts";

const BUDGETS = [{ scope: "tenant", cost_usd: 1, window_seconds: 60 }];
const costing = (cost_usd: unknown) => ok({ a: 1 }, { usage: { cost_usd } });

/** The costs that are counted for the answers to these stages. */
function costs(play: Play, answers: Record<string, ReturnType<typeof ok>>): number[] {
  return Object.entries(answers).map(([name, outcome]) => {
    const { length } = play.log;
    play.answer(name, outcome);
    return ownCost(play.state, play.log.slice(length));
  });
}

describe("what a run's calls cost", () => {
  test("is what its usage grows by", () => {
    const play = new Play([stage("one"), stage("two"), stage("three")], { budgets: BUDGETS });
    expect(costs(play, { one: costing(0.25), two: ok(), three: costing(0.5) })).toEqual([0.25, 0, 0.5]);
  });

  test("is nothing where it is less than that, or no number", () => {
    const play = new Play([stage("one"), stage("two")], { budgets: BUDGETS });
    expect(costs(play, { one: costing(-3), two: costing("much") })).toEqual([0, 0]);
  });

  test("is not counted in a run without budgets", () => {
    expect(costs(new Play([stage("one")]), { one: costing(0.25) })).toEqual([0]);
  });

  test("is that of tries that failed, and of a question, as well", () => {
    const play = new Play([stage("one", { on_input_required: "wait" })], {
      budgets: BUDGETS,
      retry_delay_seconds: 0,
    });
    const { length } = play.log;
    play.answer("one", { ok: false, failure: status(503), usage: { cost_usd: 0.25 } }).tick();
    play.answer("one", {
      ok: "asks",
      prompt: { text: "which?" },
      schema: null,
      continuation: {},
      usage: { cost_usd: 0.5 },
    });
    expect(play.status).toBe("waiting");
    expect(ownCost(play.state, play.log.slice(length))).toBe(0.75);
  });

  test("is counted by the execution that makes them, and not again by the one whose stage runs it", () => {
    const pipelines = { inner: { version: 1, stages: [stage("work")] } };
    const play = new Play(
      [makeRun("sub", "inner"), stage("own", { depends_on: ["sub"] })],
      { budgets: BUDGETS },
      {
        pipelines,
      },
    );
    expect(costs(play, { sub: costing(0.25), own: costing(0.5) })).toEqual([0, 0.5]);
    expect(play.state.usage).toEqual({ cost_usd: 0.75 });
  });
});
