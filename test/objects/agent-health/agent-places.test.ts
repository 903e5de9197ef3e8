// The part of an agent's object that has its places, over a row and a virtual clock: polls, the row, the timers.
import { describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { PlacesReply, PlacesRequest } from "../../../src/engine/agent-protocol.ts";
import { AgentPlacesRoom } from "../../../src/objects/agent-health/agent-places.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

const LEASE_MS = 10_000;

class Room {
  readonly time = new VirtualTime(1_800_000_000_000);
  rows = 0;
  private readonly disk = new Map<string, unknown>();
  private readonly limits: AgentLimits;
  private stamp = 0;
  private life = {};
  private room: AgentPlacesRoom;

  constructor(limits: AgentLimits) {
    this.limits = limits;
    this.room = this.open();
  }

  restart(): void {
    this.time.forget(this.life);
    this.life = {};
    this.room = this.open();
  }

  ask(holders: string[], fields: Partial<PlacesRequest> = {}, lease_ms = LEASE_MS): Promise<PlacesReply> {
    this.stamp += 1;
    return this.room.exchange({
      limits: this.limits,
      generation: 1,
      asks: holders.map((holder) => ({
        holder,
        conversation_id: holder,
        priority: 0,
        lease_ms,
        valid_ms: 250,
      })),
      stamp: this.stamp,
      isolate: "i",
      may_wait: true,
      wait_ms: 0,
      gather_ms: 0,
      extra: 0,
      released: [],
      used: [],
      ...fields,
    });
  }

  poll(holders: string[], gather_ms = 0): { reply: PlacesReply | null } {
    const polled: { reply: PlacesReply | null } = { reply: null };
    void this.ask(holders, { wait_ms: TIMINGS.PLACE_POLL_MS, gather_ms }).then((reply) => {
      polled.reply = reply;
    });
    return polled;
  }

  leave(holder: string): void {
    this.room.leave(holder);
  }

  load() {
    return this.room.load();
  }

  /** Lets all happen that happens within so many ms. */
  async pass(ms: number): Promise<void> {
    const end = this.time.now + ms;
    this.time.after(ms, () => {});
    await drained();
    while (this.time.now < end) await this.time.step();
  }

  private open(): AgentPlacesRoom {
    const { disk, time, life } = this;
    return new AgentPlacesRoom(
      {
        get: (key) => structuredClone(disk.get(key)),
        put: (key, value) => {
          this.rows += 1;
          disk.set(key, structuredClone(value));
        },
      },
      { now: () => time.now, after: (ms, task) => time.after(ms, task, life) },
    );
  }
}

const holders = (reply: PlacesReply | null) => reply?.granted.map(({ holder }) => holder);

describe("a place", () => {
  test("is granted at once, with one row", async () => {
    const room = new Room({ concurrency: 1 });
    const reply = await room.ask(["a"]);
    expect(reply).toMatchObject({ granted: [{ holder: "a", after_ms: 0 }], leased: true, rated: false });
    expect(room.rows).toBe(1);
  });

  test("is waited for: a release gives it to the poll at once", async () => {
    const room = new Room({ concurrency: 1 });
    const first = await room.ask(["a"]);
    expect(await room.ask(["b"])).toMatchObject({ granted: [], reason: "concurrency", queued: 1 });
    const polled = room.poll(["b"]);
    await room.pass(700);
    expect(polled.reply).toBeNull();
    await room.ask([], { released: first.granted.map(({ id }) => id) });
    await drained();
    expect(polled.reply).toMatchObject({ granted: [{ holder: "b", after_ms: 700 }], queued: 0 });
  });

  test("is waited for: the end of a lease gives it to the poll", async () => {
    const room = new Room({ concurrency: 1 });
    await room.ask(["a"]);
    const polled = room.poll(["b"]);
    await room.pass(LEASE_MS);
    expect(holders(polled.reply)).toEqual(["b"]);
  });

  test("is waited for: the rate gives it to the poll, and says when", async () => {
    const room = new Room({ rate: { calls: 1, per_seconds: 2 } });
    const first = await room.ask(["a"]);
    await room.ask([], { used: first.granted.map(({ id }) => [id, 10]) });
    expect(await room.ask(["b"])).toMatchObject({ granted: [], reason: "rate", in_ms: 2_010 });
    const polled = room.poll(["b"]);
    await room.pass(2_009);
    expect(polled.reply).toBeNull();
    await room.pass(1);
    expect(holders(polled.reply)).toEqual(["b"]);
  });

  test("is not queued for by a call that may not wait", async () => {
    const room = new Room({ concurrency: 1 });
    await room.ask(["a"]);
    const reply = await room.ask(["b"], { may_wait: false });
    expect(reply).toMatchObject({ granted: [], queued: 0 });
  });
});

describe("a poll", () => {
  test("ends before a connection would, and the call keeps its position", async () => {
    const room = new Room({ concurrency: 1 });
    const first = await room.ask(["a"], {}, 60_000);
    const polled = room.poll(["b"]);
    room.poll(["c"]);
    await room.pass(TIMINGS.PLACE_POLL_MS);
    expect(polled.reply).toMatchObject({ granted: [], queued: 2 });
    const [b, c] = [room.poll(["b"]), room.poll(["c"])];
    await room.ask([], { released: first.granted.map(({ id }) => id) });
    await drained();
    expect(holders(b.reply)).toEqual(["b"]);
    expect(c.reply).toBeNull();
  });

  test("of several calls waits a little for more than the first place", async () => {
    const room = new Room({ concurrency: 2 });
    const both = await room.ask(["a", "b"]);
    const polled = room.poll(["c", "d", "e"], 20);
    const [a = 0, b = 0] = both.granted.map(({ id }) => id);
    await room.ask([], { released: [a] });
    await room.pass(10);
    expect(polled.reply).toBeNull();
    await room.ask([], { released: [b] });
    await room.pass(10);
    expect(holders(polled.reply)).toEqual(["c", "d"]);
  });

  test("does not wait for more than its calls", async () => {
    const room = new Room({ concurrency: 2 });
    const polled = room.poll(["a", "b"], 20);
    await drained();
    expect(holders(polled.reply)).toEqual(["a", "b"]);
  });

  test("ends where all of its calls are in a later one", async () => {
    const room = new Room({ concurrency: 1 });
    const first = await room.ask(["a"]);
    const [own, both] = [room.poll(["b"]), room.poll(["c", "d"])];
    await drained();
    const later = room.poll(["e", "c", "d"]);
    await drained();
    expect(both.reply).toMatchObject({ granted: [], queued: 4 });
    expect(own.reply).toBeNull();
    await room.ask([], { released: first.granted.map(({ id }) => id) });
    await drained();
    expect(holders(own.reply)).toEqual(["b"]);
    expect(later.reply).toBeNull();
  });

  test("ends where its call does not want the place any more", async () => {
    const room = new Room({ concurrency: 1 });
    const first = await room.ask(["a"]);
    const polled = room.poll(["b"]);
    await drained();
    room.leave("b");
    await drained();
    expect(polled.reply).toMatchObject({ granted: [], queued: 0 });
    await room.ask([], { released: first.granted.map(({ id }) => id) });
    expect(room.load()).toEqual({ in_use: 0, queued: 0 });
  });
});

describe("a restart", () => {
  test("forgets no place", async () => {
    const room = new Room({ concurrency: 1, rate: { calls: 2, per_seconds: 60 } });
    await room.ask(["a"]);
    room.restart();
    expect(await room.ask(["b"])).toMatchObject({ granted: [], reason: "concurrency" });
    expect(room.load()).toEqual({ in_use: 1, queued: 1 });
  });

  test("gives a place back to the same holder", async () => {
    const room = new Room({ concurrency: 1 });
    await room.ask(["a"]);
    room.restart();
    expect(holders(await room.ask(["a"]))).toEqual(["a"]);
    expect(room.load().in_use).toBe(1);
  });

  test("does not bring back for long what was given back", async () => {
    const room = new Room({ concurrency: 1 });
    const { granted } = await room.ask(["a"], {}, 3_600_000);
    await room.ask([], { released: granted.map(({ id }) => id) });
    await room.pass(TIMINGS.PLACE_WRITE_MS);
    expect(room.rows).toBe(2);
    room.restart();
    expect(room.load().in_use).toBe(0);
  });

  test("costs no row for what would end soon anyway", async () => {
    const room = new Room({ concurrency: 1 });
    const { granted } = await room.ask(["a"]);
    await room.ask([], { released: granted.map(({ id }) => id) });
    await room.pass(10 * TIMINGS.PLACE_WRITE_MS);
    expect(room.rows).toBe(1);
  });
});
