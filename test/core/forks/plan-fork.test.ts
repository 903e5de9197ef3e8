// planFork by example: each reason once, and what the choice of a caller may name.
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/contract/json.ts";
import type { AgentStage, ResolvedStage, WaitStage } from "../../../src/contract/stage.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { type ForkSource, forkSource } from "../../../src/core/forks/fork-source.ts";
import { type ForkChoice, type ForkTarget, planFork } from "../../../src/core/forks/plan-fork.ts";
import { reusedStages } from "../../../src/core/forks/reused-stages.ts";
import { makeSpec } from "../simulation/spec.ts";
import { ok, Play, REJECTED, side, stage } from "../rules/play.ts";
import { ForkRun } from "./fork-run.ts";

function wait(
  name: string,
  fields: Partial<WaitStage["wait"]> = {},
  depends_on: string[] = [],
): ResolvedStage {
  const asks = { timeout_seconds: 60, on_timeout: "fail" as const, ...fields };
  const shared = { required: true, parallel: false, depends_on, config: {} };
  return { name, ...shared, wait: asks };
}

function target(play: { state: Play["state"] }, changes: Partial<ForkTarget> = {}): ForkTarget {
  const { stages, agents, config, query, context, history, inputs } = play.state.spec;
  return { stages, agents, config, query, context, history, inputs, left_out: [], ...changes };
}

const sourceOf = (play: Play): ForkSource => forkSource(play.state, play.log);

function reasons(
  play: Play,
  changes: Partial<ForkTarget> = {},
  choice: ForkChoice = {},
): Record<string, string> {
  const planned = planFork(sourceOf(play), target(play, changes), choice);
  if (!planned.ok) throw new Error(JSON.stringify(planned.error));
  return Object.fromEntries(planned.value.rerun.map(({ stage: name, reason }) => [name, reason]));
}

/** a, then b, which sees what a has added to the context. */
function pair(b: Partial<AgentStage> = {}, given: Partial<Parameters<typeof makeSpec>[2]> = {}): Play {
  const stages = [stage("a"), stage("b", { depends_on: ["a"], config: { k: 1 }, ...b })];
  const play = new Play(stages, {}, { context: { of: "caller" }, ...given });
  return play.answer("a", ok({ n: 1 }, { context: { added: 1 } })).answer("b", ok({ n: 2 }));
}

const withB = (play: Play, fields: Partial<AgentStage>): Partial<ForkTarget> => ({
  stages: play.state.spec.stages.map((each) =>
    each.name === "b" ? ({ ...each, ...fields } as AgentStage) : each,
  ),
});

