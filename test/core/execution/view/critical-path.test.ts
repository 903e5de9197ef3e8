// The critical path of a run: a table of runs with the chain that determined their end, and the share of each link.
import { assert as assertProperty, constantFrom, integer, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { closing } from "../../../../src/cli/terminal/ending.ts";
import { pathText } from "../../../../src/contract/critical-path.ts";
import type { CriticalPathLink } from "../../../../src/contract/execution.ts";
import { runReport } from "../../../../src/core/monitoring/metrics/report.ts";
import type { ResolvedStage } from "../../../../src/contract/stage.ts";
import { asks, later, ok, Play, REJECTED, side, stage, status } from "../../rules/play.ts";

const FATAL = status(400);
const own = (name: string, ms: number): CriticalPathLink => ({ kind: "stage", stage: name, ms });
const link = (kind: CriticalPathLink["kind"], name: string | null, ms: number): CriticalPathLink => ({
  kind,
  stage: name,
  ms,
});

interface Case {
  name: string;
  run: () => Play;
  links: CriticalPathLink[];
}

const CASES: Case[] = [
  {
    name: "an agent that answers later is at work until its callback, a person is waited for",
    run: () =>
      new Play([
        later("slow"),
        asks("approval", {}, { depends_on: ["slow"] }),
        stage("after", { depends_on: ["approval"] }),
      ])
        .after(10)
        .accept("slow")
        .after(990)
        .callback("slow")
        .after(5_000)
        .say("approval")
        .after(100)
        .answer("after"),
    links: [own("slow", 1_000), own("approval", 0), link("wait", "approval", 5_000), own("after", 100)],
  },
  {
    name: "a stage that has left its place waits for one before its next try",
    run: () =>
      new Play([later("slow"), stage("other")], { retry_delay_seconds: 0 })
        .accept("slow")
        .after(100)
        .callback("slow", { ok: false, failure: status(503) })
        .after(300)
        .answer("other")
        .after(100)
        .answer("slow"),
    links: [own("slow", 200), link("retry_wait", "slow", 300)],
  },
  {
    name: "a question beside stages that run alone: it neither has nor frees a place",
    run: () =>
      new Play([asks("approval", { timeout_seconds: 600 }), stage("a"), stage("b", { depends_on: ["a"] })])
        .after(50)
        .answer("a")
        .say("approval")
        .after(50)
        .answer("b"),
    links: [own("a", 50), own("b", 50)],
  },
  {
    name: "a chain by edges",
    run: () =>
      new Play([stage("a"), stage("b", { depends_on: ["a"] })]).after(100).answer("a").after(300).answer("b"),
    links: [own("a", 100), own("b", 300)],
  },
  {
    name: "stages without an edge that run one after another",
    run: () => new Play([stage("a"), stage("b")]).after(100).answer("a").after(300).answer("b"),
    links: [own("a", 100), link("concurrency_wait", "b", 0), own("b", 300)],
  },
  {
    name: "parallel branches: the one that ended last",
    run: () =>
      new Play([side("a"), side("b"), side("c", { depends_on: ["a", "b"] })])
        .after(100)
        .answer("b")
        .after(50)
        .answer("a")
        .after(10)
        .answer("c"),
    links: [own("a", 150), own("c", 10)],
  },
  {
    name: "parallel sinks: the dependency that ended last, not the branch with the most work",
    run: () =>
      new Play([side("a"), side("b"), side("c", { depends_on: ["b"] })])
        .after(100)
        .answer("b")
        .after(50)
        .answer("a")
        .after(10)
        .answer("c"),
    links: [own("b", 100), own("c", 60)],
  },
  {
    name: "one place: a third stage waits for the first that ends",
    run: () =>
      new Play([side("a"), side("b"), side("c")], { max_concurrent_stages: 2 })
        .after(100)
        .answer("b")
        .after(20)
        .answer("a")
        .after(180)
        .answer("c"),
    links: [own("b", 100), link("concurrency_wait", "c", 0), own("c", 200)],
  },
  {
    name: "a stage that another one ends beside, without having waited for it",
    run: () =>
      new Play([side("a"), side("b"), side("c", { depends_on: ["a"] })])
        .after(100)
        .answer("b")
        .answer("a")
        .after(20)
        .answer("c"),
    links: [own("a", 100), own("c", 20)],
  },
  {
    name: "an optional failure passes on",
    run: () =>
      new Play([stage("a", { required: false }), stage("b", { depends_on: ["a"] })])
        .after(40)
        .fail("a", FATAL)
        .after(60)
        .answer("b"),
    links: [own("a", 40), own("b", 60)],
  },
  {
    name: "a required failure ends the run, and what it cancels did not",
    run: () => new Play([side("a"), side("b"), side("c")]).after(10).answer("a").after(60).fail("b", FATAL),
    links: [own("b", 70)],
  },
  {
    name: "a skipped stage takes no time, and the path goes through it",
    run: () =>
      new Play([side("a"), side("b", { depends_on: ["a"], when: "false" }), side("c", { depends_on: ["b"] })])
        .after(30)
        .answer("a")
        .after(70)
        .answer("c"),
    links: [own("a", 30), own("c", 70)],
  },
  {
    name: "retries: the tries are the stage's, the delay between them is a wait",
    run: () =>
      new Play([stage("a")]).after(10).fail("a", REJECTED, 0.5).after(500).tick().after(60).answer("a"),
    links: [own("a", 70), link("retry_wait", "a", 500)],
  },
  {
    name: "a pause before a stage",
    run: () =>
      new Play([stage("a"), stage("b", { depends_on: ["a"] })])
        .pause("drain")
        .after(100)
        .answer("a")
        .after(5_000)
        .resume()
        .after(300)
        .answer("b"),
    links: [own("a", 100), link("pause", "b", 5_000), own("b", 300)],
  },
  {
    name: "a pause that interrupts a call",
    run: () => new Play([stage("a")]).after(20).pause("abort").after(5_000).resume().after(10).answer("a"),
    links: [own("a", 10), link("retry_wait", "a", 20), link("pause", "a", 5_000)],
  },
  {
    name: "stages from the cache, of 0 ms",
    run: () =>
      new Play([stage("a"), stage("b", { depends_on: ["a"] }), stage("c", { depends_on: ["b"] })])
        .answer("a", { ...ok(), cached: true } as ReturnType<typeof ok>)
        .answer("b", { ...ok(), cached: true } as ReturnType<typeof ok>)
        .after(9)
        .answer("c"),
    links: [own("a", 0), own("b", 0), own("c", 9)],
  },
  {
    name: "cancelled in flight: the stage that was active",
    run: () =>
      new Play([stage("a"), stage("b", { depends_on: ["a"] }), stage("c", { depends_on: ["b"] })])
        .after(100)
        .answer("a")
        .after(50)
        .cancel(),
    links: [own("a", 100), own("b", 50)],
  },
  {
    name: "cancelled while paused",
    run: () =>
      new Play([stage("a"), stage("b", { depends_on: ["a"] })])
        .pause("drain")
        .after(100)
        .answer("a")
        .after(900)
        .cancel(),
    links: [own("a", 100), link("pause", null, 900)],
  },
  {
    name: "a crash: the time until the next call is the coordinator's",
    run: () => new Play([stage("a")]).after(30).crash().after(100).answer("a"),
    links: [own("a", 100), link("overhead", "a", 30)],
  },
];

describe("the chain that determined the end", () => {
  test.each(CASES)("$name", ({ run, links }) => {
    const play = run();
    const { performance_metrics: metrics, duration_ms } = play.view;
    expect(metrics.critical_path_links).toEqual(links);
    expect(metrics.critical_path).toEqual(
      links.filter(({ kind }) => kind === "stage").map((each) => each.stage),
    );
    expect(links.reduce((sum, { ms }) => sum + ms, 0)).toBe(duration_ms);
    expect(metrics.critical_path_ms).toBe(
      links.reduce((sum, { kind, ms }) => (kind === "stage" ? sum + ms : sum), 0),
    );
    // The metrics have the same shares, with the delays between a stage's tries.
    const counted = new Map(runReport(play.state)?.stages.map((each) => [each.stage, each.path_ms]));
    for (const [name, path_ms] of counted) {
      const shares = links.filter((each) => each.stage === name && /^(stage|retry_wait)$/.test(each.kind));
      expect(path_ms, name).toBe(shares.reduce((sum, { ms }) => sum + ms, 0));
    }
  });
});

test("while a run goes on, the path ends at the stage that is active", () => {
  const play = new Play([stage("a"), stage("b", { depends_on: ["a"] })]).after(100).answer("a");
  expect(play.view.performance_metrics.critical_path_links).toEqual([own("a", 100), own("b", 0)]);
  expect(new Play([stage("a")]).view.performance_metrics).toMatchObject({
    critical_path: ["a"],
    critical_path_ms: 0,
  });
});

test("random runs: shares and waits are the duration; each pair is an edge or a wait for a place", () => {
  const draws = (seed: number) => {
    let state = seed >>> 0;
    return (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  };
  let waits = 0;
  const holds = property(
    integer(),
    integer({ min: 1, max: 9 }),
    constantFrom(1, 2, 4),
    (seed, count, places) => {
      const draw = draws(seed);
      const stages: ResolvedStage[] = Array.from({ length: count }, (_, at) =>
        stage(`s${at}`, {
          parallel: draw(4) > 0,
          required: draw(3) > 0,
          depends_on: Array.from({ length: at }, (__, other) => `s${other}`).filter(() => draw(4) === 0),
          ...(draw(6) === 0 ? { when: "false" } : {}),
        }),
      );
      const play = new Play(stages, { max_concurrent_stages: places });
      for (let step = 0; step < 400 && play.view.end_time === null; step += 1) {
        play.after(draw(3) * draw(90));
        const active = play.calls;
        const target = active[draw(Math.max(1, active.length))];
        const verb = draw(12);
        if (verb === 0 && play.status === "running") play.pause(draw(2) === 0 ? "drain" : "abort");
        else if (play.status === "paused" && (verb < 5 || target === undefined)) play.resume();
        else if (verb === 11 && draw(8) === 0) play.cancel();
        else if (target === undefined) play.after(play.wakesIn ?? 1).tick();
        else if (verb === 1) play.fail(target, draw(3) === 0 ? FATAL : REJECTED);
        else play.answer(target);
      }
      const { performance_metrics: metrics, duration_ms, end_time } = play.view;
      expect(end_time).not.toBeNull();
      const links = metrics.critical_path_links;
      expect(links.reduce((sum, { ms }) => sum + ms, 0)).toBe(duration_ms);
      for (const { ms } of links) expect(ms).toBeGreaterThanOrEqual(0);
      const needs = (name: string, other: string): boolean => {
        const { depends_on } = stages.find((each) => each.name === name) as ResolvedStage;
        // Through stages that were skipped: they have no time of their own.
        const through = depends_on.filter((each) => play.result(each).start_time === null);
        return depends_on.includes(other) || through.some((each) => needs(each, other));
      };
      for (const [at, name] of metrics.critical_path.entries()) {
        const before = metrics.critical_path[at - 1];
        if (before === undefined || needs(name, before)) continue;
        waits += 1;
        expect(links).toContainEqual(expect.objectContaining({ kind: "concurrency_wait", stage: name }));
      }
    },
  );
  assertProperty(holds, { numRuns: 1_000, seed: 20_261_127 });
  expect(waits).toBeGreaterThan(100);
});

test("the page and the terminal show the execution's own numbers, in one wording", () => {
  const run = new Play([stage("a"), stage("b")]).after(100).answer("a").after(300).answer("b");
  expect(pathText(run.view, (ms) => `${ms} ms`)).toBe("a 100 ms → b 300 ms");
  expect(closing(run.view).details).toContain("critical path 400 ms: a 100 ms → b 300 ms");
  const waited = new Play([stage("a")]).pause("abort").after(50).resume().after(7).answer("a");
  expect(pathText(waited.view, (ms) => `${ms} ms`)).toBe("a 7 ms, waits 50 ms");
  // An execution that an earlier version wrote has names alone.
  const { critical_path_links: _, ...metrics } = run.view.performance_metrics;
  const earlier = { ...run.view, performance_metrics: metrics } as typeof run.view;
  expect(pathText(earlier, String)).toBe("a → b");
});
