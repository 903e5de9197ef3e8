// Waits in the fold of a run's events: a question, its answer before and after it, an agent that answers later, and the
// status of the run, which no event says: after any events it is the one that the core has.
import { type Arbitrary, array, assert, boolean, constantFrom, property, record, nat } from "fast-check";
import { describe, expect, test } from "vitest";
import { foldEvent, type RunEvent, type RunView } from "../../src/client/index.ts";
import type { ResolvedStage, WaitStage } from "../../src/contract/stage.ts";
import type { Command } from "../../src/core/execution/command.ts";
import { type LogEvent, wireJson } from "../../src/core/execution/log-event.ts";
import { evolve } from "../../src/core/execution/evolve.ts";
import { type ExecutionState, stageOf } from "../../src/core/execution/state.ts";
import { ok, Play, REJECTED, side, stage } from "../core/rules/play.ts";

function question(name: string, depends_on: string[] = [], wait: Partial<WaitStage["wait"]> = {}): WaitStage {
  return {
    name,
    required: false,
    parallel: false,
    depends_on,
    config: {},
    wait: {
      prompt: "{'question': query}",
      schema: { type: "object", properties: { yes: { type: "boolean" } } },
      timeout_seconds: 60,
      on_timeout: "fail",
      ...wait,
    },
  };
}

const later = (name: string, fields: Parameters<typeof side>[1] = {}) =>
  side(name, { callback_timeout_seconds: 100, heartbeat_seconds: 20, ...fields });

const wire = (event: LogEvent) => JSON.parse(wireJson(event)) as RunEvent;

function viewOf({ log }: Play): RunView {
  return log.map(wire).reduce<RunView | null>(foldEvent, null) as RunView;
}

function stageIn(play: Play, name: string) {
  return viewOf(play).stages.find((each) => each.name === name);
}

const signal = (name: string, data: Record<string, unknown> | null = { yes: true }): Command => ({
  type: "signal",
  stage: name,
  wait: null,
  answer: data === null ? { ok: false, message: "no" } : { ok: true, data },
  by: "key:k1",
});

type ValueOf<From> = From extends Arbitrary<infer Value> ? Value : never;

const callOf = (play: Play, name: string) => stageOf(play.state, name).call;

describe("a question", () => {
  const asked = () => new Play([question("approval"), stage("send", { depends_on: ["approval"] })]);

  test("is seen with its schema and its expiry, and the run waits", () => {
    const play = asked().after(500);
    expect(viewOf(play).status).toBe("waiting");
    expect(stageIn(play, "approval")).toMatchObject({
      status: "waiting",
      attempt: 0,
      started_at: play.began,
      wait: {
        reason: "wait",
        prompt: { question: play.state.spec.query },
        schema: question("approval").wait.schema,
        expires_at: play.began + 60_000,
      },
      spans: [{ kind: "outside", from: play.began, to: null, outcome: "running" }],
    });
  });

  test("goes with its answer, which names who gave it", () => {
    const play = asked().after(500).submit(signal("approval"));
    expect(viewOf(play).status).toBe("running");
    expect(stageIn(play, "approval")).toMatchObject({
      status: "completed",
      wait: null,
      result: { data: { yes: true }, answered_by: "key:k1" },
      spans: [{ kind: "outside", to: play.began + 500, outcome: "completed" }],
    });
  });

  test.each([
    ["a rejection", (play: Play) => play.submit(signal("approval", null)), "failed", "failed"],
    ["a cancel", (play: Play) => play.cancel(), "cancelled", "cancelled"],
  ] as const)("goes with %s", (_what, end, status, outcome) => {
    expect(stageIn(end(asked().after(500)), "approval")).toMatchObject({
      status,
      wait: null,
      spans: [{ kind: "outside", outcome }],
    });
  });

  test("that nothing answers is skipped where its definition says so", () => {
    const play = new Play([question("approval", [], { on_timeout: "skip" })]).after(60_000).tick();
    expect(stageIn(play, "approval")).toMatchObject({
      status: "skipped",
      ended_at: play.began + 60_000,
      wait: null,
      spans: [{ kind: "outside", to: play.began + 60_000, outcome: "failed" }],
    });
  });

  test("stays open in a pause of either mode", () => {
    for (const mode of ["drain", "abort"] as const) {
      const play = asked().pause(mode);
      expect(viewOf(play).status).toBe("paused");
      expect(stageIn(play, "approval")).toMatchObject({ status: "waiting", wait: { reason: "wait" } });
      expect(viewOf(play.resume()).status).toBe("waiting");
    }
  });

  test("that is answered before it is asked has a note until then", () => {
    const play = new Play([stage("draft"), question("approval", ["draft"])]).submit(signal("approval"));
    expect(stageIn(play, "approval")).toMatchObject({
      status: "pending",
      note: { kind: "early", message: "answered before it asks, by key:k1" },
    });
    play.answer("draft");
    expect(stageIn(play, "approval")).toMatchObject({ status: "completed", note: null });
  });
});