describe("each reason", () => {
  test("nothing differs", () => {
    expect(reasons(pair())).toEqual({});
  });

  test.each<[string, (play: Play) => Partial<ForkTarget>, Record<string, string>]>([
    ["query", () => ({ query: "else" }), { a: "query", b: "depends on a" }],
    ["history", () => ({ history: [{ query: "q", answer: "a" }] }), { a: "history", b: "depends on a" }],
    ["context", () => ({ context: { of: "another" } }), { a: "context", b: "depends on a" }],
    ["config of one key", (play) => withB(play, { config: { k: 2 } }), { b: "config.k" }],
    ["config that lacks a key", (play) => withB(play, { config: {} }), { b: "config.k" }],
    ["agent", (play) => withB(play, { agent_type: "agent_a" }), { b: "definition.agent_type" }],
    ["time", (play) => withB(play, { timeout_seconds: 5 }), { b: "definition.timeout_seconds" }],
    ["condition that is false", (play) => withB(play, { when: "results.a.n > 1" }), { b: "definition.when" }],
    ["condition that is true", (play) => withB(play, { when: "results.a.n == 1 && context.added == 1" }), {}],
    ["dependency less", (play) => withB(play, { depends_on: [] }), { b: "input a" }],
    [
      "what no call is made of",
      (play) => withB(play, { retry_attempts: 9, required: false, parallel: true }),
      {},
    ],
    [
      "registration",
      ({ state }) => ({
        agents: { ...state.spec.agents, agent_b: { url: "https://new.example/", protocol: "native" } },
      }),
      { b: "registration" },
    ],
    [
      "registration that is gone",
      ({ state }) => ({ agents: { agent_a: state.spec.agents.agent_a ?? null } }),
      { b: "registration" },
    ],
    [
      "a stage before it in place of another",
      ({ state }) => ({
        stages: [stage("z"), { ...(state.spec.stages[1] as AgentStage), depends_on: ["z"] }],
      }),
      { z: "new stage", b: "depends on z" },
    ],
    [
      "a stage renamed",
      ({ state }) => ({ stages: [state.spec.stages[0] as ResolvedStage, stage("c", { depends_on: ["a"] })] }),
      { c: "new stage" },
    ],
    ["a stage removed", ({ state }) => ({ stages: state.spec.stages.slice(0, 1) }), {}],
    [
      "a stage left out",
      (play) => ({ stages: withB(play, { depends_on: [] }).stages?.slice(1) ?? [], left_out: ["a"] }),
      { b: "context" },
    ],
    [
      "a stage of another kind",
      (play) => ({ stages: [play.state.spec.stages[0] as ResolvedStage, wait("b", {}, ["a"])] }),
      { b: "definition.wait" },
    ],
  ])("%s", (_, changes, expected) => {
    const play = pair();
    expect(reasons(play, changes(play))).toEqual(expected);
  });

  test("inputs of a single-stage run", () => {
    const play = new Play([stage("a")], {}, { inputs: { before: { n: 1 } }, pipeline_version: 0 }).answer(
      "a",
    );
    expect(reasons(play)).toEqual({});
    expect(reasons(play, { inputs: { before: { n: 2 } } })).toEqual({ a: "inputs" });
  });

  test("a result of the fallback is that fallback's", () => {
    const simple = { strategy: "use_simple_model" as const, agent_type: "agent_a" };
    const stages = [stage("a", { retry_attempts: 1, fallback: simple })];
    const play = new Play(stages);
    play.fail("a", REJECTED).answer("a", ok({ n: 1 }));
    expect(play.status).toBe("completed");
    expect(reasons(play)).toEqual({});
    const other = { ...simple, config: { k: 1 } };
    expect(reasons(play, { stages: [{ ...(stages[0] as AgentStage), fallback: other }] })).toEqual({
      a: "definition.fallback",
    });
  });
});

describe("what had not completed", () => {
  test("failed, and what had not begun", () => {
    const play = new Play([
      stage("a"),
      stage("b", { depends_on: ["a"], retry_attempts: 1 }),
      stage("c", { depends_on: ["b"] }),
    ]);
    play.answer("a").fail("b", REJECTED);
    expect(play.status).toBe("failed");
    expect(reasons(play, {}, { from: "failed" })).toEqual({ b: "it was failed", c: "it was pending" });
  });

  test("in flight, cancelled, paused, queued", () => {
    const running = () => new Play([side("a"), side("b")]).answer("a");
    expect(reasons(running())).toEqual({ b: "it was running" });
    expect(reasons(running().cancel())).toEqual({ b: "it was cancelled" });
    expect(reasons(running().pause("drain"))).toEqual({ b: "it was running" });
  });

  test("an optional stage that failed is tried again, with what depends on it", () => {
    const play = new Play([
      stage("a", { required: false, retry_attempts: 1 }),
      stage("b", { depends_on: ["a"] }),
    ]);
    play.fail("a", REJECTED).answer("b");
    expect(reasons(play)).toEqual({ a: "it was failed", b: "depends on a" });
  });
});

describe("stages that were skipped", () => {
  test("a condition that saw the context as it was then is not asked again", () => {
    const stages = [side("a"), side("s", { when: "has(context.added)" }), side("b", { depends_on: ["s"] })];
    const play = new Play(stages).answer("a", ok({ n: 1 }, { context: { added: 1 } })).answer("b");
    expect(play.result("s").status).toBe("skipped");
    expect(reasons(play)).toEqual({});
    const planned = planFork(sourceOf(play), target(play), {});
    if (!planned.ok) throw new Error("it is refused");
    const reused = reusedStages(sourceOf(play), planned.value);
    const forked = new Play(stages, {}, { execution_id: "ex_fork", reused });
    expect(forked.status).toBe("completed");
    expect(forked.result("s")).toMatchObject({
      status: "skipped",
      skip_reason: play.result("s").skip_reason,
    });
  });

  test("one whose condition is true now is run, with what depends on it", () => {
    const stages = [
      stage("a"),
      stage("s", { depends_on: ["a"], when: "results.a.n > 1" }),
      stage("b", { depends_on: ["s"] }),
    ];
    const play = new Play(stages).answer("a", ok({ n: 1 })).answer("b");
    expect(reasons(play)).toEqual({});
    expect(reasons(play, {}, { set: { a: { n: 2 } } })).toEqual({ s: "definition.when", b: "depends on s" });
    expect(reasons(play, {}, { set: { a: { n: 0 } } })).toEqual({});
  });

  test("a question that was not answered in time is asked again", () => {
    const play = new Play([wait("ask", { on_timeout: "skip" }), stage("b", { depends_on: ["ask"] })]);
    play.after(60_001).tick().answer("b");
    expect(play.result("ask").status).toBe("skipped");
    expect(reasons(play)).toEqual({ ask: "it was skipped", b: "depends on ask" });
  });
});

