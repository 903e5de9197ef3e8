// Places at an agent as the calls of isolates get them, over the real object's part and a network without faults, but
// where a test has one: what a call costs, who is next, what is given back.
import { describe, expect, test } from "vitest";
import { IsolatePlaces } from "../../../../src/adapters/durable/places/agent-places-client.ts";
import type { Place, PlaceAnswer } from "../../../../src/engine/ports.ts";
import { drained } from "../../../engine/simulation/virtual-time.ts";
import {
  type Caller,
  type Isolate,
  mostAtOnce,
  mostWithin,
  PlacesWorld,
  within,
} from "../../../support/objects/agent-places-world.ts";
import { seeded } from "../../../support/values/chance.ts";

const caller = (holder: string, fields: Partial<Caller> = {}): Caller => ({
  holder,
  conversation_id: "c",
  priority: 0,
  lease_ms: 30_000,
  takes_ms: 50,
  ...fields,
});

/** The world goes on until a promise has its value. */
async function settled<T>(world: PlacesWorld, promise: T | Promise<T>): Promise<T> {
  let found: { value: T } | null = null;
  void Promise.resolve(promise).then((value) => {
    found = { value };
  });
  await drained();
  await world.run(() => found !== null, 600_000);
  if (found === null) throw new Error("it is not settled");
  return (found as { value: T }).value;
}

function placeOf(answer: PlaceAnswer): Place {
  if (answer.kind !== "place") throw new Error(`no place, but ${answer.kind}`);
  return answer.place;
}

/** Calls that come one after another, each after so many ms; how many of them have ended. */
function arrive(world: PlacesWorld, isolates: Isolate[], callers: Caller[], gap_ms: number) {
  const order: string[] = [];
  for (const [at, each] of callers.entries()) {
    const isolate = isolates[at % isolates.length] as Isolate;
    const work = async () => {
      const place = await world.place(isolate, each);
      if (place === null) return;
      order.push(each.holder);
      await world.use(isolate, each, place);
    };
    world.time.after(at * gap_ms, () => void work());
  }
  return order;
}

const idle = (world: PlacesWorld, ms: number) => settled(world, world.pause(ms));
const numbered = (count: number, name = "call") =>
  Array.from({ length: count }, (_, at) => caller(`${name}-${at}`));

