// What src/contract/README.md section 10 says of the answers to a stage that asks (I17).
import { describe, expect, test } from "vitest";
import { asks, NO, Play, REJECTED, side, stage, YES } from "./play.ts";

const MAYBE = { ok: true, data: { approved: "perhaps" } } as const;
const OTHER = { ok: true, data: { approved: false } } as const;
const SCHEMA = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
const draftFirst = () => [stage("draft"), asks("approval", {}, { depends_on: ["draft"] })];

describe("an answer in time", () => {
  test("Its data are the stage's, and answered_by says whose they are.", () => {
    const play = new Play([asks("approval")]).after(59_999).say("approval", YES, null, "token:ab12");
    expect(play.refusal).toBeNull();
    expect(play.result("approval")).toMatchObject({
      status: "completed",
      attempts: 0,
      duration_ms: 59_999,
      data: { approved: true },
      answered_by: "token:ab12",
      usage: null,
    });
  });

  test("A failure of a required stage ends the execution, of an optional one it does not.", () => {
    expect(new Play([asks("approval")]).say("approval", NO).status).toBe("failed");
    const stages = [asks("approval", {}, { required: false }), stage("after", { depends_on: ["approval"] })];
    expect(new Play(stages).say("approval", NO).calls).toEqual(["after"]);
  });

  test("A failure with a fallback gives its default, with the name of who answered.", () => {
    const fallback = { strategy: "use_default", data: { approved: false } } as const;
    const play = new Play([asks("approval", {}, { fallback })]).say("approval", NO);
    expect(play.result("approval")).toMatchObject({
      status: "completed",
      data: { approved: false },
      answered_by: "key:1",
      fallback: { strategy: "use_default", reason: "not like this" },
    });
    expect(play.say("approval", NO).refusal).toMatchObject({ reason: "repeated" });
  });

  test("Nothing but a default replaces a person: a fallback of the config that calls an agent is none.", () => {
    const config = { fallback_strategies: { approval: "use_simple_model" } } as const;
    expect(new Play([asks("approval")], config).say("approval", NO).status).toBe("failed");
  });

  test("Data that do not satisfy the schema are refused with pointers, and the stage waits on.", () => {
    const play = new Play([asks("approval", { schema: SCHEMA })]);
    const before = play.log.length;
    play.say("approval", MAYBE);
    expect(play.refusal).toMatchObject({
      reason: "mismatch",
      stage: "approval",
      errors: [{ pointer: "/approved" }],
    });
    expect([play.log.length, play.status]).toEqual([before, "waiting"]);
    expect(play.say("approval", YES).status).toBe("completed");
  });

  test("A failure needs no schema.", () => {
    expect(new Play([asks("approval", { schema: SCHEMA })]).say("approval", NO).refusal).toBeNull();
  });

  test("Data for which the execution has no room are refused, and the stage waits on.", () => {
    const play = new Play([asks("approval")], { memory_limit_mb: 0.001 });
    play.say("approval", { ok: true, data: { much: "x".repeat(2_000) } });
    expect(play.refusal).toMatchObject({
      reason: "unanswerable",
      why: expect.stringContaining("memory_limit_mb"),
    });
    expect(play.say("approval").status).toBe("completed");
  });
});

describe("a token", () => {
  test("It answers the wait that it is bound to, and nothing else.", () => {
    const play = new Play([asks("one"), asks("two")]);
    const [one, two] = play.of("stage.waiting").map(({ seq }) => seq) as [number, number];
    expect(play.say("one", YES, two).refusal).toMatchObject({ reason: "unanswerable" });
    expect(play.result("one").status).toBe("waiting");
    expect(play.say("one", YES, one).refusal).toBeNull();
  });

  test("Before the stage has asked there is none that fits.", () => {
    expect(new Play(draftFirst()).say("approval", YES, 3).refusal).toMatchObject({ reason: "unanswerable" });
  });
});

