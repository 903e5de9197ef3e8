// I16: the golden logs of runs in mid-flight, which earlier versions wrote, are finished by this one: as they are, and
// without the keys that a still earlier version may not have had.
import { describe, expect, test } from "vitest";
import { encodeRecord } from "../../src/adapters/log/record.ts";
import type { Command } from "../../src/core/execution/command.ts";
import { type LogEvent, type LogEventOf, wireJson } from "../../src/core/execution/log-event.ts";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { viewExecution } from "../../src/core/execution/view/view.ts";
import { goldenEvents, goldenRecords, IN_FLIGHT } from "../support/values/golden-logs.ts";
import { Bench, later, said, type Script } from "./simulation/fair-weather.ts";

const DAY_MS = 86_400_000;

/**
 * Agents whose call was in flight, or was still to come, when the log's server went; in the order of their calls. Of
 * v1-falling a lookup of the last good result is in flight as well, which calls nobody.
 */
const CALLED: Record<string, string[]> = {
  "v1-falling": ["agent_small", "agent_last"],
  "v1-paused": ["agent_second"],
  "v1-running": ["agent_side", "agent_second"],
  "v1-waiting": ["agent_first", "agent_second"],
  "v2-asking": ["agent_publish"],
  "v2-early": ["agent_draft", "agent_publish"],
  // I4: the agent of its first stage has answered 202.
  "v2-handed": ["agent_publish"],
  // I4: of five items two have completed, and one its first iteration.
  "v2-mapping": ["agent_each", "agent_each", "agent_each", "agent_publish"],
  // One waits for a place at its agent, one until its agent may be called again.
  "v2-limited": ["agent_rank", "agent_search", "agent_publish"],
  "v2-overspent": ["agent_publish"],
  "v2-queued": ["agent_check", "agent_publish"],
};

/** What a run waits for that does not go on by itself. */
const AWAITED: Record<string, Command> = {
  "v1-paused": { type: "resume" },
  "v2-asking": {
    type: "signal",
    stage: "approval",
    wait: 4,
    answer: { ok: true, data: { approved: true } },
    by: "key:1",
  },
  "v2-handed": {
    type: "callback",
    stage: "report",
    call: 2,
    outcome: { ok: true, answer: { data: { n: 1 } }, bytes: 7 },
  },
  "v2-overspent": { type: "resume", budget: { tokens: 1_000 } },
  "v2-queued": { type: "admit", history: [] },
};

/** Config keys without which this version would do something else, or nothing at all. */
const NEEDED = ["max_pause_seconds", "pipeline_timeout_seconds", "memory_limit_mb", "max_concurrent_stages"];

/** The log with its pinned spec and stages changed. */
function changed(
  name: string,
  change: (
    spec: { config: Record<string, unknown> } & Record<string, unknown>,
    stages: Record<string, unknown>[],
  ) => void,
): LogEvent[] {
  const events = goldenEvents(name);
  const { internal, data } = events[0] as LogEventOf<"execution.started">;
  change(internal?.spec as never, data.stages);
  return events;
}

/** The log without every key of the config but those that say how this run differs from the default. */
function bare(name: string): LogEvent[] {
  return changed(name, (spec, stages) => {
    const { retry_delay_seconds, fallback_strategies } = spec.config;
    spec.config = { retry_delay_seconds, fallback_strategies };
    for (const key of ABSENT_FROM_SPEC) delete spec[key];
    for (const stage of stages) {
      if (stage["parallel"] === false) delete stage["parallel"];
      if (stage["required"] === true) delete stage["required"];
      for (const key of ["config", "timeout_seconds", "retry_attempts"]) delete stage[key];
    }
  });
}

const ABSENT_FROM_SPEC = [
  "inputs",
  "history",
  "digest",
  "traceparent",
  "watched",
  "on_disconnect",
  "storage",
];

type Records = Iterable<readonly [string, Uint8Array]>;
const recordsOf = (events: LogEvent[]): Records =>
  encodeRecord(events).map(({ key, bytes }) => [key, bytes] as const);

const answering: Script = (request, _hooks, bench) =>
  later(bench, 20, said({ n: 1, by: request.call.agent_type }));

/** The log on this version's platform, a minute after the server that wrote it went. */
function takenUp(records: Records, after_ms = 60_000): Bench {
  const bench = new Bench(answering);
  bench.time.now += after_ms;
  bench.platform.seed(records, bench.time.now);
  return bench;
}

