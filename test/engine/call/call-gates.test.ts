// Runs whose agents have limits or hold calls back, on the real driver: when a call is made, and when its place is free.
import { expect, test } from "vitest";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { AgentPlaces } from "../../../src/engine/ports.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, BUSY, later, said } from "../simulation/fair-weather.ts";
import { Gating } from "../simulation/gating.ts";
import { Random } from "../../core/simulation/random.ts";
import { Tally } from "../../core/simulation/tally.ts";

/** A run of one stage whose agent has one place. @param free_ms when it is free @param kept how often it is found */
function limited(answer: (bench: Bench) => Promise<CallOutcome>, free_ms = 0, kept = 0) {
  let held = 0;
  const bench: Bench = new Bench((_request, _hooks, self) => answer(self));
  const place = () => {
    held += 1;
    return { release: () => (held -= 1) };
  };
  const places: AgentPlaces = {
    take: () =>
      bench.ms >= free_ms
        ? { kind: "place", place: place() }
        : { kind: "queued", reason: "concurrency", until: null },
    turn: () => new Promise((resolve) => bench.time.after(free_ms - bench.ms, () => resolve(place()))),
  };
  const { shared } = new Gating(bench.time, new Random(1), new Tally());
  let found = 0;
  const entry = () => ({ result: { data: { kept: true }, bytes: 13 }, at: bench.time.now, ttl_seconds: 60 });
  const find = async () => ((found += 1) <= kept ? entry() : null);
  const cache = {
    ...shared.cache,
    ask: async () => ({ kept: { bytes: 0, find }, asksEach: false, isNoted: true }),
  };
  bench.platform.outside = { shared: { ...shared, cache, places } };
  const agent = { url: "https://a.test", protocol: "native" as const, limits: { concurrency: 1 } };
  const spec = makeSpec([makeStage("one")], { enable_caching: kept > 0 }, { agents: { agent_one: agent } });
  return { bench, spec, held: () => held };
}

test("a call has its place until its end, each try one of its own", async () => {
  const answers = [BUSY, said()];
  const { bench, spec, held } = limited((self) => later(self, 100, answers.shift() as CallOutcome));
  await bench.start(spec);
  await bench.until(50);
  expect(held()).toBe(1);
  await bench.until(150);
  // Between two tries the place is another's.
  expect(held()).toBe(0);
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(held()).toBe(0);
  // A place that is there at once leaves no trace.
  expect(bench.types).not.toContain("stage.queued one");
});

test("a call that waits is made when its turn comes", async () => {
  const { bench, spec } = limited((self) => later(self, 100, said()), 3_000);
  await bench.start(spec);
  await bench.until();
  expect(bench.types).toEqual([
    "execution.started",
    "stage.queued one",
    "stage.started one",
    "stage.completed one",
    "execution.completed",
  ]);
  expect(bench.ms).toBeGreaterThanOrEqual(3_100);
  expect(bench.requests).toHaveLength(1);
});

test("a call that is cut gives its place back at once", async () => {
  const { bench, spec, held } = limited(() => new Promise(() => {}));
  await bench.start(spec);
  await bench.until(50);
  bench.driver.submit({ type: "pause", mode: "abort" });
  expect(held()).toBe(0);
  bench.driver.submit({ type: "resume" });
  await bench.until(100);
  expect(held()).toBe(1);
  bench.driver.submit({ type: "cancel", reason: "by its caller" });
  expect(held()).toBe(0);
});

test("a run that waits for a place is cancelled without a call", async () => {
  const { bench, spec, held } = limited(() => later(bench, 1, said()), 10_000);
  await bench.start(spec);
  await bench.until(50);
  bench.driver.submit({ type: "cancel", reason: "by its caller" });
  await bench.until(20_000);
  expect(bench.requests).toHaveLength(0);
  expect(held()).toBe(0);
});

test("what the result cache answers waits for no place", async () => {
  const { bench, spec, held } = limited((self) => later(self, 100, said()), 60_000, 2);
  await bench.start(spec);
  await bench.until();
  expect(bench.types).toEqual([
    "execution.started",
    "stage.started one",
    "stage.completed one",
    "execution.completed",
  ]);
  expect([bench.requests.length, held()]).toEqual([0, 0]);
});

test("what it answers no more has a place before its agent is called", async () => {
  const { bench, spec } = limited((self) => later(self, 100, said()), 3_000, 1);
  await bench.start(spec);
  await bench.until();
  expect(bench.types).toEqual([
    "execution.started",
    "stage.started one",
    "stage.queued one",
    "stage.started one",
    "stage.completed one",
    "execution.completed",
  ]);
  expect(bench.ms).toBeGreaterThanOrEqual(3_100);
  expect(bench.requests).toHaveLength(1);
  const ended = bench.driver.state?.stages[0]?.result;
  expect(ended).toMatchObject({ attempts: 1, cached: false });
});

test("a call that waits long for a connection asks for its place again", async () => {
  const { bench } = limited((self) => later(self, 1, said()));
  const calls: string[] = [];
  let asks = 0;
  const busy: Bench = new Bench(async ({ call }, _hooks, self) => {
    calls.push(`${call.stage} ${self.ms}`);
    return later(self, call.stage === "one" ? 10 : 5_000, said());
  });
  const { shared } = bench.platform.outside;
  const places: AgentPlaces = {
    take: () => {
      asks += 1;
      return { kind: "place", place: { release: () => {} } };
    },
    turn: () => Promise.reject(new Error("there is a place at once")),
  };
  busy.platform.outside = { shared: { ...(shared as NonNullable<typeof shared>), places } };
  const map = { over: "[1, 2, 3, 4, 5, 6]", max_items: 100, concurrency: 6, on_error: "fail" as const };
  const stages = [makeStage("many", { parallel: true, map }), makeStage("one", { parallel: true })];
  const limits = { concurrency: 1 };
  const agent_one = { url: "https://a.test", protocol: "native" as const, limits };
  const agent_many = { url: "https://b.test", protocol: "native" as const };
  const agents = { agent_one, agent_many };
  await busy.start(makeSpec(stages, { enable_caching: false }, { agents }));
  await busy.until();
  expect(calls).toHaveLength(7);
  expect(Number(calls.at(-1)?.split(" ")[1])).toBeGreaterThanOrEqual(5_000);
  // The lease of the first place would have ended before the call that it was for.
  expect(asks).toBe(2);
  expect(busy.driver.state?.stages[1]?.result.attempts).toBe(1);
});
