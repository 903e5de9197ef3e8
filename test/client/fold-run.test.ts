// Budgets and usage in the fold of a run's events: what a spent budget says while it holds the run, and what the run has
// used so far.
import { describe, expect, test } from "vitest";
import { foldEvent, type RunEvent, type RunView } from "../../src/client/index.ts";

/** Logged events. */
function fold(...events: Record<string, unknown>[]): RunView {
  const logged = events.map((event, at) => ({
    execution_id: "e",
    seq: at + 1,
    timestamp: new Date(at).toISOString(),
    status: "running",
    message: "",
    data: {},
    ...event,
  })) as unknown as RunEvent[];
  return logged.reduce<RunView | null>(foldEvent, null) as RunView;
}

const stages = ["find", "write"].map((name) => ({ name, agent_type: name, depends_on: [] }));
const started = { type: "execution.started", data: { query: "q", pipeline: "rag", stages } };
const spent = {
  spent: { cost_usd: 0.012, tokens: 900 },
  limit: { cost_usd: 0.01 },
  by_stage: { find: { cost_usd: 0.012, tokens: 900 } },
};
const paused = (data: object) => ({ type: "execution.paused", status: "paused", data });
const overspent = paused({ mode: "drain", reason: "budget", ...spent });
const ends = (stage: string, usage: object | null, more: object = {}) => ({
  type: "stage.completed",
  stage,
  attempt: 1,
  data: { status: "completed", attempts: 1, cached: false, fallback: null, usage, ...more },
});

describe("a run that is paused by its budget", () => {
  test("says what it has spent, what it may, and which stages have", () => {
    const view = fold(started, overspent);
    expect(view.status).toBe("paused");
    expect(view.budget).toEqual({ ...spent, scope: null });
  });

  test("names the configuration's budget, where it is that one", () => {
    const view = fold(started, paused({ mode: "drain", reason: "budget", ...spent, scope: "tag:user" }));
    expect(view.budget?.scope).toBe("tag:user");
  });

  test("has none any more once it is resumed, or has ended", () => {
    expect(fold(started, overspent, { type: "execution.resumed" }).budget).toBeNull();
    const data = { status: "cancelled", stage_results: {} };
    expect(
      fold(started, overspent, { type: "execution.cancelled", status: "cancelled", data }).budget,
    ).toBeNull();
  });

  test("is another one than a run that somebody has paused", () => {
    expect(fold(started, paused({ mode: "drain" })).budget).toBeNull();
  });
});

describe("what a run has used", () => {
  test("is the sum of its stages so far", () => {
    expect(fold(started).usage).toEqual({});
    const view = fold(
      started,
      ends("find", { model: "m", input_tokens: 10, cost_usd: 0.25 }),
      ends("write", { model: "m", input_tokens: 5, cost_usd: 0.5 }),
    );
    expect(view.usage).toEqual({ input_tokens: 15, cost_usd: 0.75 });
  });

  test("has nothing of results that are taken over, and nothing twice of items", () => {
    const view = fold(
      started,
      ends("find", { input_tokens: 10 }, { reused_from: { execution_id: "x", seq: 3 } }),
      { ...ends("write", { input_tokens: 2 }), item: 0 },
      ends("write", { input_tokens: 2 }),
    );
    expect(view.usage).toEqual({ input_tokens: 2 });
  });

  test("is what its execution says at the end", () => {
    const usage = { input_tokens: 40, cost_usd: 1 };
    const data = { status: "completed", stage_results: {}, usage };
    const end = { type: "execution.completed", status: "completed", data };
    expect(fold(started, ends("find", { input_tokens: 10 }), end).usage).toEqual(usage);
  });
});
