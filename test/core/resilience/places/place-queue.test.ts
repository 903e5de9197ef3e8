// Who is next: by priority, then conversations in turn, then by arrival; of those that somebody waits for.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PlaceQueue } from "../../../../src/core/resilience/places/place-queue.ts";

function enter(
  queue: PlaceQueue,
  holder: string,
  conversation_id: string,
  priority = 0,
  poll: number | null = 1,
): void {
  queue.add({
    holder,
    conversation_id,
    priority,
    lease_ms: 1,
    valid_ms: 1,
    stamp: 1,
    isolate: "i",
    poll,
    alive_until: 500,
    has_lease: false,
  });
}

function served(queue: PlaceQueue): string | null {
  const next = queue.next();
  if (next !== null) queue.served(next);
  return next?.holder ?? null;
}

const order = (queue: PlaceQueue) => Array.from({ length: queue.size }, () => served(queue));

describe("the queue", () => {
  test("of one conversation is in the order of arrival", () => {
    const queue = new PlaceQueue();
    for (const holder of ["a", "b", "c"]) enter(queue, holder, "c1");
    expect(order(queue)).toEqual(["a", "b", "c"]);
  });

  test("lets the higher priority go first", () => {
    const queue = new PlaceQueue();
    enter(queue, "low", "c1", -1);
    enter(queue, "none", "c2");
    enter(queue, "high", "c1", 10);
    expect(order(queue)).toEqual(["high", "none", "low"]);
  });

  test("lets conversations go in turn", () => {
    const queue = new PlaceQueue();
    for (let at = 0; at < 4; at += 1) enter(queue, `a${at}`, "a");
    enter(queue, "b0", "b");
    enter(queue, "b1", "b");
    enter(queue, "c0", "c");
    expect(order(queue)).toEqual(["a0", "b0", "c0", "a1", "b1", "a2", "a3"]);
  });

  test("lets a call wait for one of each other conversation at most, with any number after it", () => {
    const kinds = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 150 });
    fc.assert(
      fc.property(kinds, kinds, (before, after) => {
        const queue = new PlaceQueue();
        for (const [at, kind] of before.entries()) enter(queue, `b${at}`, `c${kind}`);
        enter(queue, "mine", "mine");
        const others = new Set(before).size;
        let waited = 0;
        for (const [at, kind] of after.entries()) {
          enter(queue, `a${at}`, `c${kind}`);
          if (served(queue) === "mine") return;
          waited += 1;
          expect(waited).toBeLessThanOrEqual(others);
        }
      }),
    );
  });

  test("passes over those without a poll, drops them in time, and keeps their position till then", () => {
    const queue = new PlaceQueue();
    enter(queue, "away", "c1", 0, null);
    enter(queue, "here", "c1");
    queue.dropDead(499);
    expect(queue.next()?.holder).toBe("here");
    const away = queue.of("away");
    if (away !== undefined) away.poll = 2;
    expect(queue.next()?.holder).toBe("away");
    queue.ended(2, 900);
    queue.dropDead(899);
    expect(queue.size).toBe(2);
    queue.dropDead(900);
    expect(order(queue)).toEqual(["here"]);
  });

  test("lets one that gives up a lease go before all", () => {
    const queue = new PlaceQueue();
    enter(queue, "high", "c1", 10);
    enter(queue, "again", "c2", -10);
    Object.assign(queue.of("again") ?? {}, { has_lease: true });
    expect(order(queue)).toEqual(["again", "high"]);
  });
});
