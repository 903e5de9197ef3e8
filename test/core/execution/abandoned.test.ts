// What is cancelled at the agents that answer later, by the states before and after a command.
import { expect, test } from "vitest";
import { abandonedWork } from "../../../src/core/execution/abandoned.ts";
import type { Command } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

const PLACE = "https://agents.example/jobs/1";
const STAGES = [
  makeStage("one", { callback_timeout_seconds: 60, retry_attempts: 1, parallel: true }),
  makeStage("two", { parallel: true }),
];

/** A run at `ms` whose first stage waits for its callback, since 10 ms. */
function waiting(location: string | undefined = PLACE): ExecutionState {
  const { state } = decide(null, { type: "start", spec: makeSpec(STAGES) }, 0);
  const outcome = { ok: "later" as const, ...(location === undefined ? {} : { location }) };
  return after(state, { type: "answer", stage: "one", call: 2, outcome, began_at: 0, chance: 0 }, 10);
}

function after(state: ExecutionState | null, command: Command, ms: number): ExecutionState {
  return decide(state, command, ms).state as ExecutionState;
}

const abandons = (command: Command, ms = 20, before = waiting()) =>
  abandonedWork(before, after(before, command, ms));

const ONE = [{ stage: "one", location: PLACE }];
const answer = { ok: true as const, answer: { data: {} }, bytes: 2 };
const busy = { ok: false as const, failure: { kind: "rejected" as const } };

test("a cancel, an aborting pause and the end of the execution abandon it", () => {
  expect(abandons({ type: "cancel", reason: "enough" })).toEqual(ONE);
  expect(abandons({ type: "pause", mode: "abort" })).toEqual(ONE);
  const failed = { ok: false as const, failure: { kind: "unregistered" as const, agent_type: "x" } };
  const command = { type: "answer", stage: "two", call: 3, outcome: failed, began_at: 0, chance: 0 } as const;
  expect(abandons(command)).toEqual(ONE);
});

test("an answer, good or bad, and the end of its time do not, nor what lets it go on", () => {
  expect(abandons({ type: "callback", stage: "one", call: 2, outcome: answer })).toEqual([]);
  expect(abandons({ type: "callback", stage: "one", call: 2, outcome: busy })).toEqual([]);
  expect(abandons({ type: "tick" }, 60_010)).toEqual([]);
  expect(abandons({ type: "cancel", reason: "too late" }, 60_010)).toEqual([]);
  expect(abandons({ type: "pause", mode: "drain" })).toEqual([]);
  expect(abandons({ type: "recover" })).toEqual([]);
});

test("it is abandoned once, and only where it has a place", () => {
  const cancelled = after(waiting(), { type: "pause", mode: "abort" }, 20);
  expect(abandons({ type: "cancel", reason: "enough" }, 30, cancelled)).toEqual([]);
  const nowhere = decide(null, { type: "start", spec: makeSpec(STAGES) }, 0).state;
  const call = { type: "answer", stage: "one", call: 2, began_at: 0, chance: 0 } as const;
  const unplaced = after(nowhere, { ...call, outcome: { ok: "later" } }, 10);
  expect(abandons({ type: "cancel", reason: "enough" }, 20, unplaced)).toEqual([]);
});
