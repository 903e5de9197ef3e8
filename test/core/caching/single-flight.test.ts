// Single flight on a virtual clock: leaders that end, fail, die and come back, followers that leave with or without a
// word, answers that are too large to keep. No follower waits for a leader that is not there, and none inherits a lead.
import { describe, expect, test } from "vitest";
import { type FlightCaller, type Released, SingleFlight } from "../../../src/core/caching/single-flight.ts";
import { Random } from "../simulation/random.ts";

const call = (execution_id: string, seq = 2): FlightCaller => ({ execution_id, call: seq });
const names = (released: readonly Released[]) => released.map(({ execution_id }) => execution_id);
const MINUTE = 60_000;

describe("a flight", () => {
  test("has one leader; a call that finds one may follow it; a result ends it for all", () => {
    const flights = new SingleFlight();
    expect(flights.take("k", call("a"), MINUTE, 0)).toBe("lead");
    expect(flights.take("k", call("b"), MINUTE, 10)).toBe("follow");
    expect(flights.take("other", call("b"), MINUTE, 10)).toBe("lead");
    expect(flights.follow("k", call("b"), MINUTE, 11)).toBe(true);
    expect(flights.follow("k", call("c"), MINUTE, 11)).toBe(true);
    expect(names(flights.settleFlight("k"))).toEqual(["b", "c"]);
    expect(flights.settleFlight("k")).toEqual([]);
    expect(flights.dueAt).toBeNull();
    expect(flights.follow("k", call("d"), MINUTE, 12)).toBe(false);
    expect(flights.take("k", call("d"), MINUTE, 12)).toBe("lead");
  });

  test("that ends without a result releases all followers at once, and none of them leads", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), MINUTE, 0);
    for (const name of ["b", "c", "d"]) flights.follow("k", call(name), MINUTE, 10);
    expect(names(flights.leave("k", call("a")))).toEqual(["b", "c", "d"]);
    // Also where every one of them is gone.
    expect(flights.take("k", call("new"), MINUTE, 20)).toBe("lead");
  });

  test("is not ended by a follower that leaves, nor by an earlier call of its leader", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a", 5), MINUTE, 0);
    flights.follow("k", call("b"), MINUTE, 10);
    expect(names(flights.leave("k", call("b")))).toEqual(["b"]);
    expect(flights.leave("k", call("b"))).toEqual([]);
    expect(flights.leave("k", call("a", 2))).toEqual([]);
    expect(flights.leave("k", call("stranger"))).toEqual([]);
    expect(flights.take("k", call("c"), MINUTE, 20)).toBe("follow");
    expect(flights.dueAt).toBeNull();
  });

  test("stays its leader's when that one asks again after a crash, with those that follow", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a", 2), MINUTE, 0);
    flights.follow("k", call("b"), MINUTE, 10);
    expect(flights.take("k", call("a", 5), MINUTE, 300)).toBe("lead");
    flights.probed({ key: "k", leader: call("a", 2) }, false, 310);
    expect(flights.advance(1_000).released).toEqual([]);
    expect(names(flights.leave("k", call("a", 5)))).toEqual(["b"]);
  });

  test("costs no probe while no call follows it, and one every 400 ms while one does", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), MINUTE, 0);
    expect(flights.dueAt).toBeNull();
    flights.follow("k", call("b"), MINUTE, 100);
    const probed: number[] = [];
    for (let now = 100; now <= 2_100; now += 10) {
      const { probes, released } = flights.advance(now);
      expect(released).toEqual([]);
      for (const probe of probes) {
        expect(probe).toEqual({ key: "k", leader: call("a") });
        probed.push(now);
        flights.probed(probe, true, now);
      }
    }
    expect(probed).toEqual([400, 800, 1_200, 1_600, 2_000]);
    flights.leave("k", call("b"));
    expect(flights.dueAt).toBeNull();
    expect(flights.advance(9_000)).toEqual({ released: [], probes: [] });
  });

  test("whose leader was known to run long ago is probed as soon as a call follows it", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), MINUTE, 0);
    expect(flights.take("k", call("b"), MINUTE, 30_000)).toBe("follow");
    flights.follow("k", call("b"), MINUTE, 30_000);
    expect(flights.advance(30_000).probes).toEqual([{ key: "k", leader: call("a") }]);
    // More that follow do not give a dead leader more time.
    for (let now = 30_050; now < 30_400; now += 50) {
      flights.follow("k", call(`more${now}`), MINUTE, now);
      expect(flights.advance(now).released).toEqual([]);
    }
    flights.follow("k", call("last"), MINUTE, 30_400);
    expect(flights.advance(30_400).released).toHaveLength(9);
    expect(flights.take("k", call("c"), MINUTE, 30_401)).toBe("lead");
  });

  test("whose leader does not run has a moment left, for the result that is on its way", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), MINUTE, 0);
    flights.follow("k", call("b"), MINUTE, 0);
    const [probe] = flights.advance(400).probes;
    if (probe === undefined) throw new Error("no probe");
    flights.probed(probe, false, 402);
    expect(flights.advance(450).released).toEqual([]);
    expect(flights.advance(502).released).toEqual([{ key: "k", execution_id: "b" }]);
  });

  test("of a leader that died without a follower ends with its try", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), 5_000, 0);
    expect(flights.take("k", call("b"), 5_000, 4_999)).toBe("follow");
    expect(flights.take("k", call("b"), 5_000, 5_000)).toBe("lead");
  });

  test("is followed for no longer than a follower wants to", () => {
    const flights = new SingleFlight();
    flights.take("k", call("a"), MINUTE, 0);
    flights.follow("k", call("b"), 300, 0);
    flights.follow("k", call("c"), 350, 0);
    expect(flights.dueAt).toBe(300);
    expect(names(flights.advance(300).released)).toEqual(["b"]);
    expect(names(flights.advance(350).released)).toEqual(["c"]);
    expect(flights.dueAt).toBeNull();
  });
});