describe("an answer again", () => {
  test.each([
    ["the same body", YES, "repeated"],
    [
      "the same body with its keys in another order",
      { ok: true, data: { b: 1, approved: true } },
      "unanswerable",
    ],
    ["another body", OTHER, "unanswerable"],
    ["a failure", NO, "unanswerable"],
    ["a failure that reads like the data", { ok: false, message: "approved" }, "unanswerable"],
  ] as const)("%s, while the execution goes on and after its end", (_what, again, reason) => {
    const play = new Play([asks("approval"), stage("after", { depends_on: ["approval"] })]).say("approval");
    const before = play.log.length;
    expect(play.say("approval", again, null, "key:2").refusal).toMatchObject({ reason, stage: "approval" });
    play.answer("after");
    expect(play.status).toBe("completed");
    expect(play.say("approval", again, null, "key:2").refusal).toMatchObject({ reason });
    expect(play.crash().say("approval", again, null, "key:2").refusal).toMatchObject({ reason });
    expect(play.log.length).toBe(before + 2);
    expect(play.result("approval")).toMatchObject({ data: { approved: true }, answered_by: "key:1" });
  });

  test("The order of keys makes no other answer.", () => {
    const play = new Play([asks("approval"), stage("after", { depends_on: ["approval"] })]);
    play.say("approval", { ok: true, data: { a: 1, b: { c: 1, d: 2 } } });
    play.say("approval", { ok: true, data: { b: { d: 2, c: 1 }, a: 1 } });
    expect(play.refusal).toMatchObject({ reason: "repeated" });
  });

  test("Data like a failure's body are another answer than the failure.", () => {
    const play = new Play([asks("approval", {}, { required: false }), stage("b")]).say("approval", NO);
    play.say("approval", { ok: true, data: { message: "not like this" } });
    expect(play.refusal).toMatchObject({ reason: "unanswerable" });
  });
});

describe("an answer that is not waited for", () => {
  const timed = [asks("approval", { on_timeout: "skip" }), stage("after", { depends_on: ["approval"] })];
  test.each<[string, Play, string]>([
    ["at expires_at's very millisecond", new Play(timed).after(60_000), "its time to answer is over"],
    ["after it", new Play(timed).after(60_000).tick().after(5), "its time to answer is over"],
    [
      "after data of on_timeout",
      new Play([asks("approval", { on_timeout: { data: { approved: false } } }), stage("b")])
        .after(60_000)
        .tick(),
      "its time to answer is over",
    ],
    ["to a skipped stage", new Play([asks("approval", {}, { when: "false" }), stage("b")]), "it is skipped"],
    ["to a cancelled stage", new Play([asks("approval")]).cancel(), "it is cancelled"],
    [
      "to a stage that an ended execution never began",
      new Play(draftFirst()).fail("draft", { kind: "unregistered", agent_type: "agent_draft" }),
      "the execution is failed",
    ],
    [
      "past the execution's deadline",
      new Play(draftFirst(), { pipeline_timeout_seconds: 10 }).after(10_000),
      "the execution is failed",
    ],
    [
      "to a stage whose condition failed into its fallback",
      new Play([
        asks("approval", {}, { when: "1 / 0 == 1", fallback: { strategy: "use_default", data: {} } }),
        stage("b"),
      ]),
      "it is completed",
    ],
  ])("%s is refused, and changes nothing", (_when, play, why) => {
    const given = play.result("approval").data;
    play.say("approval");
    expect(play.refusal).toEqual({ reason: "unanswerable", stage: "approval", why });
    expect(play.of("stage.signalled")).toEqual([]);
    expect(play.result("approval").data).toEqual(given?.["approved"] === false ? given : (given ?? null));
    expect(play.result("approval").answered_by).not.toBe("key:1");
  });

  test("An unknown stage, and one that calls an agent.", () => {
    const play = new Play([stage("agent")]);
    expect(play.say("unknown").refusal).toEqual({ reason: "unknown_stage", stage: "unknown" });
    expect(play.say("toString").refusal).toEqual({ reason: "unknown_stage", stage: "toString" });
    expect(play.say("agent").refusal).toMatchObject({ reason: "unanswerable", stage: "agent" });
    expect(play.log).toHaveLength(2);
  });

  test("One at expires_at finds what follows the timeout begun.", () => {
    const play = new Play(timed).after(60_000).say("approval");
    expect(play.types.slice(2)).toEqual(["stage.skipped", "stage.started"]);
  });
});

