// Runs of the real driver over the real cache and its object: what a run costs the cache, in requests and rows, and
// that of equal calls at the same time one is made.
import { createHash } from "node:crypto";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EmbeddedCache, sharedCalls } from "../../../src/adapters/durable/result-cache-client.ts";
import { MemoryLog } from "../../../src/adapters/log/memory-log.ts";
import { systemClock } from "../../../src/adapters/platform/system.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { isTerminal } from "../../../src/core/execution/state.ts";
import { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import type { AgentHealth, AgentRequest } from "../../../src/engine/ports.ts";
import type { Env } from "../../../src/settings.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";

vi.mock("cloudflare:workers", () => ({
  DurableObject: class {
    ctx: unknown;
    env: unknown;
    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  },
}));

const { CacheObject } = await import("../../../src/objects/result-cache/result-cache.ts");

const STAGE_MS = 100;
const STAGES = ["a", "b", "c", "d"];
const HEALTH: AgentHealth = {
  admit: () => ({ admit: "call" }),
  report: () => {},
  refresh: () => {},
  hold: () => {},
  heldUntil: () => null,
  takeTurn: () => {},
  placeRetry: () => 0,
  takeHedge: () => false,
};

let database: DatabaseSync;
let object: InstanceType<typeof CacheObject>;
let cache: EmbeddedCache;
let drivers: Map<string, ExecutionDriver>;
let calls: string[];
/** Requests to the cache's object by method, and those of it to runs. */
let requests: string[];
/** Questions and records in the order in which they go out. */
let order: string[];
let rows: number;
let answering: (stage: string, inputs: object) => CallOutcome;

function openObject() {
  const kv = new Map<string, unknown>();
  let alarm: number | null = null;
  const changes = () => Number(database.prepare("SELECT total_changes() AS n").get()?.["n"]);
  const sql = {
    exec: (query: string, ...values: SQLInputValue[]) => {
      const before = changes();
      const given = database.prepare(query).all(...values);
      rows += changes() - before;
      return Object.assign(given, { toArray: () => given });
    },
    databaseSize: 0,
  };
  const storage = {
    sql,
    kv: { get: (key: string) => kv.get(key), put: (key: string, value: unknown) => kv.set(key, value) },
    transactionSync: (task: () => void) => task(),
    getAlarm: async () => alarm,
    setAlarm: async (time: number) => {
      rows += 1;
      alarm = time;
    },
  };
  const driverOf = (name: string) => drivers.get(name.replace("t/", "")) as ExecutionDriver;
  const EXECUTIONS = {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      isCalling: async (call: number) => driverOf(name).isCalling(call),
      shareCalls: async () => {
        requests.push("share");
        const shared = await driverOf(name).cache.share();
        return shared && sharedCalls(shared, Date.now());
      },
    }),
  };
  return new CacheObject({ storage } as unknown as DurableObjectState, { EXECUTIONS } as unknown as Env);
}

beforeEach(() => {
  // The platform computes hashes beside the clock of the test.
  vi.spyOn(crypto.subtle, "digest").mockImplementation(async (_algorithm, data) => {
    const digest = createHash("sha256")
      .update(data as Uint8Array)
      .digest();
    return new Uint8Array(digest).buffer;
  });
  vi.useFakeTimers({ now: 1_000_000_000, toFake: ["Date", "setTimeout", "clearTimeout"] });
  database = new DatabaseSync(":memory:");
  drivers = new Map();
  calls = [];
  requests = [];
  order = [];
  rows = 0;
  answering = (stage, inputs) => {
    const data = { of: stage, after: JSON.stringify(inputs) };
    return { ok: true, answer: { data }, bytes: JSON.stringify(data).length };
  };
  object = openObject();
  const namespace = {
    idFromName: (name: string) => name,
    get: () =>
      new Proxy(object, {
        get: (target, verb: keyof typeof object) => {
          const method = target[verb] as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => {
            requests.push(verb);
            order.push(verb);
            return method.apply(target, args);
          };
        },
      }),
  };
  cache = new EmbeddedCache(namespace as unknown as DurableObjectNamespace, systemClock);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  database.close();
});

