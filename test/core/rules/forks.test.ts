import { expect, test } from "vitest";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import type { ReusedStage } from "../../../src/core/execution/run-spec.ts";
import { forkSource } from "../../../src/core/forks/fork-source.ts";
import { type ForkChoice, type ForkTarget, planFork } from "../../../src/core/forks/plan-fork.ts";
import { turnOf } from "../../../src/core/monitoring/conversation-turn.ts";
import { runReport } from "../../../src/core/monitoring/metrics/report.ts";
import { makeSpec } from "../simulation/spec.ts";
import { ok, Play, stage } from "./play.ts";

function chain(): Play {
  const play = new Play([stage("a"), stage("b", { depends_on: ["a"] }), stage("c", { depends_on: ["b"] })]);
  return play
    .answer("a", ok({ said: "a" }, { context: { seen: 1 } }))
    .answer("b", ok({ said: "b" }))
    .answer("c", ok({ said: "c" }));
}

function plan(play: Play, changes: Partial<ForkTarget> = {}, choice: ForkChoice = {}) {
  const { spec } = play.state;
  const { stages, agents, config, query, context, history, inputs } = spec;
  const target = { stages, agents, config, query, context, history, inputs, left_out: [], ...changes };
  const planned = planFork(forkSource(play.state, play.log), target, choice);
  if (!planned.ok) throw new Error(JSON.stringify(planned.error));
  return planned.value;
}

test("a fork of a completed run with nothing changed reuses everything and calls nobody", () => {
  const play = chain();
  const { reused, rerun } = plan(play);
  expect(rerun).toEqual([]);
  const from = (seq: number) => ({ execution_id: "ex_test", seq });
  const stages: ReusedStage[] = reused.map(({ result, ended_seq, patch }) => ({
    result,
    from: from(ended_seq),
    ...(patch === undefined ? {} : { patch }),
  }));
  const forked_from = from(play.state.seq);
  const spec = makeSpec(play.state.spec.stages, {}, { execution_id: "ex_fork", reused: stages, forked_from });
  const { events, state } = decide(null, { type: "start", spec }, 5_000);
  expect(events.map(({ type }) => type)).toEqual([
    "execution.started",
    "stage.completed",
    "stage.completed",
    "stage.completed",
    "execution.completed",
  ]);
  expect(state).toEqual(replay(JSON.parse(JSON.stringify(events)) as LogEvent[]));
  expect(state?.context).toEqual({ seen: 1 });
  expect(state?.stages.map(({ result }) => [result.attempts, result.data, result.reused_from?.seq])).toEqual([
    [0, { said: "a" }, 3],
    [0, { said: "b" }, 5],
    [0, { said: "c" }, 7],
  ]);
  if (state === null) throw new Error("it did not start");
  expect(runReport(state)?.stages).toEqual([]);
});

test("a stage that is changed is run, and what depends on it", () => {
  const play = chain();
  const stages = play.state.spec.stages.map((each) =>
    each.name === "b" ? { ...each, config: { k: 1 } } : each,
  );
  expect(plan(play, { stages }).rerun).toEqual([
    { stage: "b", reason: "config.k" },
    { stage: "c", reason: "depends on b" },
  ]);
  expect(plan(play, {}, { from: "c" }).rerun).toEqual([{ stage: "c", reason: "from" }]);
  expect(plan(play, { query: "another" }).rerun.map(({ reason }) => reason)).toEqual([
    "query",
    "depends on a",
    "depends on b",
  ]);
});

test("a queued run starts with the history as it is then, and its deadline counts from then", () => {
  const queued = { behind: "ex_before", position: 1 };
  const begun = decide(null, { type: "start", spec: makeSpec([stage("a")]), queued }, 1_000);
  expect(begun.events.map(({ type }) => type)).toEqual(["execution.queued"]);
  expect(begun.state?.status).toBe("queued");
  const history = [{ query: "q", answer: "a" }];
  const admitted = decide(begun.state, { type: "admit", history }, 900_000);
  expect(admitted.events.map(({ type }) => type)).toEqual(["execution.started", "stage.started"]);
  expect(admitted.state?.spec.history).toEqual(history);
  expect(admitted.state?.deadline_at).toBe(900_000 + 300_000);
  expect(decide(admitted.state, { type: "admit", history: [] }, 900_001).events).toEqual([]);
});

test("what a superseded run had said is its turn", () => {
  const play = new Play([stage("a")]);
  play.submit({
    type: "cancel",
    reason: "superseded",
    superseded: { by: "ex_next", texts: { a: "half an ans" } },
  });
  expect(play.view.execution_metadata.superseded_by).toBe("ex_next");
  expect(turnOf(play.state)).toMatchObject({ answer: { answer: "half an ans" }, partial: true });
});