describe("an answer before the stage has begun", () => {
  test("It is kept in the log, and taken when the stage begins.", () => {
    const play = new Play(draftFirst()).say("approval", YES, null, "key:7");
    expect(play.refusal).toBeNull();
    expect(play.of("stage.signalled")).toMatchObject([
      { stage: "approval", status: "pending", data: { signal: "complete", answered_by: "key:7" } },
    ]);
    expect(play.result("approval").status).toBe("pending");
    play.after(500).answer("draft");
    expect(play.types.slice(3)).toEqual([
      "stage.completed",
      "stage.waiting",
      "stage.completed",
      "execution.completed",
    ]);
    expect(play.result("approval")).toMatchObject({
      data: { approved: true },
      answered_by: "key:7",
      duration_ms: 0,
    });
  });

  test("Its answer is not in what readers of the event get.", () => {
    const play = new Play(draftFirst()).say("approval");
    const { internal, ...wire } = play.of("stage.signalled")[0] ?? {};
    expect(internal).toMatchObject({ answer: YES, bytes: 17 });
    expect(JSON.stringify(wire)).not.toContain("approved");
  });

  test("A failure is kept, too.", () => {
    const play = new Play(draftFirst()).say("approval", NO).answer("draft");
    expect(play.of("stage.signalled")[0]?.data).toEqual({ signal: "fail", answered_by: "key:1" });
    expect(play.view.error_info).toMatchObject({ failed_stage: "approval" });
  });

  test("The same again is the same, another one is refused.", () => {
    const play = new Play(draftFirst()).say("approval");
    expect(play.say("approval").refusal).toMatchObject({ reason: "repeated" });
    expect(play.say("approval", OTHER).refusal).toMatchObject({
      reason: "unanswerable",
      why: "it has been answered already",
    });
    expect(play.answer("draft").say("approval").refusal).toMatchObject({ reason: "repeated" });
    expect(play.of("stage.signalled")).toHaveLength(1);
  });

  test("It is checked at once, not when it is taken.", () => {
    const play = new Play([stage("draft"), asks("approval", { schema: SCHEMA }, { depends_on: ["draft"] })]);
    expect(play.say("approval", MAYBE).refusal).toMatchObject({ reason: "mismatch" });
    expect(play.of("stage.signalled")).toEqual([]);
  });

  test("Its bytes count once.", () => {
    const play = new Play(draftFirst());
    const before = play.state.context_bytes;
    play.say("approval");
    expect(play.state.context_bytes - before).toBe(17);
    const kept = play.state.context_bytes;
    play.answer("draft", { ok: true, answer: { data: {} }, bytes: 2 });
    expect(play.state.context_bytes - kept).toBe(2);
  });

  test("It survives a crash, a pause and a failed try before.", () => {
    const play = new Play(draftFirst(), { retry_delay_seconds: 0 }).say("approval").crash();
    play.pause("abort").resume().fail("draft", REJECTED).tick().crash().answer("draft");
    expect(play.result("approval")).toMatchObject({ data: { approved: true }, answered_by: "key:1" });
  });

  test("It is taken during no pause: the stage begins after it.", () => {
    const play = new Play(draftFirst()).pause("drain").say("approval").answer("draft");
    expect([play.status, play.result("approval").status]).toEqual(["paused", "pending"]);
    expect(play.resume().status).toBe("completed");
  });

  test("A stage that is skipped, or cannot show its prompt, drops it.", () => {
    const skipped = new Play([
      stage("draft"),
      asks("approval", {}, { depends_on: ["draft"], when: "results.draft == null" }),
    ]);
    expect(skipped.say("approval").answer("draft").result("approval").status).toBe("skipped");
    const broken = new Play([
      stage("draft"),
      asks("approval", { prompt: "{'x': results.draft.none}" }, { depends_on: ["draft"] }),
    ]);
    expect(broken.say("approval").answer("draft").result("approval").status).toBe("failed");
    expect(skipped.say("approval").refusal).toMatchObject({ reason: "repeated" });
  });

  test("It makes no status: the execution runs on.", () => {
    const play = new Play([side("draft"), asks("approval", {}, { depends_on: ["draft"] })]).say("approval");
    expect([play.status, play.calls]).toEqual(["running", ["draft"]]);
  });
});
