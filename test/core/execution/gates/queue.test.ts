// A call that must wait for its agent (src/contract/README.md section 12): no try, no time of one, no place among the
// stages that call other agents.
import { describe, expect, test } from "vitest";
import type { RegisteredAgent } from "../../../../src/contract/agent.ts";
import type { RunSpec } from "../../../../src/core/execution/run-spec.ts";
import { Play, ok, side, stage, status } from "../../rules/play.ts";

const LIMITED: RegisteredAgent = {
  url: "https://agent.test",
  protocol: "native",
  limits: { concurrency: 1 },
};

/** A run whose agent of the stage `one` has limits. */
function limited(...names: string[]): Partial<RunSpec> {
  return { agents: Object.fromEntries(names.map((name) => [stage(name).agent_type, LIMITED])) };
}

const NO_PLACE = { hasPlace: () => false };
const queued = (play: Play) =>
  play.of("stage.queued").map(({ stage: name, attempt, data }) => [name, attempt, data.reason]);

describe("an agent that holds its calls back", () => {
  const held = (until: number) => ({ heldUntil: () => until });

  test("has a call that waits until then, and is its first try", () => {
    const until = new Play([]).now + 2_000;
    const play = new Play([stage("one")], {}, {}, held(until));
    expect(play.types).toEqual(["execution.started", "stage.queued"]);
    expect(play.last).toMatchObject({
      stage: "one",
      status: "pending",
      attempt: 1,
      data: { reason: "retry_after", until: new Date(until).toISOString() },
    });
    expect(play.result("one")).toMatchObject({ status: "pending", attempts: 0, start_time: null });
    expect(play.status).toBe("running");
    expect(play.calls).toEqual([]);
    expect(play.wakesIn).toBe(2_000);
    play.gates = { ...play.gates, heldUntil: () => null };
    play.after(2_000).tick();
    expect(play.calls).toEqual(["one"]);
    play.after(10).answer("one");
    expect(play.status).toBe("completed");
    expect(play.result("one")).toMatchObject({ attempts: 1, duration_ms: 10 });
    const { critical_path_links, overhead_ms } = play.view.performance_metrics;
    expect(critical_path_links).toEqual([
      { kind: "agent_wait", stage: "one", ms: 2_000 },
      { kind: "stage", stage: "one", ms: 10 },
    ]);
    expect(overhead_ms).toBe(0);
  });

  test("holds a further try back, which stays one try", () => {
    const play = new Play([stage("one")], { retry_delay_seconds: 1 });
    play.fail("one", status(503)).after(500);
    play.gates = { ...play.gates, heldUntil: () => play.now + 3_000 };
    play.tick();
    expect(queued(play)).toEqual([["one", 2, "retry_after"]]);
    expect(play.result("one")).toMatchObject({ attempts: 1 });
    play.gates = { ...play.gates, heldUntil: () => null };
    play.after(3_000).tick();
    expect(play.of("stage.started").map(({ attempt }) => attempt)).toEqual([1, 2]);
    play.answer("one");
    expect(play.result("one")).toMatchObject({ attempts: 2 });
    expect(play.view.performance_metrics.critical_path_links).toEqual([
      { kind: "stage", stage: "one", ms: 0 },
      { kind: "retry_wait", stage: "one", ms: 500 },
      { kind: "agent_wait", stage: "one", ms: 3_000 },
    ]);
  });

  test("may be known only once the call has begun: it is not sent, and is no try", () => {
    const play = new Play([stage("one")]);
    play.answer("one", { ok: "queued", reason: "retry_after", until: play.now + 1_000 });
    expect(play.types.slice(1)).toEqual(["stage.started", "stage.queued"]);
    expect(play.result("one")).toMatchObject({ status: "pending", attempts: 0 });
    expect(play.wakesIn).toBe(1_000);
    play.after(1_000).tick();
    expect(play.of("stage.started").map(({ attempt, internal }) => [attempt, internal?.repeated])).toEqual([
      [1, undefined],
      [1, true],
    ]);
    play.answer("one");
    expect(play.result("one")).toMatchObject({ attempts: 1 });
  });

  test("and is held for longer than was known makes the call wait again", () => {
    const play = new Play([stage("one")]);
    const begin = play.now;
    play.gates = { ...play.gates, heldUntil: () => begin + 5_000 };
    play.answer("one", { ok: "queued", reason: "retry_after", until: begin + 1_000 });
    play.after(1_000).tick();
    expect(play.of("stage.queued").map(({ data }) => data.until)).toEqual([
      new Date(begin + 1_000).toISOString(),
      new Date(begin + 5_000).toISOString(),
    ]);
    expect(play.wakesIn).toBe(4_000);
  });

  test("of the fallback holds the fallback's call back", () => {
    const simple = { strategy: "use_simple_model" as const, agent_type: "simple", config: {} };
    const play = new Play([stage("one", { fallback: simple, retry_attempts: 1 })]);
    play.gates = {
      ...play.gates,
      heldUntil: (agent_type) => (agent_type === "simple" ? play.now + 1_000 : null),
    };
    play.fail("one", status(500));
    expect(play.types.slice(-2)).toEqual(["stage.fallback", "stage.queued"]);
    play.gates = { ...play.gates, heldUntil: () => null };
    play.after(1_000).tick();
    play.answer("one");
    expect(play.result("one")).toMatchObject({ status: "completed", attempts: 1 });
  });
});

