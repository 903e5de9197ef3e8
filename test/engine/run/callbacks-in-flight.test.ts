// Agents that answer later, on the virtual clock: what a callback shows and ends, what it may not, and when a wait for
// one is over. The callbacks are read as in production; their bodies are the test's.
import { expect, test } from "vitest";
import { readCallback } from "../../../src/adapters/agents/later/callback.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { CallbackTarget } from "../../../src/engine/object-protocol.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, later, said } from "../simulation/fair-weather.ts";
import { drained } from "../simulation/virtual-time.ts";

const LATER: CallOutcome = { ok: "later", location: "https://agents.example/jobs/1" };
const STAGE = { callback_timeout_seconds: 60, retry_attempts: 2 };
const CALL = 2;

/** A run whose agent answers 202 after 10 ms; `abandoned` are the places that were deleted. */
async function accepted(stage: Parameters<typeof makeStage>[1] = STAGE, outcome = LATER) {
  const bench = new Bench((_request, _hooks, b) => later(b, 10, outcome));
  const abandoned: string[] = [];
  bench.platform.outside = {
    callbackToken: async ({ stage: name, call }) => `${name}-${call}`,
    callbacks: {
      read: (_agent, _token, sent, hooks) => readCallback(sent, hooks, null),
      abandon: async ({ agent_type }, location) => void abandoned.push(`${agent_type} ${location}`),
    },
  };
  await bench.start(makeSpec([makeStage("one", stage)], {}, { origin: "https://c.example" }));
  await bench.until(100);
  const target = { stage: "one", call: CALL, started_at: bench.began };
  const send = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  /** A callback that streams; what it was taken for. */
  const streaming = (of: Partial<CallbackTarget> = {}) => {
    let source: ReadableStreamDefaultController<Uint8Array> | null = null;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) });
    const headers = new Headers({ "content-type": "text/event-stream" });
    const receipt = bench.driver.callbacks.receive({ ...target, ...of }, { body, headers });
    const push = async (text: string) => {
      source?.enqueue(new TextEncoder().encode(text));
      await settled();
    };
    return {
      receipt,
      delta: (text: string) => push(send("delta", { text })),
      progress: (message: string) => push(send("progress", { message })),
      result: async (data: Record<string, unknown>) => {
        await push(send("result", { data }));
        source?.close();
        return receipt;
      },
      cut: () => {
        source?.close();
        return receipt;
      },
    };
  };
  return { bench, abandoned, streaming };
}

/** Once the streams have passed on what was written to them. */
async function settled(): Promise<void> {
  for (let n = 0; n < 10; n += 1) await drained();
}

function shown(feed: EventFeed): string {
  return feed
    .take()
    .pieces.map((piece) => new TextDecoder().decode(piece))
    .join("");
}

function deltasOf(text: string): [number, string][] {
  return [...text.matchAll(/"partial_answer":"([^"]*)","offset":(\d+)/g)].map(([, piece, offset]) => [
    Number(offset),
    piece ?? "",
  ]);
}

test("each call says where to answer it, and that place is its own", async () => {
  const { bench } = await accepted({ callback_timeout_seconds: 5, retry_attempts: 2 });
  await bench.until(20_000);
  expect(bench.requests.map(({ callback_url }) => callback_url)).toEqual([
    "https://c.example/v1/callbacks/one-2",
    "https://c.example/v1/callbacks/one-5",
  ]);
  expect(bench.types).toContain("stage.retrying one");
});

test("a stage without the field says nothing of the kind", async () => {
  const { bench } = await accepted({}, said());
  expect(bench.requests.map(({ callback_url }) => callback_url)).toEqual([null]);
});

test("after its 202 the run rests, its alarm at the very end of the wait, and the agent is not called again", async () => {
  const { bench } = await accepted();
  expect(bench.driver.state?.status).toBe("waiting");
  expect(bench.driver.isBusy).toBe(false);
  const since = bench.driver.state?.stages[0]?.wait?.since ?? 0;
  expect(bench.platform.alarmAt).toBe(since + 60_000);
  bench.platform.evict();
  await bench.until(50_000);
  expect(bench.requests).toHaveLength(1);
});

