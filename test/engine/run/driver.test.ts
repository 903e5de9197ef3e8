// The driver's promises that random runs rarely reach, each by the sequence that broke it or could.
import { expect, test } from "vitest";
import { LogCorrupted } from "../../../src/engine/ports.ts";
import { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { answerWatched, waitForCaller } from "../../../src/engine/watch/wait.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, BUSY, later, said } from "../simulation/fair-weather.ts";
import type { Life } from "../simulation/platform.ts";
import { drained } from "../simulation/virtual-time.ts";

const slow = { retry_delay_seconds: 30 };

test("the alarm of a long wait makes the next try, also where the object stayed in memory", async () => {
  const bench = new Bench((request, _hooks, b) => later(b, 10, request.call.attempt === 1 ? BUSY : said()));
  await bench.start(makeSpec([makeStage("one")], slow));
  await bench.until();
  expect(bench.types).toEqual([
    "execution.started",
    "stage.started one",
    "stage.retrying one",
    "stage.started one",
    "stage.completed one",
    "execution.completed",
  ]);
  expect(bench.ms).toBeGreaterThan(29_000);
  expect(bench.platform.alarms).toBeLessThan(6);
});

test("a run that is resumed before a long wait wakes for its try, not at the pause's end", async () => {
  const bench = new Bench((request, _hooks, b) => later(b, 10, request.call.attempt === 1 ? BUSY : said()));
  await bench.start(makeSpec([makeStage("one")], slow));
  bench.driver.submit({ type: "pause", mode: "drain" });
  await bench.until(2_000);
  bench.driver.submit({ type: "resume" });
  await bench.until(3_000);
  bench.platform.evict();
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(bench.ms).toBeLessThan(31_000);
});

test("a call that was called off before it went out is never made", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 10, said()));
  bench.driver.submit({ type: "start", spec: makeSpec([makeStage("one")]) });
  bench.driver.submit({ type: "pause", mode: "abort" });
  await bench.until(1_000);
  expect(bench.requests).toEqual([]);
  bench.driver.submit({ type: "resume" });
  await bench.until();
  expect(bench.requests.map(({ call }) => call.attempt)).toEqual([1]);
});

test("an agent that ignores its abort does not keep a connection's place", async () => {
  const stages = ["a", "b", "c", "d", "e", "f"].map((name) => makeStage(name, { parallel: true }));
  const bench = new Bench((_request, _hooks, b) =>
    b.requests.length <= 6 ? new Promise<never>(() => {}) : later(b, 10, said()),
  );
  await bench.start(makeSpec(stages, { max_concurrent_stages: 6 }));
  bench.driver.submit({ type: "pause", mode: "abort" });
  bench.driver.submit({ type: "resume" });
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(bench.ms).toBeLessThan(200);
});

test("text that an agent still sends after its call was aborted is not passed on", async () => {
  let send: (text: string) => void = () => {};
  const bench = new Bench((_request, hooks) => {
    send = (text) => hooks.delta(text);
    return new Promise<never>(() => {});
  });
  await bench.start(makeSpec([makeStage("one")]));
  const feed = new EventFeed(bench.driver, 0);
  send("heard");
  await bench.until(100);
  const text = () =>
    feed
      .take()
      .pieces.map((piece) => new TextDecoder().decode(piece))
      .join("");
  expect(text()).toContain("heard");
  bench.driver.submit({ type: "pause", mode: "abort" });
  send("not heard");
  await bench.until(200);
  const after = text();
  expect(after).toContain("execution.paused");
  expect(after).not.toContain("not heard");
});

test("fast stages without watchers share a commit, and a result waits for its commit 50 ms at most", async () => {
  const stages = ["a", "b", "c", "d"].map((name) => makeStage(name));
  const bench = new Bench((_request, _hooks, b) => later(b, 1, said()));
  await bench.start(makeSpec(stages));
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(bench.commits).toBe(2);

  const slowly = new Bench((_request, _hooks, b) => later(b, 1_000, said()));
  await slowly.start(makeSpec(stages));
  await slowly.until(1_052);
  expect(slowly.types).toContain("stage.completed a");
});

test("what is answered of a run has been written before", async () => {
  const bench = new Bench((request, _hooks, b) => later(b, request.call.stage === "a" ? 10 : 10_000, said()));
  await bench.start(makeSpec([makeStage("a"), makeStage("b")]));
  await bench.until(20);
  expect(bench.driver.state?.stages[0]?.phase).toBe("ended");
  expect(bench.types).not.toContain("stage.completed a");
  bench.driver.flush();
  await bench.until(22);
  expect(bench.types).toContain("stage.completed a");
});

test("a log that is whole and makes no sense is corrupted, not a reason to try for ever", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 10, said()));
  await bench.start(makeSpec([makeStage("one")]));
  await bench.until();
  const [first, second] = bench.log;
  const open = (events: unknown[]) => () =>
    ExecutionDriver.open({
      ...(bench.platform.object() as NonNullable<ReturnType<typeof bench.platform.object>>).ports,
      log: { append: () => {}, synced: () => Promise.resolve(), read: () => events as typeof bench.log },
    });
  expect(open([second])).toThrow(LogCorrupted);
  expect(open([first, { ...second, stage: "nobody" }])).toThrow(LogCorrupted);
  expect(open([first, first])).toThrow(LogCorrupted);
  await drained();
});

test("a started response sends the end once it is durable, and nothing before", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 5_000, said()));
  await bench.start(makeSpec([makeStage("one")]));
  const { driver } = bench;
  const { clock } = (bench.platform.life as Life).ports;
  const text = () => {
    driver.flush();
    return JSON.stringify(driver.state?.status);
  };
  let left = 0;
  const begun = answerWatched(driver, waitForCaller(driver, clock, null), text, clock, () => (left += 1));
  await bench.until(TIMINGS.HEARTBEAT_WATCHED_MS + 1);
  const reader = ((await begun) as ReadableStream<Uint8Array>).getReader();
  const durable: (string | undefined)[] = [];
  let told = "";
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const piece = new TextDecoder().decode(value);
      if (piece.trim() !== "") durable.push(bench.log.at(-1)?.type);
      told += piece;
    }
  })();
  await bench.until();
  await drained();
  await reading;
  expect(told.trim()).toBe('"completed"');
  expect(durable).toEqual(["execution.completed"]);
  expect(left).toBe(1);
});
