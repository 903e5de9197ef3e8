// I16: what a log of an earlier version lacks has its default, and the run goes on as if it had begun here. Each key
// that has a default is taken out of a log, alone and with all others.
import { describe, expect, test } from "vitest";
import { AgentRegistration } from "../../../../src/contract/agent.ts";
import { CoordinatorConfig, DEFAULT_CONFIG } from "../../../../src/contract/config.ts";
import { withDefaults } from "../../../../src/contract/defaults.ts";
import { PipelineStage } from "../../../../src/contract/stage.ts";
import * as z from "../../../../src/contract/zod.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import { type LogEvent, type LogEventOf, wireJson } from "../../../../src/core/execution/log-event.ts";
import { nextActions } from "../../../../src/core/execution/next-actions.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { ENDED, goldenEvents, IN_FLIGHT } from "../../../support/values/golden-logs.ts";

type Path = readonly (string | number)[];
interface Lacking {
  path: Path;
  /** Undefined where a log without the key stays without it. */
  otherwise: unknown;
}

const SPEC = ["internal", "spec"];
/** Judged for all runs together: not pinned any more. */
const OF_ALL_RUNS = ["alert_thresholds", "metrics_export_interval"];

/** Every key with a default that the first event of a log has. */
function lackable([first]: LogEvent[]): Lacking[] {
  const { internal, data } = first as LogEventOf<"execution.started">;
  const spec = internal?.spec;
  const { stages } = data;
  const config = Object.entries(DEFAULT_CONFIG).flatMap(([key, value]): Lacking[] => {
    const path = [...SPEC, "config", key];
    const whole = { path, otherwise: OF_ALL_RUNS.includes(key) ? undefined : value };
    if (typeof value !== "object") return [whole];
    return [
      whole,
      ...Object.entries(value).map(([inner, of]) => ({ path: [...path, inner], otherwise: of })),
    ];
  });
  const pinned = spec?.config as CoordinatorConfig;
  const ofStages = {
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
  };
  const ofAgents = {
    timeout_seconds: pinned.stage_timeout_seconds,
    retry_attempts: pinned.max_retry_attempts,
  };
  const ofWaits = { timeout_seconds: 86_400, on_timeout: "fail" };
  const ofSpec = {
    context: {},
    inputs: {},
    on_disconnect: "continue",
    watched: false,
    agents: {},
    history: [],
    digest: null,
    traceparent: null,
    storage: "durable_object",
  };
  return [
    ...config,
    ...stages.flatMap(({ wait }, at) => [
      ...Object.entries({ ...ofStages, ...(wait === undefined ? ofAgents : {}) }).map(([key, otherwise]) => ({
        path: ["data", "stages", at, key],
        otherwise,
      })),
      ...Object.entries(wait === undefined ? {} : ofWaits).map(([key, otherwise]) => ({
        path: ["data", "stages", at, "wait", key],
        otherwise,
      })),
    ]),
    ...Object.keys(spec?.agents ?? {}).map((type) => ({
      path: [...SPEC, "agents", type, "protocol"],
      otherwise: "native",
    })),
    ...Object.entries(ofSpec).map(([key, otherwise]) => ({ path: [...SPEC, key], otherwise })),
  ];
}

/** The log with the value at the path; undefined takes it out. */
function put(events: LogEvent[], path: Path, value: unknown): void {
  // oxlint-disable-next-line typescript/no-explicit-any -- a path through values of any shape
  let at: any = events[0];
  for (const key of path.slice(0, -1)) {
    at[key] ??= {};
    at = at[key];
  }
  if (value === undefined) delete at[path.at(-1) as string];
  else at[path.at(-1) as string] = value;
}

const copyOf = (events: LogEvent[]) => structuredClone(events);

/** The state after each event. How an event is stored is not what it means: `isEventData` is left out. */
function states(events: LogEvent[]): ExecutionState[] {
  return events.map((_, at) => {
    const state = replay(events.slice(0, at + 1)) as ExecutionState;
    return { ...state, stages: state.stages.map((stage) => ({ ...stage, isEventData: false })) };
  });
}

function expectSame(lacks: LogEvent[], has: LogEvent[]): void {
  const before = lacks.map(wireJson);
  const found = states(lacks);
  expect(found).toStrictEqual(states(has));
  for (const state of found) {
    const { wake_at } = nextActions(state);
    expect(wake_at === null || Number.isFinite(wake_at)).toBe(true);
  }
  expect(lacks.map(wireJson)).toEqual(before);
}

