// src/contract/README.md section 12, budgets. Each test's name is the rule.
import { describe, expect, test } from "vitest";
import type { Budget } from "../../../../src/contract/budget.ts";
import type { ResolvedStage, Usage } from "../../../../src/contract/stage.ts";
import { childSpec } from "../../../../src/core/execution/units/child.ts";
import { later, ok, Play, side, stage, status } from "../../rules/play.ts";
import { makeRun } from "../../simulation/spec.ts";

const PRICES = { small: { input_per_million: 1_000_000, output_per_million: 1_000_000 } };

/** A run with this budget, whose calls in flight report what `reports` says. */
function bounded(budget: Partial<Budget>, stages: ResolvedStage[] = [stage("a"), stage("b"), stage("c")]) {
  const reports = new Map<string, Usage>();
  const fields = {
    budget: { on_exceeded: "pause" as const, ...budget },
    pipelines: { inner: { version: 1, stages: [stage("work")] } },
  };
  const play = new Play(stages, { prices: PRICES }, fields, { reported: () => reports });
  return {
    play,
    report: (unit: string, usage: Usage) => {
      reports.set(unit, usage);
      return play.submit({ type: "usage" });
    },
    ends: (unit: string, usage?: Usage) => {
      reports.delete(unit);
      return play.answer(unit, ok({}, usage === undefined ? {} : { usage }));
    },
    fails: (unit: string, usage: Usage) => {
      reports.delete(unit);
      return play.answer(unit, { ok: false, failure: status(503), usage });
    },
  };
}

const raise = (play: Play, budget?: object) =>
  play.submit({ type: "resume", ...(budget === undefined ? {} : { budget }) } as never);
const pausedData = (play: Play) => play.of("execution.paused").at(-1)?.data as never;

describe("a run is past its budget where it has spent more than that", () => {
  test.each([
    ["cost below", { cost_usd: 1 }, { cost_usd: 0.9 }, false],
    ["cost equal", { cost_usd: 1 }, { cost_usd: 1 }, false],
    ["cost above", { cost_usd: 1 }, { cost_usd: 1.1 }, true],
    ["tokens equal", { tokens: 10 }, { input_tokens: 6, output_tokens: 4 }, false],
    ["tokens above", { tokens: 10 }, { input_tokens: 6, output_tokens: 5 }, true],
    ["other tokens do not count", { tokens: 10 }, { reasoning_tokens: 50, cached_input_tokens: 50 }, false],
    ["either", { tokens: 10, cost_usd: 1 }, { input_tokens: 11 }, true],
    ["by price", { cost_usd: 5 }, { model: "small", input_tokens: 6 }, true],
    ["an unknown cost is not more than any", { cost_usd: 1 }, { model: "other", input_tokens: 6 }, false],
    ["what is negative lowers nothing", { tokens: 10 }, { input_tokens: -5, output_tokens: 11 }, true],
  ] as const)("%s", (_, budget, usage, isOver) => {
    const { play, ends } = bounded(budget);
    ends("a", usage);
    expect([play.status, play.calls]).toEqual(isOver ? ["paused", []] : ["running", ["b"]]);
  });
});

