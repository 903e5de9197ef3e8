// The arithmetic of the queue in which an isolate's runs come up after an outage, with a simulated platform: alarms
// that fire together, objects that wait in memory or set their alarm to their slot, machines that are late, restarts.
import { describe, expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { WakeQueue } from "../../../src/core/resilience/wake-queue.ts";
import { recoverySlot } from "../../../src/engine/run/recovery-pacing.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const START = 1_764_000_000_000;

/** An isolate whose runs are woken by alarms, by virtual time. */
class Isolate {
  readonly time = new VirtualTime(START);
  queue = new WakeQueue();
  /** When each run was taken up, by its number. */
  readonly up = new Map<number, number>();
  /** Runs that wait in memory, and the most that there were. */
  held = 0;
  mostHeld = 0;
  /** Alarms set to a slot. */
  moved = 0;
  /** How late timers and alarms are, ms. */
  late = () => 0;
  /** When what is due at a time comes instead, ms since the epoch. */
  delayed = (at: number) => at;
  /** The alarms that have not fired. */
  readonly alarms = new Map<number, number>();
  private epoch = 0;

  readonly clock = {
    now: () => this.time.now,
    after: (ms: number, task: () => void) => {
      const at = this.delayed(this.time.now + ms + this.late());
      return this.time.after(at - this.time.now, task);
    },
  };

  alarm(run: number, at: number, options: { ended?: boolean; retried?: boolean } = {}): void {
    const { epoch } = this;
    this.alarms.set(run, at);
    this.time.after(at - this.time.now + (at > this.time.now ? this.late() : 0), () => {
      if (epoch !== this.epoch) return;
      this.held += 1;
      this.mostHeld = Math.max(this.mostHeld, this.held);
      const waking = {
        scheduled: at,
        mayMove: options.retried !== true,
        hasEnded: () => options.ended === true,
      };
      void recoverySlot(this.clock, waking, this.queue).then((later) => {
        if (epoch !== this.epoch) return;
        this.held -= 1;
        this.alarms.delete(run);
        if (later === null) this.up.set(run, this.time.now);
        else {
          this.moved += 1;
          this.alarm(run, later, options);
        }
      });
    });
  }

  /** The process dies and is up again: memory is gone, alarms are not. */
  restart(): void {
    this.epoch += 1;
    this.queue = new WakeQueue();
    this.held = 0;
    for (const [run, at] of this.alarms) this.alarm(run, Math.max(at, this.time.now));
  }

  async run(until = Number.POSITIVE_INFINITY): Promise<void> {
    await drained();
    while (this.time.now < until && (await this.time.step()));
  }

  /** Times between one run's slot and the next, in order. */
  get gaps(): number[] {
    const times = [...this.up.values()].toSorted((a, b) => a - b);
    return times.slice(1).map((at, before) => at - (times[before] ?? 0));
  }
}

describe("runs whose alarms fire together", () => {
  test("5,000 come up evenly: a few at once, then one after another, none together and none lost", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 5_000; run += 1) isolate.alarm(run, START);
    await isolate.run();
    expect(isolate.up.size).toBe(5_000);
    const at = (run: number) => (isolate.up.get(run) ?? 0) - START;
    expect(isolate.gaps.filter((gap) => gap === 0)).toHaveLength(TIMINGS.WAKING_AT_ONCE);
    expect(isolate.gaps.filter((gap) => gap !== 0 && gap !== TIMINGS.WAKING_GAP_MS)).toEqual([]);
    // In the order in which they came, and no cliff: the last one has the last slot.
    expect([at(100), at(1_000), at(4_999)]).toEqual(
      [100, 1_000, 4_999].map((run) => (run - TIMINGS.WAKING_AT_ONCE) * TIMINGS.WAKING_GAP_MS),
    );
  });

  test("those whose slot is far off leave memory a few at a time, and set their alarm once", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 5_000; run += 1) isolate.alarm(run, START);
    const moves: number[] = [];
    for (let second = 1; second <= 60; second += 1) {
      const before = isolate.moved;
      await isolate.run(START + second * 1_000);
      moves.push(isolate.moved - before);
    }
    // 3,480 runs have slots beyond a minute.
    expect(isolate.moved).toBe(
      5_000 - TIMINGS.WAKING_AT_ONCE - TIMINGS.WAKING_HOLD_MS / TIMINGS.WAKING_GAP_MS - 1,
    );
    expect(Math.max(...moves)).toBeLessThan(70);
    expect(Math.min(...moves)).toBeGreaterThan(50);
    expect(isolate.held).toBe(0);
    await isolate.run();
    expect(isolate.up.size).toBe(5_000);
  });

  test("1,500 wait in memory, and no alarm is set for them", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 1_500; run += 1) isolate.alarm(run, START);
    await isolate.run();
    expect([isolate.moved, isolate.up.size]).toEqual([0, 1_500]);
    expect(isolate.gaps.filter((gap) => gap === 0)).toHaveLength(TIMINGS.WAKING_AT_ONCE);
  });

  test("alarms outside an outage wait for nothing", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 500; run += 1) isolate.alarm(run, START + run * TIMINGS.WAKING_GAP_MS);
    await isolate.run();
    expect([...isolate.up].every(([run, at]) => at === START + run * TIMINGS.WAKING_GAP_MS)).toBe(true);
    expect(isolate.moved).toBe(0);
  });

  test("a run that has ended waits for no slot and takes none", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 1_500; run += 1) isolate.alarm(run, START, { ended: run % 2 === 1 });
    await isolate.run();
    for (const [run, at] of isolate.up) if (run % 2 === 1) expect(at, String(run)).toBe(START);
    const last = Math.max(...isolate.up.values()) - START;
    expect(last).toBeLessThanOrEqual(750 * TIMINGS.WAKING_GAP_MS);
  });

  test("the alarm of a run whose handler crashed is not moved: the platform counts its crashes", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 300; run += 1) isolate.alarm(run, START, { retried: true });
    await isolate.run();
    expect(isolate.moved).toBe(0);
    expect(isolate.gaps.filter((gap) => gap !== 0 && gap !== TIMINGS.WAKING_GAP_MS)).toEqual([]);
    expect(isolate.up.size).toBe(300);
  });

  test("a restart in the middle begins a queue of those that are left, as evenly", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 2_000; run += 1) isolate.alarm(run, START);
    await isolate.run(START + 20_000);
    const before = isolate.up.size;
    expect(before).toBeGreaterThan(400);
    isolate.restart();
    const again = isolate.time.now;
    await isolate.run();
    expect(isolate.up.size).toBe(2_000);
    const times = [...isolate.up.values()].filter((at) => at >= again).toSorted((a, b) => a - b);
    for (let at = 0; at + 50 < times.length; at += 1) {
      const span = (times[at + 50] ?? 0) - (times[at] ?? 0);
      expect(span).toBeGreaterThanOrEqual((49 - TIMINGS.WAKING_AT_ONCE) * TIMINGS.WAKING_GAP_MS);
    }
    expect((times.at(-1) ?? 0) - again).toBeLessThanOrEqual(2_000 * TIMINGS.WAKING_GAP_MS);
  });

  test("on a slow machine a late run lets the others go first, and all resume", async () => {
    const isolate = new Isolate();
    const busyUntil = START + 5_000;
    isolate.late = () => (isolate.time.now < busyUntil ? TIMINGS.WAKING_LATE_MS : 0);
    for (let run = 0; run < 500; run += 1) isolate.alarm(run, START);
    await isolate.run();
    expect(isolate.up.size).toBe(500);
    const early = [...isolate.up.values()].filter((at) => at < busyUntil).length;
    expect(early).toBeLessThanOrEqual(TIMINGS.WAKING_AT_ONCE + 1);
    // For ever late, and still every run comes up.
    const slow = new Isolate();
    slow.late = () => TIMINGS.WAKING_LATE_MS;
    for (let run = 0; run < 500; run += 1) slow.alarm(run, START);
    await slow.run();
    expect(slow.up.size).toBe(500);
    expect(slow.gaps.filter((gap) => gap < TIMINGS.WAKING_GAP_MS)).toHaveLength(TIMINGS.WAKING_AT_ONCE);
  });

  test("a machine that pauses for a while does not resume at once all whose slot came meanwhile", async () => {
    const isolate = new Isolate();
    for (let run = 0; run < 1_500; run += 1) isolate.alarm(run, START);
    // Three times it stands still for ten seconds: what should have come then comes together.
    const stalls = [5_000, 25_000, 50_000].map((at) => [START + at, START + at + 10_000] as const);
    const until = (at: number) => stalls.find(([from, to]) => from <= at && at < to)?.[1] ?? at;
    isolate.delayed = until;
    await isolate.run();
    expect(isolate.up.size).toBe(1_500);
    const together = Map.groupBy(isolate.up.values(), (at) => at);
    const most = Math.max(...[...together.values()].map((at) => at.length));
    expect(most).toBe(TIMINGS.WAKING_AT_ONCE + 1);
  });
});

describe("slots", () => {
  test("what was given is claimed once, at its own time alone", () => {
    const queue = new WakeQueue();
    for (let run = 0; run <= TIMINGS.WAKING_AT_ONCE; run += 1) queue.next(START);
    expect(queue.isOpen(START)).toBe(false);
    const slot = queue.next(START, 2);
    queue.give(slot, START);
    expect(queue.claim(slot.at + 1)).toBeNull();
    expect(queue.claim(slot.at)).toEqual(slot);
    expect(queue.claim(slot.at)).toBeNull();
    expect(queue.isOpen(START + TIMINGS.WAKING_GAP_MS)).toBe(false);
    expect(queue.isOpen(START + 2 * TIMINGS.WAKING_GAP_MS)).toBe(true);
  });

  test("an unclaimed one is dropped", () => {
    const queue = new WakeQueue();
    queue.give({ at: START, rounds: 0 }, START);
    queue.give({ at: START + 1, rounds: 0 }, START + TIMINGS.WAKING_CLAIM_MS + 1);
    expect(queue.claim(START)).toBeNull();
    expect(queue.claim(START + 1)).not.toBeNull();
  });
});