describe("an agent with limits", () => {
  test("is not called before there is a place, and has no event for a place that is there at once", () => {
    const play = new Play([stage("one")], {}, limited("one"), NO_PLACE);
    expect(play.types).toEqual(["execution.started"]);
    expect(play.blocked).toEqual(["one"]);
    expect(play.calls).toEqual([]);
    play.gates = { ...play.gates, hasPlace: () => true };
    play.tick();
    expect(play.blocked).toEqual([]);
    expect(play.types.slice(1)).toEqual(["stage.started"]);
  });

  test("no timer goes for a call that waits for its place", () => {
    const play = new Play([stage("one")], { pipeline_timeout_seconds: 100 }, limited("one"), NO_PLACE);
    expect(play.wakesIn).toBe(100_000);
    const tried = new Play([stage("one")], { pipeline_timeout_seconds: 100 }, limited("one"));
    tried.gates = { ...tried.gates, ...NO_PLACE };
    tried.fail("one", status(503)).after(1_000).tick();
    expect(tried.blocked).toEqual(["one"]);
    expect(tried.wakesIn).toBe(99_000);
  });

  test("leaves the place of its stage to the calls of other agents, also of one that runs alone", () => {
    const play = new Play(
      [stage("one"), side("two"), side("three")],
      { max_concurrent_stages: 1 },
      limited("one"),
      NO_PLACE,
    );
    expect(play.calls).toEqual(["two"]);
    play.submit({ type: "no_place", stage: "one", reason: "concurrency", until: null });
    expect(queued(play)).toEqual([["one", 1, "concurrency"]]);
    // The run has no place for it now: there is nothing to ask for.
    expect(play.blocked).toEqual([]);
    // The next one goes first, too; the place that was asked for meanwhile comes back unused.
    play.answer("two");
    expect(play.calls).toEqual(["three"]);
    play.gates = { ...play.gates, hasPlace: () => true };
    expect(play.tick().calls).toEqual(["three"]);
    expect(play.blocked).toEqual([]);
    play.answer("three");
    expect(play.calls).toEqual(["one"]);
    expect(play.answer("one").status).toBe("completed");
  });

  test("says when there may be a place, where that is known, and says it once", () => {
    const play = new Play([stage("one")], {}, limited("one"), NO_PLACE);
    const until = play.now + 1_000;
    play.submit({ type: "no_place", stage: "one", reason: "rate", until });
    expect(play.last.data).toEqual({ reason: "rate", until: new Date(until).toISOString() });
    play.submit({ type: "no_place", stage: "one", reason: "rate", until });
    expect(play.refusal).toEqual({ reason: "stale" });
    expect(play.of("stage.queued")).toHaveLength(1);
  });

  test("has items that wait one by one", () => {
    const play = new Play(
      [stage("one", { map: { over: "[1, 2, 3]", max_items: 100, concurrency: 3, on_error: "fail" } })],
      {},
      limited("one"),
      NO_PLACE,
    );
    expect(play.blocked).toEqual(["one[0]"]);
    play.submit({ type: "no_place", stage: "one[0]", reason: "concurrency", until: null });
    expect(play.last).toMatchObject({ type: "stage.queued", stage: "one", item: 0 });
    const withPlace = new Set(["one[1]", "one[2]"]);
    play.gates = { ...play.gates, hasPlace: (unit) => withPlace.has(unit) };
    play.tick();
    expect(play.calls).toEqual(["one[1]", "one[2]"]);
    play.answer("one[1]").answer("one[2]");
    withPlace.add("one[0]");
    play.tick().answer("one[0]");
    expect(play.status).toBe("completed");
    expect(play.result("one").data).toMatchObject({ completed: 3 });
  });

  test("has no place for what is not to be called", () => {
    const play = new Play([stage("one"), stage("two", { depends_on: ["one"] })], {}, limited("two"));
    play.submit({ type: "no_place", stage: "one", reason: "concurrency", until: null });
    expect(play.refusal).toEqual({ reason: "stale" });
    play.submit({ type: "no_place", stage: "none", reason: "concurrency", until: null });
    expect(play.refusal).toEqual({ reason: "unknown_stage", stage: "none" });
    play.answer("one").answer("two");
    play.submit({ type: "no_place", stage: "one", reason: "concurrency", until: null });
    expect(play.refusal).toBeNull();
    expect(play.last.type).toBe("execution.completed");
  });
});

