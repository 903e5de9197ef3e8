// Executions that ask the same at once, on a virtual clock: a stage that follows another execution's call does so
// within its own try, ends together with it also where it fails, and is not delayed by a call that is gone.
import { beforeEach, describe, expect, test } from "vitest";
import type { CacheKey } from "../../../src/core/caching/cache-key.ts";
import { type CachedResult, entryText, readEntry } from "../../../src/core/caching/cached-result.ts";
import type { AgentStage } from "../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { type FlightCaller, type Released, SingleFlight } from "../../../src/core/caching/single-flight.ts";
import type { AgentHealth, AgentRequest, CallHooks, Clock, StageCache } from "../../../src/engine/ports.ts";
import { runStage } from "../../../src/engine/call/run-stage.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

/** A cache that answers at once, over the real flights. */
class TestCache implements StageCache {
  readonly kept = new Map<string, CachedResult>();
  releases = 0;
  private readonly flights = new SingleFlight();
  private readonly waits = new Map<string, (found: CachedResult | "miss") => void>();
  private readonly time: VirtualTime;
  private readonly runs: (leader: FlightCaller) => boolean;

  constructor(time: VirtualTime, runs: (leader: FlightCaller) => boolean) {
    this.time = time;
    this.runs = runs;
  }

  async take({ exact }: CacheKey, caller: FlightCaller, _ttl: number, lease_ms: number) {
    const kept = this.kept.get(exact);
    if (kept !== undefined) return kept;
    return this.flights.take(exact, caller, lease_ms, this.time.now) === "lead" ? "miss" : "busy";
  }

  follow({ exact }: CacheKey, caller: FlightCaller, _ttl: number, ms: number) {
    if (!this.flights.follow(exact, caller, ms, this.time.now)) return Promise.resolve("miss" as const);
    return new Promise<CachedResult | "miss">((resolve) => {
      this.waits.set(`${exact}/${caller.execution_id}`, resolve);
      this.advance();
    });
  }

  async put({ exact }: CacheKey, caller: FlightCaller, result: CachedResult, ttl_seconds: number) {
    const entry = readEntry(entryText({ result, at: this.time.now, ttl_seconds }));
    if (entry === null) return this.answer(this.flights.leave(exact, caller), "miss");
    this.kept.set(exact, result);
    this.answer(this.flights.settleFlight(exact), result);
  }

  async release({ exact }: CacheKey, caller: FlightCaller) {
    this.releases += 1;
    this.answer(this.flights.leave(exact, caller), "miss");
  }

  async last() {
    return null;
  }

  private advance(): void {
    const { released, probes } = this.flights.advance(this.time.now);
    for (const probe of probes) this.flights.probed(probe, this.runs(probe.leader), this.time.now);
    this.answer(released, "miss");
    const { dueAt } = this.flights;
    if (dueAt !== null) this.time.after(dueAt - this.time.now, () => this.advance());
  }

  private answer(released: readonly Released[], found: CachedResult | "miss"): void {
    for (const { key, execution_id } of released) this.waits.get(`${key}/${execution_id}`)?.(found);
  }
}

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

interface Run {
  ended: { at: number; outcome: CallOutcome } | null;
  text: string;
  abort: AbortController;
  /** Its object dies: nothing that it does counts any more, and its call does not run. */
  die(): void;
}

interface AgentCallSeen {
  at: number;
  by: string;
  request: AgentRequest;
  signal: AbortSignal;
}

type Answering = (seen: AgentCallSeen, hooks: CallHooks) => Promise<CallOutcome>;

const FAILED: CallOutcome = {
  ok: false,
  failure: { kind: "status", status: 400, detail: null, retryable: null, retry_after_ms: null },
};
const good = (data: Record<string, unknown> = { so: "it is" }): CallOutcome => ({
  ok: true,
  answer: { data },
  bytes: JSON.stringify(data).length,
});

let time: VirtualTime;
let cache: TestCache;
let calls: AgentCallSeen[];
let answering: Answering;
const running = new Set<string>();

beforeEach(() => {
  time = new VirtualTime(0);
  calls = [];
  running.clear();
  cache = new TestCache(time, ({ execution_id }) => running.has(execution_id));
});

const after = (ms: number, outcome: CallOutcome): Answering => {
  return (_seen, { signal }) =>
    new Promise((resolve) => {
      time.after(ms, () => resolve(outcome));
      signal.addEventListener("abort", () => resolve({ ok: false, failure: { kind: "rejected" } }));
    });
};

