// A record that storage refuses: the run goes on from what the log holds, or ends, by its deadline (I1); whoever waits
// is not left waiting; nothing that was not written is seen (I9).
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { waitForCaller } from "../../../src/engine/watch/wait.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import type { Life } from "../simulation/platform.ts";
import { drained } from "../simulation/virtual-time.ts";
import { Bench, later, said } from "../simulation/fair-weather.ts";

const chain = [makeStage("a"), makeStage("b", { depends_on: ["a"] })];

/** Refuses the record of this number, counted from 1, and those after it while `still` says so. */
function refusing(number: number, still: (bench: Bench) => boolean = () => false) {
  let records = 0;
  return (bench: Bench) => {
    records += 1;
    return records === number || (records > number && still(bench));
  };
}

test.each([2, 3, 4])("record %i is refused once: the run completes, each result once", async (number) => {
  const bench = new Bench((_request, _hooks, b) => later(b, 100, said()), refusing(number));
  await bench.start(makeSpec(chain));
  await bench.until();
  expect(bench.platform.refusals).toBeLessThanOrEqual(1);
  expect(bench.types.filter((type) => type.startsWith("stage.completed"))).toEqual([
    "stage.completed a",
    "stage.completed b",
  ]);
  expect(bench.types.at(-1)).toBe("execution.completed");
});

test("a start that is refused leaves nothing, and calls no agent", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 100, said()), refusing(1));
  const { driver } = bench;
  await bench.start(makeSpec(chain));
  expect(driver.fault?.cause).toBeInstanceOf(Error);
  expect(bench.requests).toEqual([]);
  expect(bench.driver.state).toBeNull();
});

test("storage that refuses an answer each time: the run ends failed, and its agent is called no further", async () => {
  const bench = new Bench(
    (_request, _hooks, b) => later(b, 100, said()),
    (b) => b.driver.state?.stages[0]?.phase === "ended" && b.driver.state.ended_at === null,
  );
  await bench.start(makeSpec([makeStage("a"), makeStage("b")]));
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.failed");
  const calls = bench.requests.filter(({ call }) => call.stage === "a");
  expect(calls.length).toBeLessThanOrEqual(TIMINGS.RECOVERIES_WITHOUT_PROGRESS + 1);
});

test("storage that refuses everything until after the deadline: the run ends with PIPELINE_TIMEOUT then", async () => {
  const bench = new Bench(
    (_request, _hooks, b) => later(b, 100, said()),
    refusing(2, (b) => b.ms < 60_000),
  );
  await bench.start(makeSpec(chain, { pipeline_timeout_seconds: 30 }));
  await bench.until();
  expect(bench.log.at(-1)).toMatchObject({
    type: "execution.failed",
    data: { error_info: { code: "PIPELINE_TIMEOUT" } },
  });
  // The tries: at 0.1, 5.1, 15.1, 30 (the deadline) and 70 s.
  expect(bench.platform.refusals).toBe(4);
  expect(bench.ms).toBeLessThan(30_000 + 8 * TIMINGS.ALARM_RETRY_MS + 10);
});

test("waiters are released, and a reader's stream stops without its end", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 100, said()), refusing(2));
  await bench.start(makeSpec(chain));
  const { driver } = bench;
  const feed = new EventFeed(driver, 0);
  feed.take();
  let isOver = false;
  const { clock } = (bench.platform.life as Life).ports;
  void waitForCaller(driver, clock, null).then(() => (isOver = true));
  await bench.until(1_000);
  await drained();
  expect(driver.fault).not.toBeNull();
  expect(isOver).toBe(true);
  expect(feed.take()).toEqual({ pieces: [], end: "closed" });
});