describe("a call", () => {
  test("costs a request for its place and one to give it back", async () => {
    const world = new PlacesWorld({ concurrency: 2 }, seeded(1));
    const { places } = world.isolate();
    const place = placeOf(await settled(world, places.take(world.ask(caller("a")))));
    expect(world.hops).toBe(1);
    place.release();
    place.release();
    await idle(world, 1_000);
    expect(world.hops).toBe(2);
  });

  test("of an agent with a rate alone has nothing to give back", async () => {
    const world = new PlacesWorld({ rate: { calls: 2, per_seconds: 1 } }, seeded(1));
    const { places } = world.isolate();
    placeOf(await settled(world, places.take(world.ask(caller("a"))))).release();
    await idle(world, 1_000);
    expect(world.hops).toBe(1);
  });

  test("that waits is notified in one further request", async () => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const isolate = world.isolate();
    const place = placeOf(await settled(world, isolate.places.take(world.ask(caller("a")))));
    const waits = world.ask(caller("b"));
    const answer = await settled(world, isolate.places.take(waits));
    expect(answer).toEqual({ kind: "queued", reason: "concurrency", until: null });
    world.time.after(5_000, () => place.release());
    const turn = await settled(world, isolate.places.turn(waits, new AbortController().signal));
    expect(turn).not.toBeNull();
    expect(world.hops).toBe(4);
  });

  test("is said when its turn comes, where that is known", async () => {
    const world = new PlacesWorld({ rate: { calls: 1, per_seconds: 10 } }, seeded(1));
    const { places } = world.isolate();
    await settled(world, places.take(world.ask(caller("a"))));
    const used_at = world.time.now;
    const answer = await settled(world, places.take(world.ask(caller("b"))));
    if (answer.kind !== "queued" || answer.until === null) throw new Error(`it is ${answer.kind}`);
    expect(answer.reason).toBe("rate");
    expect(Math.abs(answer.until - used_at - 10_000)).toBeLessThan(100);
  });

  test("that may not wait is refused", async () => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const { places } = world.isolate();
    await settled(world, places.take(world.ask(caller("a"))));
    const answer = await settled(world, places.take(world.ask(caller("b"), false)));
    expect(answer).toEqual({ kind: "full", reason: "concurrency" });
  });

  test("that is aborted leaves the queue, and what was on its way to it goes back", async () => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const { places } = world.isolate();
    const place = placeOf(await settled(world, places.take(world.ask(caller("a")))));
    const aborted = new AbortController();
    const turn = places.turn(world.ask(caller("b")), aborted.signal);
    world.time.after(1_000, () => place.release());
    // While its grant is on its way.
    await world.run(() => world.rows === 2, 10_000);
    aborted.abort();
    expect(await settled(world, turn)).toBeNull();
    await idle(world, 1_000);
    expect(placeOf(await settled(world, places.take(world.ask(caller("c")))))).not.toBeNull();
  });

  test("waits where the object does not answer, and gets its place once it does", async () => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const { places } = world.isolate();
    world.weather = { ...world.weather, lost_requests: 100 };
    const ask = world.ask(caller("a"));
    expect(await settled(world, places.take(ask))).toMatchObject({ kind: "queued" });
    expect(await settled(world, places.take({ ...ask, may_wait: false }))).toMatchObject({ kind: "full" });
    const turn = places.turn(ask, new AbortController().signal);
    await idle(world, 30_000);
    expect(world.hops).toBe(0);
    world.weather = { ...world.weather, lost_requests: 0 };
    expect(await settled(world, turn)).not.toBeNull();
  });

  test("gets a pass that is still of use, however slow the object is", async () => {
    const world = new PlacesWorld({ rate: { calls: 5, per_seconds: 1 } }, seeded(3));
    const isolate = world.isolate();
    world.weather = { ...world.weather, slow: 100 };
    const place = await settled(world, world.place(isolate, caller("a")));
    expect(place).not.toBeNull();
  });
});

describe("at high demand", () => {
  test("a rate of 1,000 calls a second costs tens of requests a second", async () => {
    const world = new PlacesWorld({ rate: { calls: 1_000, per_seconds: 1 } }, seeded(1));
    const order = arrive(world, [world.isolate()], numbered(1_500), 2);
    await idle(world, 10_000);
    expect(order).toHaveLength(1_500);
    expect(mostWithin(world.uses, 1_000)).toBeLessThanOrEqual(1_000);
    // Three seconds of 500 calls.
    expect(world.hops).toBeLessThan(3 * 50);
  });

  test("so does more than the rate allows, which is used to nine tenths", async () => {
    const world = new PlacesWorld({ rate: { calls: 200, per_seconds: 1 } }, seeded(1));
    const order = arrive(world, [world.isolate(), world.isolate()], numbered(900), 1);
    const began = world.time.now;
    await world.run(() => order.length === 900, 60_000);
    expect(mostWithin(world.uses, 1_000)).toBeLessThanOrEqual(200);
    const seconds = (world.time.now - began) / 1_000;
    expect(seconds).toBeLessThan(900 / (200 * 0.9));
    expect(world.hops / seconds).toBeLessThan(100);
  });

  test("places are used by one call after another, and all come back", async () => {
    const world = new PlacesWorld({ concurrency: 100 }, seeded(1));
    const isolate = world.isolate();
    const order = arrive(world, [isolate], numbered(1_000), 4);
    await idle(world, 10_000);
    expect(order).toHaveLength(1_000);
    expect(world.hops).toBeLessThan(1_000 / 3);
    // None is left with the isolate: another one gets them all.
    const other = world.isolate();
    for (const each of numbered(100, "other")) {
      placeOf(await settled(world, other.places.take(world.ask(each, false))));
      await idle(world, 100);
    }
  });

  test("no place is kept from those that wait elsewhere", async () => {
    const world = new PlacesWorld({ concurrency: 8 }, seeded(1));
    const order = arrive(world, [world.isolate()], numbered(400), 5);
    const other = world.isolate();
    const waited: number[] = [];
    const asks = async () => {
      for (const each of numbered(20, "other")) {
        const began = world.time.now;
        const place = await world.place(other, each);
        waited.push(world.time.now - began);
        if (place !== null) await world.use(other, each, place);
      }
    };
    void asks();
    await world.run(() => order.length === 400 && waited.length === 20, 600_000);
    expect(mostAtOnce(world.uses)).toBeLessThanOrEqual(8);
    // Those before it in the queue are of one conversation.
    expect(Math.max(...waited)).toBeLessThan(1_500);
  });
});