/** Begins a run of four stages, one after the other. */
function begin(name: string, fields: Partial<RunSpec> = {}): void {
  const agents = {
    call: async ({ call }: AgentRequest) => {
      calls.push(`${name} ${call.stage}`);
      await new Promise((resolve) => {
        setTimeout(resolve, STAGE_MS);
      });
      return answering(call.stage, call.inputs);
    },
  };
  const log = new MemoryLog();
  const append = log.append.bind(log);
  log.append = (events) => {
    order.push("append");
    append(events);
  };
  const ports = {
    clock: systemClock,
    log,
    alarm: { set: async () => {} },
    agents,
    chance: () => 0.5,
    shared: { cache, health: HEALTH },
  };
  const driver = ExecutionDriver.open(ports);
  drivers.set(name, driver);
  const stages = STAGES.map((stage, at) =>
    makeStage(stage, { depends_on: at === 0 ? [] : [STAGES[at - 1] as string] }),
  );
  const spec = makeSpec(stages, {}, { tenant: "t", execution_id: name, ...fields });
  driver.submit({ type: "start", spec });
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function run(name: string, fields: Partial<RunSpec> = {}): Promise<void> {
  begin(name, fields);
  await pass(600);
  const state = drivers.get(name)?.state;
  if (state === undefined || state === null || !isTerminal(state.status)) throw new Error("not ended");
  expect(state.status).toBe("completed");
}

const taken = () => {
  const cost = { requests, rows };
  requests = [];
  rows = 0;
  return cost;
};

test("a new question costs two requests and one row, and one that is asked again one request and none", async () => {
  await run("first");
  // The table's alarm, once in three hours.
  expect(taken()).toEqual({ requests: ["ask", "report"], rows: 2 });
  await run("second", { query: "another question" });
  expect(taken()).toEqual({ requests: ["ask", "report"], rows: 1 });
  await run("third");
  expect(taken()).toEqual({ requests: ["ask"], rows: 0 });
  expect(calls).toEqual(["first", "second"].flatMap((name) => STAGES.map((stage) => `${name} ${stage}`)));
  expect(vi.getTimerCount()).toBe(0);
});

test("the question goes out before the first record is written, which would hold it back until it is on the disk", async () => {
  begin("first");
  expect(order).toEqual(["ask", "append"]);
  await pass(600);
});

test("another history or context is another input; what is new is reported in one row", async () => {
  await run("first");
  taken();
  await run("second", { context: { more: 1 } });
  await run("third", { history: [{ query: "q", answer: "a" }] as RunSpec["history"] });
  expect(calls).toHaveLength(12);
  expect(rows).toBe(2);
});

test("a run whose later stages are new asks for those alone", async () => {
  begin("cut");
  await pass(150);
  drivers.get("cut")?.submit({ type: "cancel", reason: "enough" });
  await pass(50);
  expect(taken()).toMatchObject({ requests: ["ask", "report"] });
  await run("whole");
  expect(calls.filter((call) => call.startsWith("whole"))).toEqual(["whole b", "whole c", "whole d"]);
  expect(taken()).toEqual({ requests: ["ask", "ask", "report"], rows: 1 });
});

test.each([0, 50, 250])("of two runs at one question, the second %i ms later, one calls", async (ms) => {
  begin("first");
  await pass(ms);
  await run("second");
  expect(calls).toEqual(STAGES.map((stage) => `first ${stage}`));
  expect(requests.filter((verb) => verb === "share")).toHaveLength(1);
  expect(drivers.get("second")?.state?.stages.every(({ result }) => result.cached)).toBe(true);
  await pass(1_000);
  taken();
  // Both have reported that they are over.
  await run("third", { query: "a further question" });
  await run("fourth");
  expect(taken().requests).toEqual(["ask", "report", "ask"]);
});

test("eight runs at one question whose agent fails in each of three tries end together", async () => {
  answering = () => ({
    ok: false,
    failure: { kind: "status", status: 503, detail: null, retryable: null, retry_after_ms: null },
  });
  const config = makeSpec([], { retry_delay_seconds: 0.01 }).config;
  const names = Array.from({ length: 8 }, (_, at) => `r${at}`);
  for (const name of names) begin(name, { config });
  // The first one's try, then three of each of the others, and what is waited between them.
  await pass(4 * STAGE_MS + 50);
  expect(names.map((name) => drivers.get(name)?.state?.status)).toEqual(names.map(() => "failed"));
  expect(calls).toHaveLength(24);
});