describe("it is checked", () => {
  test("at each end, also of the last stage, which completes once the budget is raised.", () => {
    const { play, ends } = bounded({ tokens: 5 }, [stage("only")]);
    ends("only", { output_tokens: 6 });
    expect([play.status, play.result("only").status]).toEqual(["paused", "completed"]);
    raise(play, { tokens: 6 });
    expect(play.status).toBe("completed");
  });

  test("at each report of a call in flight, of all of them together.", () => {
    const { play, report } = bounded({ tokens: 10 }, [side("a"), side("b"), stage("c")]);
    report("a", { output_tokens: 5 });
    report("b", { output_tokens: 5 });
    expect(play.status).toBe("running");
    // It is all that the call has used, not more of it.
    report("a", { output_tokens: 5 });
    expect(play.status).toBe("running");
    report("b", { output_tokens: 6 });
    expect(play.status).toBe("paused");
    expect(pausedData(play)).toEqual({
      mode: "drain",
      reason: "budget",
      spent: { cost_usd: null, tokens: 11 },
      limit: { tokens: 10 },
      by_stage: { a: { cost_usd: null, tokens: 5 }, b: { cost_usd: null, tokens: 6 } },
    });
    expect(play.calls).toEqual(["a", "b"]);
  });

  test("before a further try, and before a fallback.", () => {
    const { play, fails } = bounded({ tokens: 10 });
    fails("a", { output_tokens: 6 });
    expect(play.status).toBe("running");
    play.after(60_000).tick();
    fails("a", { output_tokens: 6 });
    expect([play.status, play.calls]).toEqual(["paused", []]);
    play.after(60_000).tick();
    expect(play.calls).toEqual([]);
    raise(play, { tokens: 100 });
    play.tick();
    expect(play.calls).toEqual(["a"]);
  });

  test("at a callback.", () => {
    const { play } = bounded({ tokens: 10 }, [later("slow"), stage("next", { depends_on: ["slow"] })]);
    play.accept("slow").callback("slow", ok({}, { usage: { output_tokens: 11 } }) as never);
    expect([play.status, play.calls]).toEqual(["paused", []]);
  });

  test("not once the run has ended, and it ends with what it has used.", () => {
    const { play, report } = bounded({ tokens: 10 }, [side("a"), side("b")]);
    report("a", { output_tokens: 7 });
    play.cancel();
    play.submit({ type: "usage" });
    expect([play.status, play.view.usage]).toEqual(["cancelled", { output_tokens: 7 }]);
  });
});

describe("a failing budget", () => {
  test("fails the run with what it has spent; calls in flight are aborted, and have used what they reported", () => {
    const { play, report } = bounded({ cost_usd: 1, on_exceeded: "fail" }, [side("a"), side("b")]);
    report("a", { cost_usd: 0.5 });
    report("b", { cost_usd: 0.75 });
    expect(play.status).toBe("failed");
    expect(play.view).toMatchObject({
      error_info: { code: "BUDGET_EXCEEDED", message: "the run has spent 1.25 of 1 USD" },
      usage: { cost_usd: 1.25 },
    });
    expect(play.result("a").status).toBe("cancelled");
    expect(play.calls).toEqual([]);
  });
});

describe("a resume", () => {
  const over = () => {
    const run = bounded({ tokens: 10, cost_usd: 5 });
    run.ends("a", { output_tokens: 20 });
    return run.play;
  };

  test.each([
    [
      "without a budget",
      undefined,
      "it has spent 0 of 5 USD, 20 of 10 tokens: resume it with a larger budget",
    ],
    [
      "with a small one",
      { tokens: 19 },
      "it has spent 0 of 5 USD, 20 of 19 tokens: the new budget must be larger",
    ],
    ["with another member", { cost_usd: 50 }, "it has spent 0 of 50 USD, 20 of 10 tokens"],
  ])("%s is refused, and changes nothing.", (_, budget, why) => {
    const play = over();
    const events = play.log.length;
    raise(play, budget);
    expect(play.refusal).toMatchObject({ reason: "over_budget", why: expect.stringContaining(why) });
    expect([play.status, play.log.length]).toEqual(["paused", events]);
  });

  test("with what it has spent goes on, and keeps what it does not name; a crash forgets nothing.", () => {
    const play = over();
    raise(play, { tokens: 20, on_exceeded: "fail" });
    expect([play.refusal, play.status, play.calls]).toEqual([null, "running", ["b"]]);
    const budget = { tokens: 20, cost_usd: 5, on_exceeded: "fail" };
    expect(play.of("execution.resumed").at(-1)?.data).toEqual({ budget });
    play.crash();
    expect(play.view.budget).toEqual(budget);
    play.answer("b", ok({}, { usage: { input_tokens: 1 } }));
    expect(play.status).toBe("failed");
  });
});

