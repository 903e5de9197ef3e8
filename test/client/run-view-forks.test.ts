// Queued runs and forks in the fold of a run's events: a place in the queue until the run begins, results that were taken
// over, the execution that a fork is of, and the one that has superseded a run.
import { expect, test } from "vitest";
import { foldEvent, type RunEvent, type RunView } from "../../src/client/index.ts";
import { decide } from "../../src/core/execution/decide.ts";
import type { Command } from "../../src/core/execution/command.ts";
import { type LogEvent, wireJson } from "../../src/core/execution/log-event.ts";
import type { RunSpec } from "../../src/core/execution/run-spec.ts";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { makeSpec } from "../core/simulation/spec.ts";
import { ok, Play, stage } from "../core/rules/play.ts";

const STAGES = [stage("a"), stage("b", { depends_on: ["a"] })];
const QUEUED = { behind: "ex_before", position: 2 };

/** The events of a run that is queued at 1 s, then given these commands, a second each. */
function logOf(fields: Partial<RunSpec>, ...commands: Command[]): RunEvent[] {
  let state: ExecutionState | null = null;
  const log: LogEvent[] = [];
  const start: Command = { type: "start", spec: makeSpec(STAGES, {}, fields), queued: QUEUED };
  for (const [at, command] of [start, ...commands].entries()) {
    const decided = decide(state, command, (at + 1) * 1_000);
    log.push(...decided.events);
    ({ state } = decided);
  }
  return log.map((event) => JSON.parse(wireJson(event)) as RunEvent);
}

const fold = (events: readonly RunEvent[], from: RunView | null = null) =>
  events.reduce<RunView | null>(foldEvent, from) as RunView;

/** `a` taken over from another run, `b` still to be run. */
function forked(): Partial<RunSpec> {
  const source = new Play(STAGES).answer("a", ok({ said: "a" }));
  const { result } = source.state.stages[0] ?? {};
  if (result === undefined) throw new Error("the source has no result");
  return {
    execution_id: "ex_fork",
    forked_from: { execution_id: "ex_test", seq: source.state.seq },
    reused: [{ result, from: { execution_id: "ex_test", seq: 3 } }],
  };
}

test("a queued run has its place and pending stages, until it begins", () => {
  const events = logOf({}, { type: "admit", history: [] });
  const queued = fold(events.slice(0, 1));
  expect(queued).toMatchObject({
    status: "queued",
    queue: QUEUED,
    started_at: 1_000,
    ended_at: null,
    seq: 1,
  });
  expect(queued.stages.map(({ status }) => status)).toEqual(["pending", "pending"]);
  const begun = fold(events);
  expect(begun).toMatchObject({ status: "running", queue: null, started_at: 1_000 });
  expect(begun.stages.map(({ status }) => status)).toEqual(["running", "pending"]);
  expect(begun.events.map(({ type }) => type)).toEqual([
    "execution.queued",
    "execution.started",
    "stage.started",
  ]);
});

test("an event of a later version leaves a queued run queued", () => {
  const events = logOf({});
  const unknown = { ...events[0], seq: 2, type: "execution.mused", data: {} } as unknown as RunEvent;
  expect(fold([...events, unknown])).toMatchObject({ status: "queued", queue: QUEUED, seq: 2 });
});

test("a queued run that is cancelled has no place any more", () => {
  const view = fold(logOf({}, { type: "cancel", reason: "by its caller" }));
  expect(view).toMatchObject({ status: "cancelled", queue: null, superseded_by: null, ended_at: 2_000 });
});

test("a result that was taken over is completed without a try, and the fork names its source", () => {
  const fields = forked();
  const events = logOf(fields, { type: "admit", history: [] });
  expect(fold(events.slice(0, 1))).toMatchObject({ status: "queued", forked_from: fields.forked_from });
  const view = fold(events);
  expect(view).toMatchObject({ status: "running", forked_from: fields.forked_from });
  expect(view.stages[0]).toMatchObject({
    status: "completed",
    attempt: 0,
    started_at: null,
    ended_at: 2_000,
    spans: [],
    result: { data: { said: "a" }, reused_from: { execution_id: "ex_test", seq: 3 } },
  });
  expect(view.stages[1]).toMatchObject({ status: "running", spans: [{ kind: "try", attempt: 1 }] });
});

test("a replay from any event on gives the same view", () => {
  const events = logOf(forked(), { type: "admit", history: [] });
  const view = fold(events);
  for (let from = 0; from <= events.length; from += 1) expect(fold(events.slice(from), view)).toBe(view);
});

test("a run that another question has superseded names it", () => {
  const superseded = { by: "ex_next", texts: {} };
  const view = fold(
    logOf({}, { type: "admit", history: [] }, { type: "cancel", reason: "superseded", superseded }),
  );
  expect(view).toMatchObject({ status: "cancelled", superseded_by: "ex_next", forked_from: null });
});