test("a crash right after the 202 does not call again: it was written at once", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 10, LATER));
  await bench.start(makeSpec([makeStage("one", STAGE)], {}, { origin: "https://c.example" }));
  await bench.until(12);
  bench.platform.die();
  await bench.until(30_000);
  expect(bench.requests).toHaveLength(1);
  expect(bench.types).toEqual(["execution.started", "stage.started one", "stage.waiting one"]);
});

test("a stream's deltas are shown as they come, and its result ends the stage with the text kept", async () => {
  const { bench, streaming } = await accepted();
  const feed = new EventFeed(bench.driver, 0);
  shown(feed);
  const callback = streaming();
  await callback.delta("Heat ");
  await bench.until(200);
  expect(deltasOf(shown(feed))).toEqual([[0, "Heat "]]);
  await callback.delta("pumps");
  await callback.progress("half");
  await bench.until(300);
  const more = shown(feed);
  expect(deltasOf(more)).toEqual([[5, "pumps"]]);
  expect(more).toContain("half");
  expect(deltasOf(shown(new EventFeed(bench.driver, 0)))).toEqual([[0, "Heat pumps"]]);
  expect(await callback.result({ answer: "Heat pumps" })).toEqual({ ok: true, value: "accepted" });
  await bench.until();
  expect(bench.types.slice(-2)).toEqual(["stage.completed one", "execution.completed"]);
  expect(bench.log.at(-2)).toMatchObject({ internal: { text_in: "answer" } });
});

test("what was accepted is written when it is acknowledged", async () => {
  const { bench, streaming } = await accepted();
  const result = streaming();
  await result.result({ n: 1 });
  expect([...bench.platform.object()!.ports.log.read(0)].at(-1)?.type).toBe("execution.completed");
});

test("a stream that breaks off is refused, its text is void, and the next one begins again", async () => {
  const { bench, streaming } = await accepted();
  const feed = new EventFeed(bench.driver, 0);
  shown(feed);
  const first = streaming();
  await first.delta("Half a tr");
  await bench.until(200);
  expect(deltasOf(shown(feed))).toEqual([[0, "Half a tr"]]);
  expect(await first.cut()).toMatchObject({ ok: false, error: { code: "INVALID_REQUEST" } });
  expect(bench.driver.state?.status).toBe("waiting");
  await bench.until(300);
  expect(deltasOf(shown(feed))).toEqual([[0, ""]]);
  const second = streaming();
  await second.delta("All of it");
  await bench.until(400);
  expect(deltasOf(shown(feed))).toEqual([[0, "All of it"]]);
  expect(await second.result({ answer: "other" })).toEqual({ ok: true, value: "accepted" });
  await bench.until();
  expect(bench.log.at(-2)).toMatchObject({ internal: { text: "All of it" } });
});

test("of two streams at once the later one is shown; the first to end counts, the same again is the same", async () => {
  const { bench, streaming } = await accepted();
  const feed = new EventFeed(bench.driver, 0);
  shown(feed);
  const first = streaming();
  const second = streaming();
  const third = streaming();
  await first.delta("one");
  await second.delta("two");
  await first.delta("one more");
  await bench.until(200);
  expect(deltasOf(shown(feed)).at(-1)).toEqual([0, "two"]);
  expect(await first.result({ n: 1 })).toEqual({ ok: true, value: "accepted" });
  expect(await second.result({ n: 1 })).toEqual({ ok: true, value: "repeated" });
  expect(await third.result({ n: 3 })).toMatchObject({
    ok: false,
    error: { code: "EXECUTION_CONFLICT", stage: "one", execution_id: "ex_test" },
  });
  await bench.until();
  expect(bench.types.filter((type) => type === "stage.completed one")).toHaveLength(1);
});