/** Begins a try of the stage that all runs of a test have. */
function begin(
  name: string,
  stage: Partial<AgentStage> = {},
  { attempt = 1, spec = {} }: { attempt?: number; spec?: Partial<RunSpec> } = {},
): Run {
  const life = {};
  const whole = makeSpec([makeStage("s", stage)], spec.config ?? {}, { ...spec, execution_id: name });
  const { state } = decide(null, { type: "start", spec: whole }, time.now);
  const clock: Clock = { now: () => time.now, after: (ms, task) => time.after(ms, task, life) };
  let isDead = false;
  const agents = {
    call: (request: AgentRequest, hooks: CallHooks) => {
      if (isDead) return new Promise<never>(() => {});
      const seen = { at: time.now, by: name, request, signal: hooks.signal };
      calls.push(seen);
      return answering(seen, hooks);
    },
  };
  const run: Run = {
    ended: null,
    text: "",
    abort: new AbortController(),
    die: () => {
      isDead = true;
      running.delete(name);
      time.forget(life);
    },
  };
  running.add(name);
  const shared = {
    health: HEALTH,
    cache: new Proxy(cache, {
      // A dead object sends nothing.
      get: (target, verb: keyof StageCache) =>
        isDead ? () => new Promise(() => {}) : target[verb].bind(target),
    }),
  };
  const invocation = { stage: "s", call: 2, attempt, repeated: false, kind: "call" as const };
  const hooks = {
    signal: run.abort.signal,
    another: (task: () => Promise<void>) => void task(),
    delta: (piece: string) => {
      run.text += piece;
    },
    progress: () => {},
  };
  run.abort.signal.addEventListener("abort", () => running.delete(name));
  void runStage({ agents, clock, shared }, state as ExecutionState, invocation, hooks).then((outcome) => {
    run.ended = { at: time.now, outcome };
    running.delete(name);
  });
  return run;
}

async function until(ms: number): Promise<void> {
  await drained();
  time.after(ms - time.now, () => {});
  while (time.now < ms && (await time.step()));
}

