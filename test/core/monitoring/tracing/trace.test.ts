// The trace: each event says what it is about.
import { expect, test } from "vitest";
import type { LifecycleEvent } from "../../../../src/contract/event.ts";
import { MapSpec } from "../../../../src/contract/stage.ts";
import { traceEvent } from "../../../../src/core/monitoring/tracing/trace.ts";
import { ok, Play, stage } from "../../rules/play.ts";

test("an entry has the place of the item that it is about", () => {
  const run = new Play([stage("each", { map: MapSpec.parse({ over: "[1, 2]", concurrency: 1 }) })])
    .answer("each[0]", ok({ n: 1 }))
    .answer("each[1]", ok({ n: 2 }));
  const events = run.log.filter((event) => event.stage !== undefined) as LifecycleEvent[];
  expect(events.map((event) => traceEvent(event).item)).toEqual([undefined, 0, 0, 1, 1, undefined]);
});