describe("questions to people", () => {
  const prompt = "{'draft': results.a.n}";
  const asked = (fields: Partial<WaitStage["wait"]> = {}) => [
    stage("a"),
    wait("ask", { prompt, ...fields }, ["a"]),
  ];
  const answered = () => {
    const play = new Play(asked()).answer("a", ok({ n: 1 }));
    return play.submit({
      type: "signal",
      stage: "ask",
      wait: null,
      answer: { ok: true, data: { yes: true } },
      by: "key:k1",
    });
  };

  test("the answer holds where the same would be shown, and says who gave it", () => {
    const play = answered();
    expect(reasons(play)).toEqual({});
    expect(reasons(play, { stages: asked({ prompt: "{'draft': 1}" }) })).toEqual({});
    expect(reasons(play, { stages: asked({ timeout_seconds: 5 }) })).toEqual({});
    const planned = planFork(sourceOf(play), target(play), {});
    if (!planned.ok) throw new Error("it is refused");
    const forked = new Play(asked(), {}, { reused: reusedStages(sourceOf(play), planned.value) });
    expect(forked.result("ask")).toMatchObject({
      status: "completed",
      data: { yes: true },
      answered_by: "key:k1",
      attempts: 0,
    });
    expect(reasons(forked)).toEqual({});
  });

  test("another prompt or schema asks again", () => {
    expect(reasons(answered(), { stages: asked({ prompt: "{'draft': 2}" }) })).toEqual({
      ask: "definition.wait.prompt",
    });
    expect(reasons(answered(), { stages: asked({ schema: { type: "object" } }) })).toEqual({
      ask: "definition.wait.schema",
    });
    expect(reasons(answered(), {}, { set: { a: { n: 2 } } })).toEqual({ ask: "definition.wait.prompt" });
  });

  test("data that is given must satisfy the stage's output_schema, which of one with map is that of its items", () => {
    const output_schema = { type: "object", required: ["n"] };
    const play = new Play([stage("a", { output_schema })]).answer("a", ok({ n: 1 }));
    const choose = (data: JsonObject, changes = {}) =>
      planFork(sourceOf(play), target(play, changes), { set: { a: data } });
    expect(choose({})).toMatchObject({
      ok: false,
      error: { code: "SCHEMA_MISMATCH", stage: "a", errors: [{ pointer: "/set/a/n" }] },
    });
    expect(choose({ n: 2 }).ok).toBe(true);
    const map = { over: "[1]", max_items: 1, concurrency: 1, on_error: "fail" };
    expect(choose({}, { stages: [stage("a", { output_schema, map } as Partial<AgentStage>)] }).ok).toBe(true);
  });

  test("data that is given must satisfy its schema", () => {
    const stages = asked({ schema: { type: "object", required: ["yes"] } });
    const planned = planFork(sourceOf(answered()), target(answered(), { stages }), {
      set: { ask: { no: 1 } },
    });
    expect(planned).toMatchObject({ ok: false, error: { code: "SCHEMA_MISMATCH", stage: "ask" } });
    if (planned.ok || planned.error.code !== "SCHEMA_MISMATCH") throw new Error("it is not refused");
    expect(planned.error.errors[0]?.pointer).toMatch(/^\/set\/ask/);
  });
});

