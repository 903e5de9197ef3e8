// A log of a released format replays for ever: from its bytes to the stream, the trace and the last view that it once gave.
import { describe, expect, test } from "vitest";
import { LifecycleEvent } from "../../src/contract/event.ts";
import { LIFECYCLE_TYPES } from "../../src/contract/lifecycle.ts";
import { replay } from "../../src/core/execution/evolve.ts";
import { wireJson } from "../../src/core/execution/log-event.ts";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { viewExecution } from "../../src/core/execution/view/view.ts";
import { ExecutionDriver } from "../../src/engine/run/driver.ts";
import { EventFeed } from "../../src/engine/watch/feed.ts";
import { Bench } from "../engine/simulation/fair-weather.ts";
import { ENDED, goldenEvents, IN_FLIGHT, readGolden } from "../support/values/golden-logs.ts";

test("there are golden logs of formats 1 and 2, and every kind of event is in one of a run that has ended", () => {
  expect(ENDED).toEqual([
    "v1-cancelled",
    "v1-completed",
    "v1-failed",
    "v1-fallback",
    "v2-budget",
    "v2-completed",
    "v2-forked",
    "v2-mapped",
    "v2-waits",
  ]);
  expect(IN_FLIGHT).toEqual([
    "v1-falling",
    "v1-paused",
    "v1-running",
    "v1-waiting",
    "v2-asking",
    "v2-early",
    "v2-handed",
    "v2-limited",
    "v2-mapping",
    "v2-overspent",
    "v2-queued",
  ]);
  const types = new Set(ENDED.flatMap((name) => goldenEvents(name).map((event) => event.type)));
  expect([...types].toSorted()).toEqual([...LIFECYCLE_TYPES].toSorted());
});

/** By the present definition, where it is another path than the one in the log. */
const LATER_PATHS: Record<string, object> = {
  "v1-cancelled": { critical_path: ["waits"], critical_path_ms: 100 },
  // Two dependencies end in the same millisecond: the later event decides.
  "v1-fallback": { critical_path: ["cached", "last"], critical_path_ms: 70 },
};

/** What stands in a stream: the fields of each event, in the order in which they are sent. */
function lifecycle(stream: string): string[] {
  return stream
    .split("\n\n")
    .filter((message) => /^id: /m.test(message))
    .map((message) => message.split("\n").toSorted().join("\n"));
}

/** Fields that came after events of the released versions were written. */
const LATER = ["answered_by", "reused_from", "forked_from"] as const;

/** An event's data without the later fields that the event as it was sent lacks. */
function withoutUnsent(data: object, wire: object): object {
  const known = Object.entries(data).filter(([key]) => !LATER.some((later) => later === key) || key in wire);
  const sent = "stage_results" in wire ? (wire.stage_results as Record<string, object>) : {};
  return Object.fromEntries(
    known.map(([key, value]) => {
      if (key !== "stage_results") return [key, value];
      const results = Object.entries(value as Record<string, object>);
      return [
        key,
        Object.fromEntries(results.map(([name, result]) => [name, withoutUnsent(result, sent[name] ?? {})])),
      ];
    }),
  );
}

/** An event's data without what came after the logs of format 1 were written. */
function withoutLater(data: LifecycleEvent["data"]): object {
  const { final_stages: _, ...rest } = { final_stages: [], ...data };
  if ("performance_metrics" in rest) {
    Reflect.deleteProperty(rest.performance_metrics, "critical_path_links");
  }
  return rest;
}

describe.each(ENDED)("%s", (name) => {
  const events = goldenEvents(name);
  const stream = readGolden(`${name}.sse.txt`);

  test("gives its golden stream, byte for byte", () => {
    const bench = new Bench(() => Promise.reject(new Error("a log that has ended calls nobody")));
    const life = bench.platform.object();
    const log = {
      append: () => {},
      synced: () => Promise.resolve(),
      read: (after: number) => events.slice(after),
    };
    const driver = ExecutionDriver.open({ ...(life as NonNullable<typeof life>).ports, log });
    const { pieces, end } = new EventFeed(driver, 0).take();
    const sent = pieces.map((piece) => new TextDecoder().decode(piece)).join("");
    expect(lifecycle(sent)).toEqual(lifecycle(stream));
    expect(lifecycle(sent)).toHaveLength(events.length);
    expect(end).toBe("terminal");
  });

  test("gives its golden trace: every event as it was", () => {
    const trace = lifecycle(stream).map((message) => /^data: (.*)$/m.exec(message)?.[1]);
    expect(events.map(wireJson)).toEqual(trace);
  });

  test("has events of the shapes that the contract has, and no field beside them", () => {
    for (const event of events) {
      const wire = JSON.parse(wireJson(event)) as { data: object };
      // The contract's parser drops what it does not know, and adds what came later.
      const { data, ...parsed } = LifecycleEvent.parse(wire);
      const known = withoutUnsent(name.startsWith("v1-") ? withoutLater(data) : data, wire.data);
      expect({ ...parsed, data: known }).toEqual(wire);
    }
  });

  test("gives its golden last view, and it is what the terminal event carries", () => {
    const golden = JSON.parse(readGolden(`${name}.execution.json`)) as Record<string, unknown>;
    const view = viewExecution(replay(events) as ExecutionState);
    // Fields that came later are beside those of the golden one. The version that wrote it took the heaviest path of
    // the graph for the critical one; the event keeps that, the view has the chain that determined the end.
    const { critical_path, critical_path_ms, ...metrics } = golden["performance_metrics"] as Record<
      string,
      unknown
    >;
    expect(JSON.parse(JSON.stringify(view))).toMatchObject({ ...golden, performance_metrics: metrics });
    expect(view.performance_metrics).toMatchObject(LATER_PATHS[name] ?? { critical_path, critical_path_ms });
    expect(events.at(-1)?.data).toEqual(golden);
  });
});