describe("a call that waits for its agent", () => {
  const waiting = () => {
    const play = new Play([stage("one")], { pipeline_timeout_seconds: 10 }, limited("one"), NO_PLACE);
    return play.submit({ type: "no_place", stage: "one", reason: "concurrency", until: null });
  };

  test("waits on through a crash, and asks again", () => {
    const play = waiting().crash();
    expect(play.types).toEqual(["execution.started", "stage.queued"]);
    expect(play.blocked).toEqual(["one"]);
    play.gates = { ...play.gates, hasPlace: () => true };
    expect(play.tick().calls).toEqual(["one"]);
  });

  test("does not begin while its run is paused, and asks again when that is resumed", () => {
    const play = waiting().pause("drain");
    play.gates = { ...play.gates, hasPlace: () => true };
    expect(play.tick().calls).toEqual([]);
    expect(play.resume().calls).toEqual(["one"]);
  });

  test("is cancelled with its run", () => {
    const play = waiting().after(100).cancel();
    expect(play.types.slice(-2)).toEqual(["stage.cancelled", "execution.cancelled"]);
    expect(play.result("one")).toMatchObject({ status: "cancelled", attempts: 0 });
  });

  test("has the run's deadline, and not that of a try", () => {
    const play = waiting();
    expect(play.wakesIn).toBe(10_000);
    play.after(10_000).tick();
    expect(play.view.error_info).toMatchObject({ code: "PIPELINE_TIMEOUT" });
  });

  test("is the run's own time on its path while it waits", () => {
    const play = waiting().after(300);
    play.gates = { ...play.gates, hasPlace: () => true };
    play.tick().after(50).answer("one", ok());
    expect(play.view.performance_metrics.critical_path_links).toEqual([
      { kind: "agent_wait", stage: "one", ms: 300 },
      { kind: "stage", stage: "one", ms: 50 },
    ]);
  });
});
