// How the execution of a stage is followed: over streams that break, from the event that was read last, in pieces of any
// size. Its object is a double that sends what a test says.
import { expect, test } from "vitest";
import type { Usage } from "../../../src/contract/stage.ts";
import type { SeenChild } from "../../../src/core/execution/state.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { childrenOver } from "../../../src/adapters/children/children.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { FollowMessage } from "../../../src/engine/object-protocol.ts";
import type { Executions } from "../../../src/engine/worker-ports.ts";
import { makeSpec } from "../../core/simulation/spec.ts";
import { stage } from "../../core/rules/play.ts";

const SPEC: RunSpec = makeSpec([stage("work")], {}, { execution_id: "ex_child" });

const event = (type: string, seq: number, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, seq, ...fields })}\nid: ${seq}\n\n`;
const delta = (text: string, offset: number) =>
  `event: stage.delta\ndata: ${JSON.stringify({ type: "stage.delta", stage: "work", data: { partial_answer: text, offset } })}\n\n`;
const END = { status: "completed", final_result: { n: 1 }, usage: {}, error_info: null };
const completed = (seq: number) => event("execution.completed", seq, { data: END });

/** @param streams the pieces of each, in order; @param open_ms how long each is open */
async function followed(streams: string[][], seen: SeenChild | null = null, open_ms = 0, spec = SPEC) {
  const asked: Pick<FollowMessage, "after" | "spec">[] = [];
  const texts: [string, number | undefined][] = [];
  const used: Usage[] = [];
  let now = 0;
  const executions = {
    follow: async (_tenant: string, _id: string, { after, spec }: FollowMessage) => {
      asked.push({ after, spec });
      const pieces = streams[asked.length - 1] ?? [];
      return new Response(
        new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              now += open_ms;
              for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
              controller.close();
            },
          },
          { highWaterMark: 0 },
        ),
      );
    },
  } as unknown as Executions;
  const clock = {
    now: () => now,
    after: (_ms: number, task: () => void) => {
      queueMicrotask(task);
      return () => {};
    },
  };
  const outcome = await childrenOver(executions, clock).follow(spec, seen, {
    signal: new AbortController().signal,
    delta: (text, offset) => void texts.push([text, offset]),
    usage: (usage) => void used.push(usage),
  });
  return {
    outcome,
    texts,
    used,
    after: asked.map(({ after }) => after),
    specs: asked.map(({ spec }) => spec),
  };
}

test("it is started where none of its events is known, and its end is the stage's", async () => {
  const { outcome, specs } = await followed([[event("execution.started", 1), completed(2), ":end"]]);
  expect(outcome).toMatchObject({ ok: true, answer: { data: { n: 1 } } });
  expect(specs).toEqual([SPEC]);
});

test("a rest says which event was read, and behind it the next call goes on", async () => {
  const rest = await followed([[event("execution.started", 1), event("stage.waiting", 3), ":rest"]]);
  expect(rest.outcome).toEqual({ ok: "rests", seen: { seq: 3, asking: [] } });
  const next = await followed([[completed(4), ":end"]], { seq: 3, asking: [] });
  expect(next).toMatchObject({ outcome: { ok: true }, after: [3], specs: [null] });
});

test("a rest says whether a budget is spent, unless it was resumed since", async () => {
  const overspent = { scope: "tenant", spent_usd: 2, limit_usd: 1 };
  const spent = { cost_usd: 2, tokens: 0 };
  const data = {
    mode: "drain",
    reason: "budget",
    by_stage: {},
    scope: "tenant",
    spent,
    limit: { cost_usd: 1 },
  };
  const paused = event("execution.paused", 2, { data });
  const rest = await followed([[event("execution.started", 1), paused, ":rest"]]);
  expect(rest.outcome).toEqual({ ok: "rests", seen: { seq: 2, asking: [] }, overspent });
  const resumed = [paused, event("execution.resumed", 3, { data: {} }), event("stage.waiting", 4), ":rest"];
  expect((await followed([resumed])).outcome).toEqual({ ok: "rests", seen: { seq: 4, asking: [] } });
  const byHand = [event("execution.paused", 2, { data: { mode: "drain" } }), ":rest"];
  expect((await followed([byHand])).outcome).toEqual({ ok: "rests", seen: { seq: 2, asking: [] } });
});

test("an event may come in pieces of any size", async () => {
  const whole = event("execution.started", 1) + delta("é one", 0) + completed(2);
  for (let size = 1; size < 30; size += 1) {
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
      whole.slice(at * size, (at + 1) * size),
    );
    const { outcome, texts } = await followed([pieces]);
    expect(outcome, `${size}`).toMatchObject({ ok: true });
    expect(texts).toEqual([["é one", 0]]);
  }
});

test("a stream that breaks is taken up behind its last whole event", async () => {
  const { outcome, after } = await followed([
    [event("execution.started", 1), event("stage.started", 2).slice(0, -1)],
    [event("stage.started", 2), completed(3)],
  ]);
  expect(outcome).toMatchObject({ ok: true });
  expect(after).toEqual([0, 1]);
});

test("one that breaks again and again at once is given up; after a long silence each is a new beginning", async () => {
  const broken = Array.from({ length: 20 }, () => []);
  const { outcome, after } = await followed([...broken, [completed(2)]]);
  expect(outcome).toMatchObject({ ok: false, failure: { code: "INTERNAL_ERROR" } });
  expect(after).toHaveLength(TIMINGS.REATTACH_MS.length);
  const silent = await followed([...broken, [completed(2)]], { seq: 1, asking: [] }, TIMINGS.REST_PROVEN_MS);
  expect(silent.outcome).toMatchObject({ ok: true });
});

test("a rest says who asks a person, also where that was before the rest before", async () => {
  const asks = (seq: number, name: string, data: object) =>
    event("stage.waiting", seq, { stage: name, data });
  const first = await followed([
    [asks(2, "a", { reason: "wait" }), asks(3, "b", { reason: "callback" }), ":rest"],
  ]);
  expect(first.outcome).toEqual({ ok: "rests", seen: { seq: 3, asking: ["a"] } });
  const seen = { seq: 3, asking: ["a"] };
  const within = asks(4, "c", { reason: "execution", asks: true });
  expect((await followed([[within, ":rest"]], seen)).outcome).toMatchObject({ seen: { asking: ["a", "c"] } });
  const answered = event("stage.completed", 4, { stage: "a" });
  expect((await followed([[answered, ":rest"]], seen)).outcome).toMatchObject({ seen: { asking: [] } });
});

const BOUNDED: RunSpec = { ...SPEC, budget: { tokens: 100, on_exceeded: "pause" } };
const ends = (seq: number, name: string, tokens: number, more: object = {}, item?: number) =>
  event("stage.completed", seq, {
    stage: name,
    ...(item === undefined ? {} : { item }),
    data: { usage: { input_tokens: tokens }, reused_from: null, ...more },
  });

test("each end reports all that its stages have used, without what it has taken over", async () => {
  const stream = [ends(2, "a", 5), ends(3, "b", 7, { reused_from: {} }), ends(4, "c", 2), completed(5)];
  const { used } = await followed([stream], null, 0, BOUNDED);
  expect(used).toEqual([{ input_tokens: 5 }, { input_tokens: 7 }]);
  // Nothing counts it.
  expect((await followed([stream])).used).toEqual([]);
});

test("items are counted as they end, and once", async () => {
  const stream = [ends(2, "a", 5, {}, 0), ends(3, "a", 7, {}, 1), ends(4, "a", 12), completed(5)];
  const { used } = await followed([stream], null, 0, BOUNDED);
  expect(used.map((usage) => usage["input_tokens"])).toEqual([5, 12, 12]);
});

test("a rest says what was used until then, and what is used after it is added", async () => {
  const { outcome } = await followed([[ends(2, "a", 5), ":rest"]], null, 0, BOUNDED);
  const seen = { seq: 2, asking: [], usage: { input_tokens: 5 } };
  expect(outcome).toEqual({ ok: "rests", seen });
  const next = await followed([[ends(3, "b", 6), ":rest"]], seen, 0, BOUNDED);
  expect(next.used).toEqual([{ input_tokens: 11 }]);
  expect(next.outcome).toMatchObject({ seen: { seq: 3, usage: { input_tokens: 11 } } });
});

test("a rest says by which budget of the config it is paused, until it goes on", async () => {
  const data = {
    mode: "drain",
    reason: "budget",
    spent: { cost_usd: 12, tokens: 0 },
    limit: { cost_usd: 10 },
  };
  const paused = event("execution.paused", 2, { data: { ...data, scope: "tenant" } });
  const { outcome } = await followed([[paused, ":rest"]]);
  const overspent = { scope: "tenant", spent_usd: 12, limit_usd: 10 };
  expect(outcome).toEqual({ ok: "rests", seen: { seq: 2, asking: [] }, overspent });
  const resumed = event("execution.resumed", 3, { data: {} });
  const own = event("execution.paused", 4, { data });
  expect((await followed([[paused, resumed, ":rest"]])).outcome).not.toHaveProperty("overspent");
  expect((await followed([[own, ":rest"]])).outcome).not.toHaveProperty("overspent");
});