test("a callback before the 202 is taken, and the 202 that follows changes nothing", async () => {
  const { bench } = await accepted();
  const early = new Bench(() => new Promise<never>(() => {}));
  early.platform.outside = bench.platform.outside;
  await early.start(makeSpec([makeStage("one", STAGE)], {}, { origin: "https://c.example" }));
  await early.until(10);
  const body = new Response('event: result\ndata: {"data":{"n":1}}\n\n').body;
  const headers = new Headers({ "content-type": "text/event-stream" });
  const target = { stage: "one", call: CALL, started_at: early.began };
  expect(await early.driver.callbacks.receive(target, { body, headers })).toEqual({
    ok: true,
    value: "accepted",
  });
  await early.until();
  expect(early.types).not.toContain("stage.waiting one");
  expect(early.types.at(-1)).toBe("execution.completed");
});

test("a cancel ends what is being read, and what comes after it is refused", async () => {
  const { bench, abandoned, streaming } = await accepted();
  const callback = streaming();
  await callback.delta("text");
  bench.driver.submit({ type: "cancel", reason: "enough" });
  expect(await callback.receipt).toMatchObject({ ok: false, error: { code: "EXECUTION_CONFLICT" } });
  expect(bench.driver.callbacks.size).toBe(0);
  expect(abandoned).toEqual(["agent_one https://agents.example/jobs/1"]);
  bench.driver.submit({ type: "cancel", reason: "enough" });
  expect(abandoned).toHaveLength(1);
  expect(await streaming().result({ n: 1 })).toMatchObject({ error: { code: "EXECUTION_CONFLICT" } });
});

test("an aborting pause deletes the work, and the resumed run calls again with a place of its own", async () => {
  const { bench, abandoned, streaming } = await accepted();
  bench.driver.submit({ type: "pause", mode: "abort" });
  expect(abandoned).toHaveLength(1);
  bench.driver.submit({ type: "resume" });
  await bench.until(500);
  expect(bench.requests.map(({ callback_url }) => callback_url)).toEqual([
    "https://c.example/v1/callbacks/one-2",
    expect.stringMatching(/one-[^2]/),
  ]);
  expect(await streaming().result({ n: 1 })).toMatchObject({ error: { code: "EXECUTION_CONFLICT" } });
});

test("a pause in mode drain lets the agent go on, and takes its answer", async () => {
  const { bench, abandoned, streaming } = await accepted();
  bench.driver.submit({ type: "pause", mode: "drain" });
  expect(abandoned).toEqual([]);
  expect(await streaming().result({ n: 1 })).toEqual({ ok: true, value: "accepted" });
  expect(bench.driver.state?.status).toBe("paused");
  await bench.until(500);
  expect(bench.types.at(-1)).toBe("stage.completed one");
});

test("while a callback streams, it is a sign of life; its silence is not", async () => {
  const { bench, streaming } = await accepted({ ...STAGE, heartbeat_seconds: 5, retry_attempts: 1 });
  const callback = streaming();
  for (let second = 1; second <= 12; second += 1) {
    await bench.until(second * 1_000);
    await callback.delta(".");
  }
  expect(bench.driver.state?.status).toBe("waiting");
  await bench.until();
  expect(bench.ms).toBeGreaterThan(16_000);
  expect(bench.ms).toBeLessThan(18_500);
  expect(await callback.receipt).toMatchObject({ ok: false, error: { code: "EXECUTION_CONFLICT" } });
  expect(bench.driver.state?.stages[0]?.result.error).toMatchObject({ code: "STAGE_TIMEOUT" });
});

test("a stage, or a call, that is not there is nothing at all, and a text of an ended call is not shown", async () => {
  const { bench, streaming } = await accepted();
  expect(await streaming({ stage: "two" }).receipt).toEqual({ ok: false, error: { code: "NOT_FOUND" } });
  const feed = new EventFeed(bench.driver, 0);
  shown(feed);
  const stale = streaming({ call: 1 });
  await stale.delta("stale");
  await bench.until(200);
  expect(deltasOf(shown(feed))).toEqual([]);
  expect(await stale.result({ n: 1 })).toMatchObject({ error: { code: "EXECUTION_CONFLICT" } });
});