describe("what a pause in mode abort interrupts", () => {
  test("has been used, once, and what its next call uses is added; also after a crash.", () => {
    const { play, report, ends } = bounded({ tokens: 100 }, [stage("only")]);
    report("only", { output_tokens: 7 });
    play.pause("abort");
    expect(play.view.usage).toEqual({ output_tokens: 7 });
    play.crash();
    play.resume();
    ends("only", { output_tokens: 5 });
    expect(play.view.usage).toEqual({ output_tokens: 12 });
    expect(play.result("only").usage).toEqual({ output_tokens: 12 });
  });

  test("is not what an execution within has used, which says it again.", () => {
    const { play, report, ends } = bounded({ tokens: 100 }, [makeRun("sub", "inner")]);
    report("sub", { output_tokens: 7 });
    play.pause("abort");
    play.resume();
    ends("sub", { output_tokens: 12 });
    expect(play.view.usage).toEqual({ output_tokens: 12 });
  });
});

describe("an execution within", () => {
  const within = (play: Play) => {
    const spec = childSpec(play.state, "sub", play.log.at(-1)?.seq as number, play.now);
    if (!spec.ok) throw new Error(spec.error);
    return spec.value.budget;
  };

  test("may spend what is left to its run, and is not past that where its run is not.", () => {
    const { play, ends } = bounded({ cost_usd: 0.5, tokens: 30 }, [stage("a"), makeRun("sub", "inner")]);
    ends("a", { cost_usd: 0.4, output_tokens: 10 });
    expect(within(play)).toEqual({ on_exceeded: "pause", cost_usd: expect.closeTo(0.1, 6), tokens: 20 });
    // 0.5 - 0.4 is a little less than 0.1 in doubles, and 0.4 + 0.1 is no more than 0.5.
    expect(within(play)?.cost_usd).toBeGreaterThanOrEqual(0.1);
  });

  test("has one though nothing is left.", () => {
    const { play, ends } = bounded({ cost_usd: 0.5, tokens: 10 }, [stage("a"), makeRun("sub", "inner")]);
    ends("a", { cost_usd: 0.5, output_tokens: 10 });
    expect(within(play)).toEqual({ on_exceeded: "pause", cost_usd: 5e-10, tokens: 1 });
  });

  test("at rest has used what it has reported, also where its run is cancelled then", () => {
    const { play } = bounded({ tokens: 10 }, [makeRun("sub", "inner"), stage("next")]);
    const rests = (tokens: number) =>
      play.answer("sub", { ok: "rests", seen: { seq: 4, asking: [], usage: { output_tokens: tokens } } });
    rests(11);
    expect(play.status).toBe("paused");
    expect(pausedData(play)).toMatchObject({ by_stage: { sub: { tokens: 11 } } });
    raise(play);
    expect(play.refusal?.reason).toBe("over_budget");
    play.cancel();
    expect(play.view.usage).toEqual({ output_tokens: 11 });
  });
});

test("a budget of the config that is spent pauses the run before its call, which is none", () => {
  const play = new Play([stage("a")]);
  play.answer("a", { ok: "overspent", scope: "tenant", spent_usd: 12, limit_usd: 10 });
  expect(play.status).toBe("paused");
  expect(pausedData(play)).toMatchObject({
    reason: "budget",
    spent: { cost_usd: 12 },
    limit: { cost_usd: 10 },
    scope: "tenant",
  });
  expect(play.result("a").status).not.toBe("running");
  play.resume();
  expect(play.calls).toEqual(["a"]);
  play.answer("a");
  expect([play.status, play.result("a").attempts]).toEqual(["completed", 1]);
});

test("one by which an execution within is paused pauses its run, which is resumed for both", () => {
  const { play } = bounded({ tokens: 1_000 }, [
    makeRun("sub", "inner"),
    stage("next", { depends_on: ["sub"] }),
  ]);
  const overspent = { scope: "pipeline:inner", spent_usd: 12, limit_usd: 10 };
  play.answer("sub", { ok: "rests", seen: { seq: 4, asking: [] }, overspent });
  expect(play.types.slice(-2)).toEqual(["stage.waiting", "execution.paused"]);
  expect(pausedData(play)).toMatchObject({ scope: "pipeline:inner", limit: { cost_usd: 10 } });
  expect([play.state.isOverspent, play.crash().state.isOverspent]).toEqual([true, true]);
  play.resume();
  expect([play.refusal, play.status, play.state.isOverspent]).toEqual([null, "waiting", false]);
});