describe("the order", () => {
  test("is by priority", async () => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const callers = [-10, 3, 0, 10, 3].map((priority, at) =>
      caller(`${priority}/${at}`, { priority, conversation_id: `c${at}`, takes_ms: 500 }),
    );
    const order = arrive(world, [world.isolate(), world.isolate()], [caller("first"), ...callers], 5);
    await world.run(() => order.length === 6, 60_000);
    expect(order).toEqual(["first", "10/3", "3/1", "3/4", "0/2", "-10/0"]);
  });

  test("lets a conversation with one call wait for two calls at most, where another has a hundred", async () => {
    for (const isolates of [1, 3]) {
      const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
      const many = numbered(100).map((each) => ({ ...each, conversation_id: "many", takes_ms: 200 }));
      const shared = Array.from({ length: isolates }, () => world.isolate());
      const order = arrive(world, shared, many, 2);
      await idle(world, 2_000);
      const before = order.length;
      const single = arrive(
        world,
        [world.isolate()],
        [caller("one", { conversation_id: "one", takes_ms: 200 })],
        0,
      );
      await world.run(() => single.length === 1, 60_000);
      // One has its place when it comes.
      expect(order.length - before).toBeLessThanOrEqual(2);
      await world.run(() => order.length === 100, 600_000);
      expect(order).toHaveLength(100);
    }
  });
});

test.each([0, 5, 10, 15, 19])(
  "calls that asked for call-%i, and are gone, do not keep it waiting, also where the clock is set back",
  async (left) => {
    const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
    const isolate = world.isolate();
    const order: string[] = [];
    const first = placeOf(await settled(world, isolate.places.take(world.ask(caller("first")))));
    const runs = numbered(20).map((each) => {
      const context = { isAlive: true };
      const work = async () => {
        if ((await world.place(isolate, each)) !== null) order.push(each.holder);
      };
      within(context, () => void work());
      return context;
    });
    await idle(world, 500);
    for (const [at, context] of runs.entries()) context.isAlive = at === left;
    isolate.clock.offset -= 3_600_000;
    await idle(world, 10_000);
    first.release();
    // Where calls that are gone had it before, their leases end.
    await idle(world, 500_000);
    expect(order).toEqual([`call-${left}`]);
  },
);

test("another registration's limits hold for places in hand, too", async () => {
  const world = new PlacesWorld({ concurrency: 40 }, seeded(1));
  const isolate = world.isolate();
  const order = arrive(world, [isolate], numbered(40), 5);
  await world.run(() => order.length === 40, 10_000);
  const agent = { ...world.ask(caller("x")).agent, registration: null };
  const registration = { url: "http://agent", protocol: "native" as const, generation: 1 };
  const ask = {
    ...world.ask(caller("x")),
    agent: { ...agent, registration },
    limits: { concurrency: 1 },
    may_wait: false,
  };
  await idle(world, 5_000);
  placeOf(await settled(world, isolate.places.take(ask)));
  const second = await settled(world, isolate.places.take({ ...ask, holder: "y" }));
  expect(second.kind).toBe("full");
});

test("agents do not share places", async () => {
  const asked: string[] = [];
  const places = new IsolatePlaces({
    clock: { now: () => 1_000, after: () => () => {} },
    object: (tenant, agent_type) => {
      asked.push(`${tenant}/${agent_type}`);
      return { places: () => Promise.reject(new Error("away")), leave: async () => {} };
    },
  });
  const world = new PlacesWorld({ concurrency: 1 }, seeded(1));
  const ask = world.ask(caller("a"));
  await places.take(ask);
  await places.take({ ...ask, agent: { ...ask.agent, tenant: "other" } });
  expect(asked).toEqual(["acme/model", "other/model"]);
});