describe("an agent that answers later", () => {
  const accepted = (fields = {}) =>
    new Play([later("work", fields)]).after(10).answer("work", { ok: "later" });

  test("is seen as waiting, its try as over", () => {
    const play = accepted();
    expect(viewOf(play).status).toBe("waiting");
    expect(stageIn(play, "work")).toMatchObject({
      status: "waiting",
      attempt: 1,
      wait: { reason: "callback", prompt: {}, schema: null },
      spans: [
        { kind: "try", outcome: "completed" },
        { kind: "outside", attempt: 1, to: null },
      ],
    });
  });

  test("a sign of life moves the expiry", () => {
    const play = accepted().after(15_000);
    const before = stageIn(play, "work")?.wait?.expires_at ?? 0;
    play.submit({ type: "heartbeat", stage: "work", call: callOf(play, "work") });
    const after = stageIn(play, "work")?.wait?.expires_at;
    expect(after).toBe(stageOf(play.state, "work").wait?.expires_at);
    expect(after).toBeGreaterThan(before);
  });

  test("its text is shown as it comes, that of an earlier attempt is not", () => {
    const view = viewOf(accepted());
    const delta = { execution_id: "e", type: "stage.delta", stage: "work", status: "running" } as const;
    const data = { partial_answer: "so far", offset: 0 };
    expect(foldEvent(view, { ...delta, attempt: 1, data }).answer?.text).toBe("so far");
    expect(foldEvent(view, { ...delta, attempt: 0, data })).toBe(view);
  });

  test("an aborting pause sends it back, a draining one does not", () => {
    expect(stageIn(accepted().pause("abort"), "work")).toMatchObject({
      status: "pending",
      wait: null,
      spans: [{ outcome: "completed" }, { kind: "outside", outcome: "cancelled" }],
    });
    expect(stageIn(accepted().pause("drain"), "work")).toMatchObject({ status: "waiting" });
  });

  test("one that says nothing is tried again, or gives way to its fallback", () => {
    expect(stageIn(accepted({ retry_attempts: 2 }).after(100_001).tick(), "work")).toMatchObject({
      status: "retrying",
      wait: null,
    });
    const rescued = accepted({ retry_attempts: 1, fallback: "use_cached_results" }).after(100_001).tick();
    expect(stageIn(rescued, "work")).toMatchObject({ status: "running", fallback: "use_cached_results" });
    expect(viewOf(rescued).status).toBe("running");
  });
});

