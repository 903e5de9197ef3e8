// Readers of a run at rest, on real workerd: its object leaves memory under their open streams, which go on without a
// gap when the run does, whatever became of the object meanwhile.
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { after, answers } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { type Received, readEvents } from "../../support/clients/sse.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorld } from "../../support/servers/world.ts";

/** The platform takes an object with nothing to do out of memory after 10 s. */
const EVICTED_MS = 12_000;
const COMMENT_MS = TIMINGS.HEARTBEAT_WATCHED_MS;

const world = (context: Parameters<typeof startWorld>[0], config: Record<string, unknown> = {}) =>
  startWorld(context, {
    config,
    agents: { slow: after(400, answers({ answer: "done" })), large: answers({ pad: "x".repeat(1_000_000) }) },
    worker: "resting-worker",
  });

/** A reader of a run's stream, with what it was sent. @param last the `seq` that it has from an earlier connection */
function reader(calls: Calls, id: string, last = 0) {
  const gone = new AbortController();
  const events: Received[] = [];
  const at = new Map<string, number>();
  let comments = 0;
  const headers = { accept: "text/event-stream", ...(last > 0 ? { "last-event-id": String(last) } : {}) };
  const over = (async () => {
    const response = await calls.fetch(`/v1/executions/${id}/events`, { headers, signal: gone.signal });
    const counted = response.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          if (new TextDecoder().decode(chunk).startsWith(": ")) comments += 1;
          controller.enqueue(chunk);
        },
      }),
    );
    await readEvents(new Response(counted), (event) => {
      events.push(event);
      at.set(event.event, Date.now());
    });
  })();
  over.catch(() => {});
  return {
    events,
    at,
    over,
    comments: () => comments,
    leave: () => gone.abort(),
    has: (type: string) => eventually(async () => at.has(type), Boolean, 10_000),
  };
}

/** Starts a run of one slow stage and pauses it in mid-call. */
async function rested(calls: Calls, id: string, more: Record<string, unknown> = {}): Promise<void> {
  await calls.post({ execution_id: id, pipeline: "slow", ...more }, { prefer: "respond-async" });
  await calls.send("POST", `/v1/executions/${id}/pause`, { mode: "abort" });
}

const resume = (calls: Calls, id: string) => calls.fetch(`/v1/executions/${id}/resume`, { method: "POST" });
const made = async (calls: Calls, id: string) => (await (await calls.fetch(`/made/${id}`)).json()) as number;

const timers = async (calls: Calls) => (await (await calls.fetch("/timers")).json()) as number[];

const passes = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Readers of the run, which they all know to be paused. */
async function readersOf(calls: Calls, id: string, count: number, last = 0) {
  const readers = Array.from({ length: count }, () => reader(calls, id, last));
  if (last === 0) await Promise.all(readers.map(({ has }) => has("execution.paused")));
  return readers;
}

/** One unbroken stream: every lifecycle event once, in order, to the end. */
function expectUnbroken(events: readonly Received[]): void {
  const ids = events.filter(({ id }) => id !== null).map(({ id }) => id);
  expect(ids).toEqual(ids.map((_, at) => at + 1));
  expect(events.at(-1)?.event).toBe("execution.completed");
}

test.concurrent("the object leaves memory under an open stream, which goes on when the run does", async (context) => {
  const { calls } = await (await world(context)).boot();
  await rested(calls, "watched", { on_disconnect: "cancel" });
  const [watching] = (await readersOf(calls, "watched", 1)) as [ReturnType<typeof reader>];
  // Nothing but the Worker's next comment is waited for: a timer of the object would keep it in memory.
  await eventually(
    () => timers(calls),
    (pending) => pending.length === 1 && pending[0] === COMMENT_MS,
  );
  await passes(EVICTED_MS);
  expect(await made(calls, "watched")).toBe(1);
  expect(watching.comments()).toBeGreaterThanOrEqual(EVICTED_MS / COMMENT_MS - 2);
  const resumed = Date.now();
  await resume(calls, "watched");
  await watching.has("execution.resumed");
  const ms = (watching.at.get("execution.resumed") as number) - resumed;
  console.log(`resumed, and read ${ms} ms later`);
  expect(ms).toBeLessThan(1_000);
  await watching.over;
  expectUnbroken(watching.events);
  // One instance until it was evicted, one for the rest.
  expect(await made(calls, "watched")).toBe(2);
});