/** What a follower may wait for a leader that is not there, ms. */
const BOUND_MS = 1_000;

interface Run {
  name: string;
  seq: number;
  key: string;
  state: "asking" | "following" | "calling" | "gone" | "ended";
  /** Runs that died and whose machine does not even answer a probe. */
  isUnreachable: boolean;
  /** When it began to follow, and whom. */
  followed: { at: number; leader: Run } | null;
  /** When its call stopped, however. */
  stopped_at: number | null;
  /** The call's result was sent and has arrived, or will. */
  gives: "result" | "nothing" | null;
}

/** Many runs that ask a few questions of agents that answer, fail, or answer too much; some die, some leave. */
class World {
  now = 0;
  readonly seen = new Map<string, number>();
  private readonly random: Random;
  private readonly flights = new SingleFlight();
  private readonly queue: { at: number; task: () => void }[] = [];
  private readonly runs = new Map<string, Run>();
  private readonly leaders = new Map<string, Run>();
  private readonly results = new Set<string>();
  private readonly agents: Map<string, { answers: "well" | "badly" | "too much"; ms: number }>;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.agents = new Map(
      ["k1", "k2", "k3"].map((key) => [
        key,
        {
          answers: this.random.pick(["well", "badly", "too much"] as const),
          ms: this.random.pick([5, 200, 1_000, 5_000]),
        },
      ]),
    );
  }

  play(): void {
    const deadly = this.random.pick([0, 0.2, 0.6]);
    for (let at = 0; at < 40; at += 1) {
      const run: Run = {
        name: `r${at}`,
        seq: 2,
        key: this.random.pick([...this.agents.keys()]),
        state: "asking",
        isUnreachable: this.random.odds(0.3),
        followed: null,
        stopped_at: null,
        gives: null,
      };
      this.runs.set(run.name, run);
      const begins = this.random.pick([0, this.random.int(0, 500), this.random.int(0, 20_000)]);
      this.after(begins, () => this.ask(run));
      if (!this.random.odds(deadly)) continue;
      const goes = this.random.pick(["dies", "leaves", "leaves in silence"] as const);
      this.after(begins + this.random.int(1, 3_000), () => this.go(run, goes));
    }
    for (let steps = 0; this.queue.length > 0; steps += 1) {
      if (steps > 20_000) throw new Error("it does not end");
      this.queue.sort((a, b) => a.at - b.at);
      const { at, task } = this.queue.shift() as (typeof this.queue)[number];
      this.now = at;
      task();
      this.tick();
    }
    for (const run of this.runs.values()) expect(["ended", "gone"], run.name).toContain(run.state);
    expect(this.flights.dueAt).toBeNull();
  }

  /** A message's way to the store, or back. */
  private message(task: () => void): void {
    this.after(this.random.int(1, 20), task);
  }

  private after(ms: number, task: () => void): void {
    this.queue.push({ at: this.now + ms, task });
  }

  private count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  private caller({ name, seq }: Run): FlightCaller {
    return call(name, seq);
  }

  private ask(run: Run): void {
    this.message(() => {
      if (this.results.has(run.key)) {
        this.message(() => this.finish(run, "asking"));
        return;
      }
      this.apply();
      const verdict = this.flights.take(run.key, this.caller(run), 10_000, this.now);
      if (verdict === "lead") this.leaders.set(run.key, run);
      this.message(() => {
        if (run.state !== "asking") return;
        if (verdict === "lead") this.call(run);
        else this.follow(run);
      });
    });
  }

  private follow(run: Run): void {
    this.message(() => {
      if (run.state !== "asking") return;
      const leader = this.leaders.get(run.key) as Run;
      if (this.results.has(run.key)) this.message(() => this.finish(run, "asking"));
      else if (this.flights.follow(run.key, this.caller(run), 9_000, this.now)) {
        run.state = "following";
        run.followed = { at: this.now, leader };
      } else this.message(() => this.call(run));
    });
  }

  private call(run: Run): void {
    if (run.state === "gone" || run.state === "ended") return;
    run.state = "calling";
    const { answers, ms } = this.agents.get(run.key) as { answers: string; ms: number };
    this.after(ms, () => {
      if (run.state !== "calling") return;
      run.gives = answers === "well" ? "result" : "nothing";
      this.finish(run, "calling");
      this.count(answers);
      this.message(() => {
        if (run.gives === "result") {
          this.results.add(run.key);
          this.released(this.flights.settleFlight(run.key), "result");
        } else this.released(this.flights.leave(run.key, this.caller(run)), "nothing");
      });
    });
  }

  private finish(run: Run, from: Run["state"]): void {
    if (run.state !== from) return;
    run.state = "ended";
    run.stopped_at = this.now;
  }

  private go(run: Run, how: "dies" | "leaves" | "leaves in silence"): void {
    if (run.state === "gone" || run.state === "ended") return;
    this.count(`${how} ${run.state}`);
    const caller = this.caller(run);
    run.state = "gone";
    run.stopped_at = this.now;
    if (how === "leaves") {
      run.isUnreachable = false;
      this.message(() => this.released(this.flights.leave(run.key, caller), "nothing"));
    }
  }

  /** The store's timer. */
  private tick(): void {
    if (this.flights.dueAt !== null && this.now >= this.flights.dueAt) this.apply();
    const due = this.flights.dueAt;
    if (due !== null && !this.queue.some(({ at }) => at <= due)) {
      this.queue.push({ at: Math.max(due, this.now), task: () => {} });
    }
  }

  private apply(): void {
    const { released, probes } = this.flights.advance(this.now);
    this.released(released, "nothing");
    for (const probe of probes) {
      this.count("probe");
      const leader = this.runs.get(probe.leader.execution_id) as Run;
      this.message(() => {
        if (leader.state === "gone" && leader.isUnreachable) return;
        const runs = leader.state === "calling" && leader.seq === probe.leader.call;
        this.message(() => this.flights.probed(probe, runs, this.now));
      });
    }
  }

  private released(released: readonly Released[], what: "result" | "nothing"): void {
    for (const { key, execution_id } of released) {
      const run = this.runs.get(execution_id) as Run;
      const { at, leader } = run.followed as NonNullable<Run["followed"]>;
      if (run.state !== "following") continue;
      const waited = this.now - Math.max(at, leader.stopped_at ?? this.now);
      expect(waited, `${run.name} followed ${leader.name}`).toBeLessThanOrEqual(BOUND_MS);
      if (what === "nothing" && this.now - at < 9_000) {
        expect(leader.stopped_at, `${run.name} was released from a leader that runs`).not.toBeNull();
        expect(leader.gives, `${run.name} missed the result of ${leader.name}`).not.toBe("result");
      }
      this.count(`followed: ${what}`);
      this.message(() => {
        if (what === "result") this.finish(run, "following");
        else this.call(run);
      });
      expect(key).toBe(run.key);
    }
  }
}

test("no follower waits for a leader that is gone, in any order of failures, departures and crashes", () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 400; seed += 1) {
    const world = new World(seed);
    world.play();
    for (const [what, times] of world.seen) seen.set(what, (seen.get(what) ?? 0) + times);
  }
  for (const what of [
    "dies calling",
    "dies following",
    "leaves calling",
    "leaves following",
    "leaves in silence calling",
    "leaves in silence following",
    "probe",
    "well",
    "badly",
    "too much",
    "followed: result",
    "followed: nothing",
  ]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(50);
  }
});
