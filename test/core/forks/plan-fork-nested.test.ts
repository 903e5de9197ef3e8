// planFork over stages that run pipelines, and over results that a stage sees without depending on their stages itself.
import { expect, test } from "vitest";
import type { PipelineRunStage, ResolvedStage } from "../../../src/contract/stage.ts";
import type { PinnedPipeline } from "../../../src/core/execution/run-spec.ts";
import { forkSource } from "../../../src/core/forks/fork-source.ts";
import { type ForkChoice, type ForkTarget, planFork } from "../../../src/core/forks/plan-fork.ts";
import { ok, Play, stage } from "../rules/play.ts";

function reasons(play: Play, changes: Partial<ForkTarget> = {}, choice: ForkChoice = {}) {
  const { stages, agents, config, query, context, history, inputs, pipelines } = play.state.spec;
  const pinned = pipelines === undefined ? {} : { pipelines };
  const own = { stages, agents, config, query, context, history, inputs, left_out: [], ...pinned };
  const planned = planFork(forkSource(play.state, play.log), { ...own, ...changes }, choice);
  if (!planned.ok) throw new Error(JSON.stringify(planned.error));
  return Object.fromEntries(planned.value.rerun.map(({ stage: name, reason }) => [name, reason]));
}

const runs = (fields: Partial<PipelineRunStage> = {}): ResolvedStage => ({
  name: "sub",
  pipeline: "inner",
  required: true,
  parallel: false,
  depends_on: ["a"],
  config: {},
  timeout_seconds: 60,
  retry_attempts: 1,
  ...fields,
});

const pinned = (...stages: ResolvedStage[]): PinnedPipeline => ({ version: 1, stages });

/** a, then the pipeline `inner`, which runs `innermost`. */
function nested(): Play {
  const pipelines = {
    inner: pinned(stage("x"), runs({ depends_on: [], pipeline: "innermost" })),
    innermost: pinned(stage("y")),
    other: pinned(stage("z")),
  };
  const agents = Object.fromEntries(
    ["agent_a", "agent_x", "agent_y"].map((name) => [
      name,
      { url: `https://agents.example/${name}`, protocol: "native" as const },
    ]),
  );
  const play = new Play([stage("a"), runs({ query: "results.a.text" })], {}, { pipelines, agents });
  return play.answer("a", ok({ text: "t" })).answer("sub", ok({ n: 1 }));
}

test.each<[string, (play: Play) => Partial<ForkTarget>, Record<string, string>]>([
  ["nothing differs", () => ({}), {}],
  [
    "another pipeline",
    ({ state }) => ({ stages: [state.spec.stages[0] as ResolvedStage, runs({ pipeline: "other" })] }),
    { sub: "definition.pipeline" },
  ],
  [
    "another question",
    ({ state }) => ({ stages: [state.spec.stages[0] as ResolvedStage, runs({ query: "'else'" })] }),
    { sub: "definition.query" },
  ],
  [
    "another context",
    ({ state }) => {
      const changed = runs({ query: "results.a.text", context: "{}" });
      return { stages: [state.spec.stages[0] as ResolvedStage, changed] };
    },
    { sub: "definition.context" },
  ],
  [
    "another definition within",
    ({ state }) => ({
      pipelines: { ...state.spec.pipelines, innermost: pinned(stage("y", { config: { k: 1 } })) },
    }),
    { sub: "definition.pipeline" },
  ],
  [
    "another version within that says the same",
    ({ state }) => ({
      pipelines: { ...state.spec.pipelines, innermost: { ...pinned(stage("y")), version: 2 } },
    }),
    {},
  ],
  [
    "another definition of what it does not run",
    ({ state }) => ({ pipelines: { ...state.spec.pipelines, other: pinned(stage("q")) } }),
    {},
  ],
  [
    "an agent within that was registered anew",
    ({ state }) => ({
      agents: { ...state.spec.agents, agent_y: { url: "https://new.example/", protocol: "native" } },
    }),
    { sub: "registration" },
  ],
])("a stage that runs a pipeline: %s", (_, changes, expected) => {
  const play = nested();
  expect(reasons(play, changes(play))).toEqual(expected);
});

test("a stage in the place of one that runs a pipeline is another one", () => {
  const play = nested();
  const stages = [play.state.spec.stages[0] as ResolvedStage, stage("sub", { depends_on: ["a"] })];
  expect(reasons(play, { stages })).toEqual({ sub: "definition.agent_type" });
});

// c depends on b alone, which does not change with what a gives: c sees a's result by its name.
test.each<[string, Partial<ResolvedStage>]>([
  ["input", { input: { text: "results.a.text" } }],
  ["map", { map: { over: "results.a.list", max_items: 9, concurrency: 1, on_error: "fail" } }],
  ["repeat", { repeat: { until: "results.a.text == result.text", max: 2, on_max: "accept" } }],
])("data that is given is seen by a stage that only names it: %s", (field, fields) => {
  const before = { text: "t", list: [1] };
  const stages = [
    stage("a"),
    stage("b", { depends_on: ["a"] }),
    { ...stage("c", { depends_on: ["b"] }), ...fields } as ResolvedStage,
  ];
  const play = new Play(stages).answer("a", ok(before)).answer("b", ok({ n: 1 }));
  const unit = field === "map" ? "c[0]" : "c";
  play.answer(unit, ok({ text: "t" }));
  expect(play.state.status).toBe("completed");
  expect(reasons(play, {}, { set: { a: before, b: { n: 1 } } })).toEqual({});
  const set = { a: { text: "u", list: [2] }, b: { n: 1 } };
  expect(reasons(play, {}, { set })).toEqual({ c: "input a" });
});