describe.each([...IN_FLIGHT, ...ENDED])("%s", (name) => {
  const events = goldenEvents(name);
  const table = lackable(events);

  test.each(table.map((row) => [row.path.join("."), row] as const))(
    "without %s",
    (_, { path, otherwise }) => {
      const lacks = copyOf(events);
      const has = copyOf(events);
      put(lacks, path, undefined);
      put(has, path, otherwise);
      expectSame(lacks, has);
    },
  );

  test("without all of them at once", () => {
    const lacks = copyOf(events);
    const has = copyOf(events);
    // What holds other keys goes last, so that these are taken out of it as well as with it.
    for (const { path, otherwise } of table.toSorted((a, b) => a.path.length - b.path.length)) {
      if (path.includes("agents")) continue;
      if (path.includes("alert_thresholds")) continue;
      // A stage without times of its own has those of the config, here the config's defaults.
      const value =
        path.at(-1) === "timeout_seconds" && !path.includes("wait")
          ? DEFAULT_CONFIG.stage_timeout_seconds
          : path.at(-1) === "retry_attempts"
            ? DEFAULT_CONFIG.max_retry_attempts
            : otherwise;
      put(has, path, value);
    }
    put(has, [...SPEC, "agents"], {});
    put(has, [...SPEC, "config", "alert_thresholds"], undefined);
    for (const { path } of table.toSorted((a, b) => b.path.length - a.path.length))
      put(lacks, path, undefined);
    put(lacks, [...SPEC, "config"], undefined);
    expectSame(lacks, has);
  });
});

test("the bytes of the context are counted where a log did not keep them", () => {
  const events = goldenEvents("v1-running");
  const lacks = copyOf(events);
  put(lacks, ["internal", "bytes"], undefined);
  expectSame(lacks, events);
});

test.each(["cached", "error", "fallback", "skip_reason", "usage"])(
  "without a completed stage's %s",
  (key) => {
    const lacks = copyOf(goldenEvents("v1-paused"));
    const has = copyOf(lacks);
    for (const { type, data } of lacks) if (type === "stage.completed") Reflect.deleteProperty(data, key);
    expectSame(lacks, has);
  },
);

test("what a log says is never replaced, null and false included", () => {
  const events = copyOf(goldenEvents("v1-running"));
  put(events, [...SPEC, "config", "enable_caching"], false);
  put(events, [...SPEC, "config", "retry_delay_seconds"], 0);
  put(events, [...SPEC, "agents", "agent_side"], null);
  const { spec } = replay(events) as ExecutionState;
  expect(spec.config.enable_caching).toBe(false);
  expect(spec.config.retry_delay_seconds).toBe(0);
  expect(spec.agents["agent_side"]).toBeNull();
});

describe("the defaults of a schema", () => {
  const Later = z.object({
    name: z.string(),
    later: z._default(z.number(), 7),
    inner: z.optional(z.object({ list: z._default(z.array(z.string()), []) })),
    each: z.array(z.object({ flag: z._default(z.boolean(), true) })),
    of: z.optional(
      z.record(
        z.string(),
        z.lazy(() =>
          z.union([
            z.object({ kind: z.literal("a"), x: z._default(z.number(), 1) }),
            z.object({ kind: z.literal("b"), x: z._default(z.number(), 2) }),
          ]),
        ),
      ),
    ),
  });

  test("are filled in at every depth, and what is there stays as it is", () => {
    const value = { name: "n", inner: {}, each: [{}, { flag: false }], of: { p: { kind: "b" } }, unknown: 1 };
    expect(withDefaults(Later, value)).toEqual({
      name: "n",
      later: 7,
      inner: { list: [] },
      each: [{ flag: true }, { flag: false }],
      of: { p: { kind: "b", x: 2 } },
      unknown: 1,
    });
    expect(value).toEqual({
      name: "n",
      inner: {},
      each: [{}, { flag: false }],
      of: { p: { kind: "b" } },
      unknown: 1,
    });
  });

  test("are values of their own: a change to one changes no other", () => {
    const filled = () =>
      withDefaults(Later, { name: "n", inner: {}, each: [] }) as { inner: { list: string[] } };
    filled().inner.list.push("changed");
    expect(filled().inner.list).toEqual([]);
  });

  test("leave a value that lacks nothing as it is", () => {
    const whole = { name: "n", later: 1, each: [{ flag: false }] };
    expect(withDefaults(Later, whole)).toBe(whole);
    expect(withDefaults(CoordinatorConfig, DEFAULT_CONFIG)).toBe(DEFAULT_CONFIG);
  });

  test("are those that the schema itself gives", () => {
    const stage = { name: "a", agent_type: "a" };
    expect(withDefaults(PipelineStage, stage)).toEqual(PipelineStage.parse(stage));
    for (const agent of [{ url: "https://a.example" }, { binding: "AGENTS", path: "/a" }]) {
      expect(withDefaults(AgentRegistration, agent)).toEqual(AgentRegistration.parse(agent));
    }
  });
});
