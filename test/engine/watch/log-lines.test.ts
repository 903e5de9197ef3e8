// The lines that a run leaves in the operator's log, and that a run which leaves none sets no timer for them.
import { expect, test } from "vitest";
import type { CoordinatorConfig } from "../../../src/contract/config.ts";
import type { LogLevel } from "../../../src/core/monitoring/log-line.ts";
import { LogLines } from "../../../src/engine/watch/log-lines.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, BUSY, later, said, type Script } from "../simulation/fair-weather.ts";

async function linesOf(
  script: Script,
  config: Partial<CoordinatorConfig>,
): Promise<{ lines: string[]; timers: number }> {
  const bench = new Bench(script);
  const lines: string[] = [];
  let timers = 0;
  const clock = {
    now: () => bench.time.now,
    after: (ms: number, task: () => void) => {
      timers += 1;
      return bench.time.after(ms, task);
    },
  };
  const sink = (level: LogLevel, line: string) => {
    lines.push(`${level} ${(JSON.parse(line) as { event: string }).event}`);
  };
  bench.driver.watch(new LogLines(bench.driver, clock, sink));
  await bench.start(makeSpec([makeStage("a", { retry_attempts: 2 })], config));
  await bench.until(60_000);
  return { lines, timers };
}

const smooth: Script = (_request, _hooks, bench) => later(bench, 10, said());
const busyOnce: Script = (request, _hooks, bench) =>
  later(bench, 10, request.call.attempt === 1 ? BUSY : said());
const busy: Script = (_request, _hooks, bench) => later(bench, 10, BUSY);

test("a run that goes straight leaves no line at WARN, and sets no timer for one", async () => {
  expect(await linesOf(smooth, { log_level: "WARN" })).toEqual({ lines: [], timers: 0 });
  expect(await linesOf(smooth, { log_level: "INFO", enable_detailed_logging: false })).toEqual({
    lines: [],
    timers: 0,
  });
});

test("a failure is a line at WARN, also where the run completes after it", async () => {
  const { lines } = await linesOf(busyOnce, { log_level: "WARN" });
  expect(lines).toEqual(["WARN stage.retrying"]);
  const failed = await linesOf(busy, { log_level: "WARN" });
  expect(failed.lines).toEqual(["WARN stage.retrying", "ERROR stage.failed", "ERROR execution.failed"]);
  expect((await linesOf(busy, { log_level: "ERROR" })).lines).toEqual(failed.lines.slice(1));
});

test("at INFO each event is a line", async () => {
  const { lines } = await linesOf(smooth, { log_level: "INFO" });
  expect(lines).toContain("INFO stage.completed");
  expect(lines.at(-1)).toBe("INFO execution.completed");
});