test.concurrent("100 readers of one run rest; some leave, and all others go on", async (context) => {
  const { calls } = await (await world(context)).boot();
  await rested(calls, "many");
  const readers = await readersOf(calls, "many", 100);
  await passes(EVICTED_MS);
  for (const { leave } of readers.slice(0, 10)) leave();
  const rest = readers.slice(10);
  const resumed = Date.now();
  await resume(calls, "many");
  await Promise.all(rest.map(({ has }) => has("execution.resumed")));
  const last = Math.max(...rest.map(({ at }) => at.get("execution.resumed") as number)) - resumed;
  console.log(`the last of ${rest.length} readers reads that it was resumed after ${last} ms`);
  await Promise.all(rest.map(({ over }) => over));
  for (const { events } of rest) expectUnbroken(events);
  expect(await made(calls, "many")).toBe(2);
});

test.concurrent("pause and resume again and again: what comes between a stream and a socket is not missed", async (context) => {
  const home = await world(context);
  const { calls } = await home.boot();
  // The agent works for as long as all of this takes, on any machine.
  const finish: (() => void)[] = [];
  let isOver = false;
  home.agents.on("/slow", (call, response, count) => {
    const answer = () => void answers({ answer: "done" })(call, response, count);
    if (isOver) answer();
    else finish.push(answer);
  });
  await rested(calls, "busy");
  const readers = await readersOf(calls, "busy", 5);
  for (let n = 0; n < 40; n += 1) {
    await resume(calls, "busy");
    await calls.send("POST", "/v1/executions/busy/pause", { mode: n % 2 === 0 ? "abort" : "drain" });
    await passes((n * 7) % 13);
  }
  await resume(calls, "busy");
  isOver = true;
  for (const answer of finish) answer();
  await Promise.all(readers.map(({ over }) => over));
  for (const { events } of readers) {
    expectUnbroken(events);
    expect(events.filter(({ event }) => event === "execution.resumed")).toHaveLength(41);
  }
});

test.concurrent("readers at rest survive a crash of the object and its eviction, and come back after the server's", async (context) => {
  const home = await world(context);
  const { calls, server } = await home.boot();
  await rested(calls, "struck");
  const readers = await readersOf(calls, "struck", 5);
  await passes(500);
  await server.abort("struck");
  await passes(1_000);
  await server.evict("struck");
  await passes(1_000);
  await resume(calls, "struck");
  await Promise.all(readers.map(({ over }) => over));
  for (const { events } of readers) expectUnbroken(events);

  await rested(calls, "killed");
  const before = await readersOf(calls, "killed", 5);
  await server.kill();
  await Promise.allSettled(before.map(({ over }) => over));
  const again = await home.boot();
  const seen = before[0]?.events ?? [];
  const after = await readersOf(again.calls, "killed", 5, seen.at(-1)?.id ?? 0);
  await passes(500);
  await resume(again.calls, "killed");
  await Promise.all(after.map(({ over }) => over));
  for (const { events } of after) expectUnbroken([...seen, ...events]);
});

