// What an execution and those that its stages run say to each other, in any order. The objects of others are doubles that decide
// as these do.
import { describe, expect, test } from "vitest";
import { MapSpec, type PipelineRunStage } from "../../../src/contract/stage.ts";
import { type Change, changeSince, reported } from "../../../src/core/execution/alarm/report-change.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { childOf } from "../../../src/core/execution/units/child.ts";
import { childrenReceiver, commandFor, parentReceiver } from "../../../src/engine/call/child-news.ts";
import type { ControlCommand } from "../../../src/engine/object-protocol.ts";
import { ok, Play, stage } from "../../core/rules/play.ts";
import { makeRun } from "../../core/simulation/spec.ts";

const RUNS = makeRun("sub", "inner");
const PIPELINES = { inner: { version: 1, stages: [stage("work")] } };
const EACH = {
  ...RUNS,
  required: false,
  map: MapSpec.parse({ over: "['a', 'b']", concurrency: 2 }),
};
const DIED = { ok: false as const, failure: { kind: "execution" as const, code: "X", message: "died" } };

const outer = (fields: Partial<PipelineRunStage> = {}) =>
  new Play([{ ...RUNS, ...fields }, stage("last", { depends_on: ["sub"] })], {}, { pipelines: PIPELINES });

function inner(parent: Play): Play {
  const execution_id = childOf(parent.state, "sub") as string;
  const of = { execution_id: parent.state.spec.execution_id, unit: "sub" };
  return new Play([stage("work")], {}, { execution_id, parent: of });
}

/** What the receivers say: to which execution what. */
function sayings(parent?: ExecutionState) {
  const said: [execution_id: string, what: unknown][] = [];
  const rpcOf = (_: string, execution_id: string) => ({
    steer: async (command: ControlCommand) => {
      said.push([execution_id, command.type === "pause" ? `pause ${command.mode}` : command.type]);
    },
    childMoved: async (unit: string, child: string, seq: number | null) => {
      said.push([execution_id, seq === null ? "asks" : "goes on"]);
      return parent === undefined ? null : commandFor(parent, unit, child);
    },
  });
  return { said, rpcOf };
}

const ALL: Change = { status: true, opened: [] };

async function hears({ state }: Play, change = ALL) {
  const { said, rpcOf } = sayings();
  await childrenReceiver(rpcOf).receive(state, change);
  return said.map(([, what]) => what);
}

/** What an execution is to do that says how it is. */
async function asks(child: Play, parent: Play) {
  const { said, rpcOf } = sayings(parent.state);
  await parentReceiver(rpcOf).receive(child.state, ALL);
  const { execution_id } = child.state.spec;
  return said.map(([to, what]) => (to === execution_id ? what : `parent: ${String(what)}`));
}

describe("an execution that begins after the command for it has come", () => {
  test("ends where the one whose stage runs it has ended.", async () => {
    const parent = outer();
    const child = inner(parent);
    parent.submit({ type: "cancel", reason: "no" });
    expect(await asks(child, parent)).toEqual(["parent: asks", "cancel"]);
  });

  test("ends where it waits by then, too.", async () => {
    const parent = outer();
    const child = inner(parent).answer("work", { ok: "rests", seen: { seq: 1, asking: [] } });
    parent.submit({ type: "cancel", reason: "no" });
    expect(await asks(child, parent)).toEqual(["parent: goes on", "cancel"]);
  });

  test("is paused as the one whose stage runs it.", async () => {
    const parent = outer();
    const child = inner(parent);
    parent.submit({ type: "pause", mode: "abort" });
    expect(await asks(child, parent)).toEqual(["parent: asks", "pause abort"]);
  });

  test("goes on where nothing is said of it.", async () => {
    const parent = outer();
    expect(await asks(inner(parent), parent)).toEqual(["parent: asks"]);
  });

  test("goes on where a crash has lost the call that began it.", async () => {
    const parent = outer();
    const child = inner(parent);
    const before = new Play(
      [stage("first"), { ...RUNS, depends_on: ["first"] }],
      {},
      { pipelines: PIPELINES },
    );
    expect(await asks(child, before)).toEqual(["parent: asks"]);
    // The stage stays pending.
    before.submit({ type: "cancel", reason: "no" });
    expect(await asks(child, before)).toEqual(["parent: asks", "cancel"]);
  });
});

test("an execution is resumed where its pause came after the resume.", async () => {
  const parent = outer();
  const child = inner(parent).submit({ type: "pause", mode: "drain" });
  parent.submit({ type: "pause", mode: "drain" }).submit({ type: "resume" });
  expect(await asks(child.answer("work"), parent)).toEqual(["parent: asks", "resume"]);
});