const shapes = IN_FLIGHT.flatMap((name) => [
  [name, "as it is", () => goldenRecords(name)] as const,
  [name, "without what has a default", () => recordsOf(bare(name))] as const,
  ...NEEDED.map((key) => {
    const lacking = () => recordsOf(changed(name, ({ config }) => delete config[key]));
    return [name, `without ${key}`, lacking] as const;
  }),
]);

describe.each(shapes)("%s, %s", (name, _, records) => {
  test("is finished by this version, with the stored events as they were", async () => {
    const bench = takenUp(records());
    const stored = bench.log.map(wireJson);
    const completed = bench.types.filter((type) => type.startsWith("stage.completed"));
    await bench.until(60_100);
    const awaited = AWAITED[name];
    if (awaited !== undefined) {
      expect(bench.types.at(-1)).not.toMatch(/^execution\.(completed|failed|cancelled)/);
      expect(bench.driver.submit(awaited)).toBeNull();
    }
    await bench.until();
    expect(bench.types.at(-1)).toBe("execution.completed");
    expect(bench.log.slice(0, stored.length).map(wireJson)).toEqual(stored);
    expect(bench.log.map(({ seq }) => seq)).toEqual(bench.log.map((_, at) => at + 1));
    // I4: a stage whose completion was committed is not called again.
    for (const type of completed) expect(bench.types.filter((other) => other === type)).toHaveLength(1);
    const called = bench.requests.map(
      ({ call, registration }) => registration?.protocol === "native" && call.agent_type,
    );
    expect(called).toEqual(CALLED[name]);
    const view = viewExecution(bench.driver.state as ExecutionState);
    expect(JSON.stringify(view)).not.toContain("NaN");
    expect(view.execution_metadata.config).toMatchObject({
      max_pause_seconds: 604_800,
      cache_ttl_seconds: 1_800,
    });
  });
});

describe.each([
  ["as it is", () => goldenRecords("v1-paused")],
  ["without what has a default", () => recordsOf(bare("v1-paused"))],
])("a paused run that is never resumed, %s", (_, records) => {
  test("ends when its pause is over, and not before", async () => {
    const bench = takenUp(records());
    await bench.until(6.9 * DAY_MS);
    expect(Number.isFinite(bench.platform.alarmAt)).toBe(true);
    expect(bench.driver.state?.status).toBe("paused");
    await bench.until();
    expect(bench.types.at(-1)).toMatch(/^execution\.(failed|cancelled)$/);
    expect(bench.ms).toBeGreaterThanOrEqual(7 * DAY_MS);
    expect(bench.ms).toBeLessThan(7.1 * DAY_MS);
  });
});

test.each([
  ["v2-asking", "approval"],
  ["v2-handed", "report"],
])("%s, which has no answer, ends when its time is over, and not before", async (name, stage) => {
  const bench = takenUp(goldenRecords(name));
  await bench.until(0.99 * DAY_MS);
  expect(Number.isFinite(bench.platform.alarmAt)).toBe(true);
  expect(bench.driver.state?.status).toBe("waiting");
  expect(bench.requests).toEqual([]);
  await bench.until();
  expect(viewExecution(bench.driver.state as ExecutionState).stage_results[stage]?.attempts).toBe(
    name === "v2-asking" ? 0 : 2,
  );
  expect(bench.ms).toBeGreaterThanOrEqual(DAY_MS);
});

test("an answer that came before its question is taken", async () => {
  const bench = await takenUp(goldenRecords("v2-early")).until();
  const view = viewExecution(bench.driver.state as ExecutionState);
  expect(view.stage_results["approval"]).toMatchObject({
    data: { approved: true },
    answered_by: "key:0a1b2c3d",
  });
});

test("a call that was in flight is repeated under its attempt, a wait keeps its length", async () => {
  const running = takenUp(goldenRecords("v1-running"));
  await running.until();
  expect(running.requests[0]?.call).toMatchObject({ stage: "side", attempt: 1 });
  expect(running.types).toContain("execution.recovered");
  const waiting = takenUp(goldenRecords("v1-waiting"), 1_000);
  await waiting.until(9_000);
  expect(waiting.requests).toEqual([]);
  await waiting.until();
  expect(waiting.requests[0]?.call).toMatchObject({
    stage: "first",
    attempt: 2,
    history: [{ query: "Earlier?" }],
  });
});