test.concurrent("large runs at rest leave room for others, with their readers", async (context) => {
  const { calls } = await (await world(context)).boot();
  // Ten times 1 MB a run: an isolate has room for two of them from one tenant.
  const names = Array.from({ length: 10 }, (_, at) => `s${at}`);
  const large = names.map((name) => ({ name, agent_type: "large", parallel: true }));
  await calls.pipeline("large", [...large, { name: "last", agent_type: "slow", depends_on: names }]);
  const ids = Array.from({ length: 4 }, (_, at) => `large-${at}`);
  const readers = [];
  for (const id of ids) {
    const on_disconnect = readers.length % 2 === 0 ? "cancel" : "continue";
    await calls.post({ execution_id: id, pipeline: "large", on_disconnect }, { prefer: "respond-async" });
    const watching = reader(calls, id);
    readers.push(watching);
    await eventually(
      async () => watching.events.length,
      (events) => events > 2 * names.length,
    );
    // An answer that is not read would keep its run in memory.
    await (await calls.send("POST", `/v1/executions/${id}/pause`, { mode: "abort" })).text();
    await watching.has("execution.paused");
  }
  for (const [at, id] of ids.entries()) {
    await (await resume(calls, id)).text();
    await readers[at]?.over;
    expectUnbroken(readers[at]?.events ?? []);
  }
});

test.concurrent("the end of the longest pause reaches readers whose object was out of memory", async (context) => {
  const config = { max_pause_seconds: 14 };
  const { calls } = await (await world(context, config)).boot();
  await rested(calls, "forgotten");
  const [waiting] = await readersOf(calls, "forgotten", 1);
  await waiting?.over;
  expect(waiting?.events.at(-1)).toMatchObject({ event: "execution.cancelled" });
  expect(await made(calls, "forgotten")).toBe(2);
});

test.concurrent("a run that waits for the outside is at rest: its time limit reaches readers", async (context) => {
  const { calls } = await (await world(context)).boot();
  const wait = { timeout_seconds: 24, on_timeout: "skip" };
  await calls.pipeline("asks", [
    { name: "asked", wait },
    { name: "last", agent_type: "slow", depends_on: ["asked"] },
  ]);
  await calls.post({ execution_id: "asks", pipeline: "asks" }, { prefer: "respond-async" });
  const waiting = reader(calls, "asks");
  await waiting.has("stage.waiting");
  // Once the run's start is reported.
  await eventually(
    () => timers(calls),
    (pending) => pending.length === 1 && pending[0] === TIMINGS.HEARTBEAT_MS,
  );
  await waiting.over;
  expectUnbroken(waiting.events);
  expect(await made(calls, "asks")).toBe(2);
});

test.concurrent("on_disconnect cancel: readers at rest are watchers, and the last that leaves cancels the run", async (context) => {
  const { calls } = await (await world(context)).boot();
  await rested(calls, "left", { on_disconnect: "cancel" });
  const [one, other] = await readersOf(calls, "left", 2);
  one?.leave();
  await passes(7_000);
  // One is left, however long the other has been gone.
  expect(await calls.read("left")).toMatchObject({ status: "paused" });
  await expectCancelledOnceLeft(calls, "left", other);
});

test.concurrent("on_disconnect cancel: a reader that leaves wakes the object for it", async (context) => {
  const { calls } = await (await world(context)).boot();
  // Nobody stayed to watch from its start: only the socket says that there was a watcher.
  await rested(calls, "alone", { on_disconnect: "cancel" });
  const [only] = await readersOf(calls, "alone", 1);
  await passes(EVICTED_MS);
  expect(await made(calls, "alone")).toBe(1);
  await expectCancelledOnceLeft(calls, "alone", only);
  expect(await made(calls, "alone")).toBe(2);
});

/** The reader leaves: a grace later, and not before, the run is cancelled. The execution is not read meanwhile. */
async function expectCancelledOnceLeft(calls: Calls, id: string, last: { leave: () => void } | undefined) {
  last?.leave();
  await passes(4_000);
  expect(await calls.read(id)).toMatchObject({ status: "paused" });
  await eventually(
    () => calls.read(id),
    ({ status }) => status === "cancelled",
    8_000,
  );
}
