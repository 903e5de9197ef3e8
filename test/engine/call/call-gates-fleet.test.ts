// What agents can bear and runs may cost, for many runs at once: limits that are never exceeded, times that are waited
// for, turns that are fair, no call past a budget. Real drivers, isolates' clients and agents' objects, in virtual time.
//
// FLEET_RUNS sets how many runs, SIMULATION_SEED where they begin.
import { describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import { Random } from "../../core/simulation/random.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Tally } from "../../core/simulation/tally.ts";
import { sizeOf } from "../../support/sizes.ts";
import { Fleet } from "../simulation/fleet.ts";

const RUNS = sizeOf("FLEET_RUNS");
const SEED = Number(process.env["SIMULATION_SEED"] ?? 20_261_128);
const AGENTS = 200;
const EACH = 50;

const FAULTS = [
  "run crashed",
  "agent failed",
  "agent asked for time",
  "queued: concurrency",
  "queued: rate",
  "queued: retry_after",
  "budget spent",
];

function drawLimits(random: Random): AgentLimits | undefined {
  const concurrency = random.pick([1, 2, 5]);
  const rate = random.pick([
    { calls: 2, per_seconds: 1 },
    { calls: 10, per_seconds: 3 },
  ]);
  return random.pick([undefined, { concurrency }, { concurrency }, { rate }, { concurrency, rate }]);
}

/** Runs of one to four stages, most of them at a few agents that all want. */
async function simulate(seed: number, runs: number, tally: Tally): Promise<void> {
  const random = new Random(seed);
  const fleet = new Fleet(random, tally, {
    agents: AGENTS,
    isolates: random.int(1, 4),
    crashes: random.pick([0, 0.5, 0.5, 2]),
    failures: random.pick([0, 10, 10]),
    busy: random.pick([0, 3, 3]),
    limitsOf: () => drawLimits(random),
    latency_ms: () => random.pick([5, 50, 50, 400, 2_000]),
  });
  const agents = fleet.registrations();
  const names = Object.keys(agents);
  for (let at = 0; at < runs; at += 1) {
    const stages = Array.from({ length: random.int(1, 4) }, (_, stage) =>
      makeStage(`s${stage}`, {
        agent_type: names[random.odds(0.7) ? random.int(0, 4) : random.int(0, AGENTS - 1)] as string,
        parallel: random.odds(0.6),
        required: random.odds(0.8),
        depends_on: stage > 0 && random.odds(0.5) ? [`s${stage - 1}`] : [],
        timeout_seconds: 10,
        retry_attempts: random.int(1, 3),
      }),
    );
    const spec = makeSpec(
      stages,
      { enable_caching: false, retry_delay_seconds: 0.5, pipeline_timeout_seconds: 300 },
      {
        execution_id: `ex_${seed}_${at}`,
        conversation_id: `c${random.int(0, 20)}`,
        priority: random.int(-1, 1),
        ...(random.odds(0.3) ? { budget: { tokens: random.int(5, 25), on_exceeded: "pause" as const } } : {}),
        agents: Object.fromEntries(stages.map(({ agent_type }) => [agent_type, agents[agent_type] ?? null])),
      },
    );
    fleet.start(spec, random.int(0, 3_000));
  }
  await fleet.run(runs * 5_000);
}

test(`limits hold, time that is asked for is waited for, and all ${RUNS} runs end`, {
  timeout: 60_000 + RUNS * 50,
}, async () => {
  const tally = new Tally();
  for (let at = 0; at * EACH < RUNS; at += 1) {
    const seed = SEED + at;
    await simulate(seed, Math.min(EACH, RUNS - at * EACH), tally).catch((cause: unknown) => {
      throw new Error(`${cause instanceof Error ? cause.message : String(cause)} (seed ${seed})`, { cause });
    });
  }
  console.log(`${String(tally)}\n  seed ${SEED}`);
  expect(tally.runs).toBe(RUNS);
  expect([...tally.ends.keys()].toSorted()).toEqual(["completed", "failed"]);
  for (const kind of FAULTS) expect(tally.faults.get(kind) ?? 0, kind).toBeGreaterThan(0);
});

describe("the order of those that wait", () => {
  const QUIET = { crashes: 0, failures: 0, busy: 0, latency_ms: () => 100 };

  function alone(limits: AgentLimits) {
    const fleet = new Fleet(new Random(SEED), new Tally(), {
      ...QUIET,
      agents: 1,
      isolates: 3,
      limitsOf: () => limits,
    });
    const start = (at: number, conversation_id: string, after_ms: number, priority = 0) => {
      const stages = [makeStage("one", { agent_type: "agent_0" })];
      const fields = { execution_id: `ex_${at}`, conversation_id, priority, agents: fleet.registrations() };
      fleet.start(makeSpec(stages, { enable_caching: false }, fields), after_ms);
    };
    return { fleet, start };
  }

  test("a conversation with one run waits for no more than two calls where another has a hundred", async () => {
    const { fleet, start } = alone({ concurrency: 1 });
    for (let at = 0; at < 100; at += 1) start(at, "many", 0);
    start(100, "one", 1_000);
    await fleet.run(100_000);
    const before = fleet.order.indexOf("one");
    // Those that were made in its first second, each in 100 ms and a hop.
    const earlier = 10;
    expect(before).toBeLessThanOrEqual(earlier + 2);
    expect(fleet.order).toHaveLength(101);
  });

  test("a higher priority goes first", async () => {
    const { fleet, start } = alone({ concurrency: 1 });
    for (let at = 0; at < 30; at += 1) start(at, `c${at}`, 0);
    start(30, "urgent", 500, 5);
    start(31, "late", 0, -5);
    await fleet.run(100_000);
    expect(fleet.order.indexOf("urgent")).toBeLessThanOrEqual(7);
    expect(fleet.order.at(-1)).toBe("late");
  });
});