describe("a stage that follows another execution's call", () => {
  test("gets its result when it is there, and its agent is not called", async () => {
    answering = after(1_000, good());
    const lead = begin("lead");
    await until(100);
    const follower = begin("follower");
    await until(3_000);
    expect(lead.ended).toMatchObject({ at: 1_000, outcome: { ok: true } });
    expect(follower.ended).toMatchObject({ at: 1_000, outcome: { ok: true, cached: true } });
    expect(calls).toHaveLength(1);
  });

  test.each([
    ["fails", FAILED],
    ["answers more than is kept", good({ much: "x".repeat(600_000) })],
  ])("ends together with all others where the agent %s", async (_how, outcome) => {
    answering = after(1_000, outcome);
    const runs = Array.from({ length: 20 }, (_, at) => begin(`r${at}`));
    await until(10_000);
    expect(calls).toHaveLength(20);
    expect(Math.max(...runs.map(({ ended }) => ended?.at ?? Number.NaN))).toBe(2_000);
    expect(runs.every(({ ended }) => ended?.outcome.ok === outcome.ok)).toBe(true);
  });

  test("gets the text without what its agent has taken back", async () => {
    answering = async (_seen, hooks) => {
      hooks.delta("Heat pumps");
      hooks.delta("waves", 5);
      return good({ answer: "Heat waves" });
    };
    begin("first");
    await until(100);
    const second = begin("second");
    await until(200);
    expect(second.ended).toMatchObject({ outcome: { ok: true, cached: true } });
    expect(second.text).toBe("Heat waves");
  });

  test("waits within its own try: timeout_seconds counts from the stage's start, and its agent is called", async () => {
    answering = () => new Promise(() => {});
    const lead = begin("lead", { timeout_seconds: 2 });
    await until(500);
    const follower = begin("follower", { timeout_seconds: 2 });
    await until(10_000);
    expect(lead.ended?.at).toBe(2_000);
    expect(calls.map(({ at }) => at)).toEqual([0, 1_500]);
    expect(calls[1]?.request.call.timeout_ms).toBe(1_000);
    expect(follower.ended).toMatchObject({ at: 2_500, outcome: { ok: false, failure: { kind: "timeout" } } });
  });

  test("has time to call where the run's deadline is nearer than the try's", async () => {
    answering = () => new Promise(() => {});
    const config = makeSpec([], { pipeline_timeout_seconds: 4 }).config;
    begin("lead", {}, { spec: { config } });
    begin("follower", {}, { spec: { config } });
    await until(2_000);
    expect(calls.map(({ at, request }) => [at, request.call.timeout_ms])).toEqual([
      [0, 4_000],
      [2_000, 2_000],
    ]);
  });

  test("still gets the result when it has called its agent, and that call is aborted", async () => {
    answering = ({ by }, hooks) => after(by === "lead" ? 7_000 : 60_000, good({ by }))({} as never, hooks);
    begin("lead", { timeout_seconds: 10 });
    const follower = begin("follower", { timeout_seconds: 10 });
    await until(9_000);
    expect(calls.map(({ at }) => at)).toEqual([0, 5_000]);
    expect(follower.ended).toMatchObject({
      at: 7_000,
      outcome: { ok: true, cached: true, answer: { data: { by: "lead" } } },
    });
    expect(calls[1]?.signal.aborted).toBe(true);
  });

  test("keeps its own answer once part of it was passed on", async () => {
    answering = ({ by }, hooks) => {
      if (by === "follower") time.after(1_000, () => hooks.delta("mine "));
      return after(by === "lead" ? 7_000 : 3_000, good({ by }))({} as never, hooks);
    };
    begin("lead", { timeout_seconds: 10 });
    const follower = begin("follower", { timeout_seconds: 10 });
    await until(20_000);
    expect(follower.ended).toMatchObject({
      at: 8_000,
      outcome: { ok: true, answer: { data: { by: "follower" } } },
    });
    expect(follower.text).toBe("mine ");
  });

  test("calls at once where the one that it follows is cancelled, or fails", async () => {
    answering = ({ by }, hooks) => after(by === "lead" ? 5_000 : 100, good())({} as never, hooks);
    const lead = begin("lead");
    const follower = begin("follower");
    await until(1_000);
    lead.abort.abort();
    await until(3_000);
    expect(follower.ended).toMatchObject({ at: 1_100, outcome: { ok: true } });
  });

  test("is delayed for less than a second by a call that has died, and so is a newcomer", async () => {
    answering = ({ by }, hooks) => after(by === "lead" ? 30_000 : 100, good())({} as never, hooks);
    const lead = begin("lead");
    const follower = begin("follower");
    await until(5_010);
    expect(follower.ended).toBeNull();
    lead.die();
    await until(20_000);
    expect(follower.ended?.at).toBeLessThanOrEqual(6_110);
    cache.kept.clear();
    const dead = begin("lead");
    await drained();
    dead.die();
    await until(40_000);
    const newcomer = begin("newcomer");
    await until(50_000);
    expect(newcomer.ended?.at).toBeLessThanOrEqual(41_100);
  });

  test("that is cancelled itself delays no other, also where the call that it followed fails", async () => {
    answering = ({ by }, hooks) => after(1_000, by === "lead" ? FAILED : good({ by }))({} as never, hooks);
    begin("lead");
    const cancelled = begin("cancelled");
    const dead = begin("dead");
    await until(500);
    cancelled.abort.abort();
    dead.die();
    await until(1_500);
    const newcomer = begin("newcomer");
    await until(5_000);
    expect(calls.map(({ by, at }) => `${by} ${at}`)).toEqual(["lead 0", "newcomer 1500"]);
    expect(newcomer.ended).toMatchObject({ at: 2_500, outcome: { ok: true } });
  });

  test("follows with its first try alone", async () => {
    answering = after(1_000, FAILED);
    begin("lead");
    await until(500);
    const second = begin("second", {}, { attempt: 2 });
    await until(5_000);
    expect(second.ended?.at).toBe(1_500);
  });
});

test("a run that bypasses the cache asks its agent although there is a result, and its own is kept", async () => {
  answering = ({ by }, hooks) => after(100, good({ by }))({} as never, hooks);
  begin("first");
  await until(200);
  const bypassing = begin("bypassing", {}, { spec: { bypass_cache: true } });
  await until(400);
  expect(bypassing.ended?.outcome).toMatchObject({ ok: true, answer: { data: { by: "bypassing" } } });
  const third = begin("third");
  await until(600);
  expect(third.ended?.outcome).toMatchObject({ cached: true, answer: { data: { by: "bypassing" } } });
  expect(calls.map(({ by }) => by)).toEqual(["first", "bypassing"]);
});

test("no other run at the question: no timer but the try's, one question and one answer to the store", async () => {
  answering = after(100, good());
  const verbs: string[] = [];
  const timers: number[] = [];
  const plain = time.after.bind(time);
  time.after = (ms, task, life) => {
    timers.push(ms);
    return plain(ms, task, life);
  };
  for (const verb of ["take", "follow", "put", "release"] as const) {
    const real = cache[verb].bind(cache) as (...args: unknown[]) => unknown;
    Object.assign(cache, {
      [verb]: (...args: unknown[]) => {
        verbs.push(verb);
        return real(...args);
      },
    });
  }
  begin("alone");
  await until(1_000);
  expect(verbs).toEqual(["take", "put"]);
  // The test's own, the agent's, and the try's.
  expect(timers.toSorted((a, b) => a - b)).toEqual([100, 1_000, 60_000]);
});