describe("the caller's choice", () => {
  test("`from` and `set` name stages of the pipeline", () => {
    const planned = planFork(sourceOf(pair()), target(pair()), { from: "c", set: { d: {} } });
    expect(planned).toEqual({
      ok: false,
      error: {
        code: "INVALID_REQUEST",
        errors: [
          { pointer: "/from", detail: "c is not a stage of this pipeline (a, b)" },
          { pointer: "/set/d", detail: "d is not a stage of this pipeline (a, b)" },
        ],
      },
    });
  });

  test("data that is given counts as the stage's: equal data reruns nothing, other data what gets it", () => {
    const play = new Play([stage("a"), stage("b", { depends_on: ["a"] })])
      .answer("a", ok({ n: 1 }))
      .answer("b");
    expect(reasons(play, {}, { set: { a: { n: 1 } } })).toEqual({});
    expect(reasons(play, {}, { set: { a: { n: 2 } } })).toEqual({ b: "input a" });
    // What a had added to the context is not there.
    expect(reasons(pair(), {}, { set: { a: { n: 1 } } })).toEqual({ b: "context" });
  });

  test("a stage that is named `failed` is that stage", () => {
    const play = new Play([stage("failed"), stage("b")]).answer("failed").answer("b");
    expect(reasons(play, {}, { from: "failed" })).toEqual({ failed: "from" });
  });
});

describe("a fork of a fork", () => {
  const first = { adds: "shared" };
  const stages = [
    side("a", { config: first }),
    side("b", { config: { fails: 1, ...first } }),
    side("c", { depends_on: ["a", "b"] }),
  ];
  const rank = (name: string) => ["a", "b", "c"].indexOf(name);

  function forkOf(run: ForkRun, id: string): ForkRun {
    const { source } = run;
    const planned = planFork(source, target(run), {});
    if (!planned.ok) throw new Error("it is refused");
    return new ForkRun(
      { ...run.state.spec, execution_id: id, reused: reusedStages(source, planned.value) },
      rank,
    ).run();
  }

  test("knows texts, patches and which context each call had seen", () => {
    // a ends while b is in flight: b has not seen what a has added, though its end comes after.
    const run = new ForkRun(makeSpec(stages.map((each) => ({ ...each, config: first }))), rank).run();
    const forked = forkOf(run, "ex_fork");
    const [, b] = forked.source.stages;
    expect(b).toMatchObject({
      saw: [],
      patch: { shared: expect.any(Number) },
      text: run.source.stages[1]?.text,
    });
    // b has not seen what a has added, though its own end is after that of a.
    const again = planFork(forked.source, target(forked), { from: "a" });
    expect(again).toMatchObject({ ok: true, value: { rerun: [{ stage: "a" }, { stage: "c" }] } });
    // The patch of a would hide that b was given another context.
    const changed = target(forked, { context: { shared: 0 } });
    const planned = planFork(forked.source, changed, {});
    expect(planned).toMatchObject({
      ok: true,
      value: {
        rerun: [{ stage: "a", reason: "context" }, { stage: "b", reason: "context" }, { stage: "c" }],
      },
    });
  });

  test("says where each result was taken over from, its source's source being its source's affair", () => {
    const run = new ForkRun(makeSpec(stages), rank).run();
    const second = forkOf(forkOf(run, "ex_fork"), "ex_second");
    expect(second.state.stages.map(({ result }) => result.reused_from)).toEqual(
      ["a", "b", "c"].map(() => ({ execution_id: "ex_fork", seq: expect.any(Number) as number })),
    );
    expect(second.asked).toEqual([]);
  });

  test("a fork that was queued takes over what its source had when it is admitted", () => {
    const run = new ForkRun(makeSpec(stages), rank).run();
    const planned = planFork(run.source, target(run), {});
    if (!planned.ok) throw new Error("it is refused");
    const reused = reusedStages(run.source, planned.value);
    const spec = makeSpec(stages, {}, { execution_id: "ex_fork", reused, keeps_history: true });
    const queued = decide(null, { type: "start", spec, queued: { behind: "ex_before", position: 1 } }, 1_000);
    expect(queued.state?.status).toBe("queued");
    const stored = replay(JSON.parse(JSON.stringify(queued.events)) as LogEvent[]);
    const { state, events } = decide(
      stored,
      { type: "admit", history: [{ query: "since", answer: 1 }] },
      2_000,
    );
    expect(events.at(-1)?.type).toBe("execution.completed");
    expect(state?.spec.reused).toBeUndefined();
    // What came while it was queued is not what its results were made with.
    expect(state?.spec.history).toEqual([]);
    expect(state?.stages.map(({ result }) => result.attempts)).toEqual([0, 0, 0]);
  });
});
