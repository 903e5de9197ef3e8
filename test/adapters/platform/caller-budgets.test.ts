// Many runs of one isolate that call an agent which is down for a while, on a virtual clock: what the retry budget
// does to the calls of all of them, and that it takes no try of any.
import { describe, expect, test } from "vitest";
import { AgentMemory } from "../../../src/adapters/platform/caller-budgets.ts";
import type { CoordinatorConfig } from "../../../src/contract/config.ts";
import { Play, REJECTED, stage } from "../../core/rules/play.ts";
import { Random } from "../../core/simulation/random.ts";

const AGENT = { tenant: "local", agent_type: "agent_one", registration: null };
const CALL_MS = 5;

interface Outage {
  runs: number;
  tries: number;
  /** How long the agent is down, ms. */
  down_ms: number;
  config?: Partial<CoordinatorConfig>;
  seed: number;
}

/** All runs begin at once; when each call was made, ms since then, and the runs as they ended. */
function play({ runs, tries, down_ms, config = {}, seed }: Outage): { calls: number[]; plays: Play[] } {
  const random = new Random(seed);
  const memory = new AgentMemory();
  const calls: number[] = [];
  const plays = Array.from(
    { length: runs },
    () => new Play([stage("one", { retry_attempts: tries })], config),
  );
  const due = new Map(plays.map((one) => [one, one.now + CALL_MS]));
  while (due.size > 0) {
    const [next, at] = [...due].reduce((first, other) => (other[1] < first[1] ? other : first));
    next.now = at;
    if (next.calls.length === 0) next.tick();
    else {
      const began = at - next.began - CALL_MS;
      calls.push(began);
      const isDown = began < down_ms;
      memory.called(AGENT, isDown ? "failure" : "success", at);
      const attempt = next.of("stage.started").length;
      const wait = isDown && attempt < tries ? memory.placeRetry(AGENT, attempt, at) : 0;
      const failed = {
        ok: false,
        failure: REJECTED,
        ...(wait === 0 ? {} : { budget_wait_ms: wait }),
      } as const;
      next.answer("one", isDown ? failed : undefined, random.next());
    }
    if (next.status !== "running") due.delete(next);
    else due.set(next, at + (next.calls.length > 0 ? CALL_MS : (next.wakesIn ?? 0)));
  }
  return { calls, plays };
}

const lasted = (plays: readonly Play[]) => Math.max(...plays.map((one) => one.now - one.began));

describe("the retry budget", () => {
  test("twenty runs that meet an agent's restart all survive it, within seconds", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const { plays, calls } = play({ runs: 20, tries: 6, down_ms: 700, seed });
      expect(plays.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => "completed"));
      expect(lasted(plays)).toBeLessThan(8_000);
      expect(calls.length).toBeLessThan(60);
    }
  });

  test("an outage is not multiplied by everybody's retries, and every run makes its tries", () => {
    const config = { retry_delay_seconds: 0.01 };
    const { calls, plays } = play({ runs: 30, tries: 4, down_ms: 1e9, config, seed: 1 });
    expect(calls).toHaveLength(120);
    expect(plays.every((one) => one.result("one").attempts === 4)).toBe(true);
    // Beside the first try of each and what is left of the budget, about three a second.
    for (const ms of [100, 1_000, 3_000, 10_000, 20_000]) {
      expect(calls.filter((at) => at < ms).length, `in ${ms} ms`).toBeLessThanOrEqual(30 + 6 + ms / 300);
    }
  });

  test("a thousand runs at once have their retries spread over the longest delay, and none is lost", () => {
    const { calls, plays } = play({ runs: 1_000, tries: 2, down_ms: 1, seed: 3 });
    expect(plays.every(({ status }) => status === "completed")).toBe(true);
    expect(lasted(plays)).toBeLessThanOrEqual(30_000 + 3 * CALL_MS);
    for (let from = 100; from < 30_000; from += 100) {
      expect(calls.filter((at) => at >= from && at < from + 100).length, `from ${from} ms`).toBeLessThan(40);
    }
  });

  test("a near deadline shortens the delay, not the tries", () => {
    const config = { pipeline_timeout_seconds: 5, retry_delay_seconds: 0.01 };
    const { plays } = play({ runs: 200, tries: 4, down_ms: 1e9, config, seed: 5 });
    for (const one of plays) {
      expect(one.result("one").attempts).toBe(4);
      expect(one.view.error_info?.code).toBe("AGENT_UNAVAILABLE");
    }
  });

  test("one run's tries are its own, and a budget that is not asked for delays none", () => {
    const { plays } = play({
      runs: 1,
      tries: 12,
      down_ms: 1e9,
      config: { retry_delay_seconds: 0.001 },
      seed: 7,
    });
    expect(plays[0]?.result("one").attempts).toBe(12);
    expect(plays[0]?.of("stage.retrying").some(({ message }) => message.includes("budget"))).toBe(false);
  });
});