test("its end is said, and nothing follows from it.", async () => {
  const parent = outer();
  const child = inner(parent).answer("work", ok());
  expect(await asks(child, parent.submit({ type: "cancel", reason: "no" }))).toEqual(["parent: goes on"]);
});

test("a pause has the mode of the one whose stage runs it.", async () => {
  expect(await hears(outer().submit({ type: "pause", mode: "abort" }))).toEqual(["pause abort"]);
  expect(await hears(outer().submit({ type: "pause", mode: "drain" }))).toEqual(["pause drain"]);
});

describe("an execution without use is cancelled", () => {
  test("where a failed sibling has aborted its item, though the run goes on.", async () => {
    const parent = outer(EACH);
    const before = reported(parent.state);
    parent.answer("sub[0]", DIED);
    const change = changeSince(before, parent.state);
    expect(change).toEqual({ status: false, opened: [] });
    expect(await hears(parent, change ?? ALL)).toEqual(["cancel", "cancel"]);
  });

  test("where its stage has failed without its end.", async () => {
    const parent = outer();
    parent.answer("sub", { ok: false, failure: { kind: "isolate_full", bytes: 1 } });
    expect(parent.state.status).toBe("failed");
    expect(await hears(parent)).toEqual(["cancel"]);
  });

  test("where its stage has fallen back without its end.", async () => {
    const parent = outer({ fallback: { strategy: "use_default", data: {} } });
    const before = reported(parent.state);
    parent.answer("sub", { ok: false, failure: { kind: "isolate_full", bytes: 1 } });
    const change = changeSince(before, parent.state);
    expect(await hears(parent, change ?? ALL)).toEqual(["cancel"]);
    expect(change).not.toBeNull();
  });

  test("and one that has completed is left alone.", async () => {
    const parent = outer();
    const before = reported(parent.state);
    parent.answer("sub", ok());
    expect(changeSince(before, parent.state)).toBeNull();
    expect(await hears(parent.submit({ type: "cancel", reason: "no" }))).toEqual([]);
  });
});

test("one that waits says that its questions have changed, and one that runs does not.", async () => {
  const parent = outer();
  const { said, rpcOf } = sayings(parent.state);
  const changed = { status: false, opened: [] };
  const child = inner(parent);
  await parentReceiver(rpcOf).receive(child.state, changed);
  expect(said).toEqual([]);
  child.answer("work", { ok: "rests", seen: { seq: 1, asking: [] } });
  await parentReceiver(rpcOf).receive(child.state, changed);
  expect(said).toEqual([[parent.state.spec.execution_id, "goes on"]]);
});

const SPENT = { scope: "tenant", spent_usd: 2, limit_usd: 1 };

describe("an execution that has paused itself, since a budget is spent", () => {
  test("says so, pauses the one whose stage runs it, and goes on when that one is resumed", async () => {
    const parent = outer();
    const child = inner(parent).answer("work", { ok: "overspent", ...SPENT });
    expect(await asks(child, parent)).toEqual(["parent: goes on"]);
    parent.answer("sub", { ok: "rests", seen: { seq: child.state.seq, asking: [] }, overspent: SPENT });
    expect(parent.last).toMatchObject({
      type: "execution.paused",
      data: { reason: "budget", scope: "tenant", limit: { cost_usd: 1 } },
    });
    parent.resume();
    expect([parent.status, await hears(parent)]).toEqual(["waiting", ["resume"]]);
  });

  test("is not resumed by its own report, where the other one was paused and resumed before", async () => {
    const parent = outer().pause("drain").resume();
    const child = inner(parent).answer("work", { ok: "overspent", ...SPENT });
    expect(await asks(child, parent)).toEqual(["parent: goes on"]);
    parent.cancel();
    expect(await asks(child, parent)).toEqual(["parent: goes on", "cancel"]);
  });
});

test("a raise lets what runs within spend what is left, and not all of it", async () => {
  const said: ControlCommand[] = [];
  const rpcOf = () => ({
    steer: async (command: ControlCommand) => void said.push(command),
    childMoved: async () => null,
  });
  const stages = [stage("first"), { ...RUNS, depends_on: ["first"] }];
  const budget = { tokens: 10, on_exceeded: "pause" as const };
  const parent = new Play(stages, {}, { pipelines: PIPELINES, budget });
  parent.answer("first", ok({}, { usage: { output_tokens: 8 } }));
  parent.answer("sub", { ok: "rests", seen: { seq: 1, asking: [], usage: { output_tokens: 3 } } });
  expect(parent.status).toBe("paused");
  parent.submit({ type: "resume", budget: { tokens: 12, on_exceeded: "fail" } });
  await childrenReceiver(rpcOf).receive(parent.state, ALL);
  expect(said).toEqual([{ type: "resume", budget: { tokens: 4, on_exceeded: "fail" } }]);
});
