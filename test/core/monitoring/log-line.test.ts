// A log line: one line of JSON for any content, and the levels.
import { describe, expect, test } from "vitest";
import type { LifecycleEvent } from "../../../src/contract/event.ts";
import { MapSpec } from "../../../src/contract/stage.ts";
import { eventFields, isLogged, logLine } from "../../../src/core/monitoring/log-line.ts";
import { ok, Play, stage } from "../rules/play.ts";
import { makeRun } from "../simulation/spec.ts";

describe("a log line", () => {
  test("is one line of JSON for any content", () => {
    const line = logLine("INFO", 0, {
      text: "a\nb\u001b[0m\u0085\u2028\u202e\ud800",
      long: "x".repeat(10_000),
    });
    // oxlint-disable-next-line no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(line.length).toBeLessThan(1_000);
    expect(JSON.parse(line)).toMatchObject({ level: "INFO", time: "1970-01-01T00:00:00.000Z" });
  });

  test("levels go up from DEBUG to ERROR", () => {
    const levels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
    const wanted = levels.map((least) => levels.filter((level) => isLogged(level, least)).length);
    expect(wanted).toEqual([4, 3, 2, 1]);
  });
});

const fieldsOf = (event: unknown) => eventFields(event as LifecycleEvent, { tenant: "t", pipeline: "p" });

test("the line of an item's event has its place", () => {
  const run = new Play([stage("each", { map: MapSpec.parse({ over: "[1]" }) })]).answer(
    "each[0]",
    ok({ n: 1 }),
  );
  const events = run.log.filter((event) => event.stage !== undefined);
  expect(events.map((event) => fieldsOf(event)["item"])).toEqual([undefined, 0, 0, undefined]);
});

test("a line of the log has the iteration, and the execution that begins", () => {
  const run = new Play(
    [makeRun("sub", "inner", { repeat: { until: "true", max: 2, on_max: "accept" } })],
    {},
    { pipelines: { inner: { version: 1, stages: [stage("work")] } } },
  );
  const [began] = run.of("stage.started");
  expect(fieldsOf(began)).toMatchObject({
    iteration: 1,
    child_execution_id: began?.data.child_execution_id,
  });
});