describe("the status of a run", () => {
  const steps = array(
    record({
      what: constantFrom(
        "answer",
        "answer",
        "later",
        "fail",
        "busy",
        "no_place",
        "callback",
        "callback",
        "heartbeat",
        "signal",
        "signal",
        "reject",
        "tick",
        "crash",
        "pause",
        "abort",
        "resume",
        "resume",
      ),
      on: nat(9),
      after: constantFrom(0, 5, 500, 20_000, 70_000),
    }),
    { maxLength: 24 },
  );
  const shape = array(
    record({
      isQuestion: boolean(),
      parallel: boolean(),
      needs: nat(255),
      fields: constantFrom(
        {},
        { retry_attempts: 1 },
        { retry_attempts: 1, fallback: "use_cached_results" as const },
      ),
      on_timeout: constantFrom<WaitStage["wait"]["on_timeout"]>("fail", "skip", { data: { yes: false } }),
    }),
    { minLength: 1, maxLength: 5 },
  );

  function play(shapes: ValueOf<typeof shape>, list: ValueOf<typeof steps>): Play {
    const names = shapes.map((_, at) => `s${at}`);
    const stages = shapes.map(({ isQuestion, parallel, needs, fields, on_timeout }, at): ResolvedStage => {
      const name = names[at] ?? "";
      const depends_on = names.slice(0, at).filter((_, before) => (needs >> before) % 2 === 1);
      return isQuestion
        ? question(name, depends_on, { on_timeout })
        : later(name, { ...fields, parallel, depends_on, required: false });
    });
    const run = new Play(stages, { max_concurrent_stages: 2 });
    for (const { what, on, after } of list) act(run.after(after), what, names[on % names.length] ?? "");
    return run;
  }

  function act(run: Play, what: string, name: string): void {
    const call = callOf(run, name);
    const outcome = { ok: true, answer: { data: { said: 1 } }, bytes: 9 } as const;
    switch (what) {
      case "answer":
        return void run.answer(name, ok());
      case "later":
        return void run.answer(name, { ok: "later" });
      case "fail":
        return void run.fail(name, REJECTED);
      case "busy":
        return void run.answer(name, { ok: "queued", reason: "retry_after", until: run.now + 500 });
      case "no_place":
        // Nothing asks for a place for a stage that is not ready.
        if (stageOf(run.state, name).attempt === 0) return;
        return void run.submit({ type: "no_place", stage: name, reason: "concurrency", until: null });
      case "callback":
        return void run.submit({ type: "callback", stage: name, call, outcome });
      case "heartbeat":
        return void run.submit({ type: "heartbeat", stage: name, call });
      case "signal":
      case "reject":
        return void run.submit(signal(name, what === "signal" ? { yes: true } : null));
      case "tick":
        return void run.tick();
      case "crash":
        return void run.crash({ crashes: 0 });
      case "resume":
        return void run.resume();
      default:
        run.pause(what === "abort" ? "abort" : "drain");
    }
  }

  test("is the core's after every event, and so is which stages wait", () => {
    const seen = new Set<string>();
    assert(
      property(shape, steps, (shapes, list) => {
        let state: ExecutionState | null = null;
        let view: RunView | null = null;
        for (const event of play(shapes, list).log) {
          state = evolve(state, event);
          view = foldEvent(view, wire(event));
          seen.add(`${event.type} ${state.status}`);
          expect(view?.status).toBe(state.status);
          expect(view?.stages.map(({ wait }) => wait?.expires_at)).toEqual(
            state.stages.map(({ wait }) => wait?.expires_at),
          );
          expect(view?.stages.map(({ queue }) => queue && [queue.reason, queue.since, queue.until])).toEqual(
            state.stages.map(({ queue }) => queue && [queue.reason, queue.since, queue.until]),
          );
          expect(view?.stages.map(({ status }) => status === "waiting")).toEqual(
            state.stages.map(({ result }) => result.status === "waiting"),
          );
        }
      }),
      { numRuns: 1_000 },
    );
    // What must have happened for that to mean anything.
    expect([...seen]).toEqual(
      expect.arrayContaining([
        "stage.waiting waiting",
        "stage.waiting running",
        "stage.signalled waiting",
        "stage.signalled running",
        "stage.completed waiting",
        "stage.retrying running",
        "stage.queued running",
        "stage.fallback running",
        "stage.skipped waiting",
        "execution.resumed waiting",
        "execution.recovered running",
        "execution.paused paused",
      ]),
    );
  });
});
