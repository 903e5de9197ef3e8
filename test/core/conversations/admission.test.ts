import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OnBusy } from "../../../src/contract/config.ts";
import {
  type Admission,
  claim,
  enter,
  heldAt,
  leave,
  nextOf,
  type Places,
  unproved,
} from "../../../src/core/conversations/admission.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const RUNS = 1_000;
const WAITS = 5_000;

const entrant = (execution_id: string, on_busy: OnBusy) => ({
  execution_id,
  on_busy,
  start: 0,
  runs_until: RUNS,
  waits_until: WAITS,
});

function ask(places: Places, execution_id: string, on_busy: OnBusy, others: string[] = []) {
  return enter(places, others, entrant(execution_id, on_busy));
}

function claimed(places: Places, execution_id: string, others: string[] = []) {
  return claim(places, others, entrant(execution_id, "queue"));
}

describe("what happens where another execution of the conversation has not ended", () => {
  const { places } = ask([], "a", "queue");

  test("parallel: both run", () => {
    expect(ask(places, "b", "parallel").admission).toEqual({ kind: "admitted" });
  });

  test("reject: refused, with those that run", () => {
    expect(ask(places, "b", "reject").admission).toEqual({ kind: "busy", running: ["a"] });
    expect(ask([], "b", "reject", ["p"]).admission).toEqual({ kind: "busy", running: ["p"] });
  });

  test("queue: it waits for the one before it, and runs when that has ended and it asks", () => {
    const second = ask(places, "b", "queue");
    expect(second.admission).toEqual({ kind: "queued", place: { behind: "a", position: 1 } });
    const third = ask(second.places, "c", "queue");
    expect(third.admission).toEqual({ kind: "queued", place: { behind: "b", position: 2 } });
    expect(nextOf(third.places, [])).toBeNull();
    expect(claimed(third.places, "b").admission).toEqual(second.admission);
    const left = leave(third.places, "a");
    expect(nextOf(left, [])).toBe("b");
    expect(claimed(left, "c").admission).toEqual(third.admission);
    const running = claimed(left, "b");
    expect(running.admission).toEqual({ kind: "admitted" });
    expect(running.places[0]).toMatchObject({ execution_id: "b", state: "running", expires: RUNS });
    expect(claimed(running.places, "c").admission).toEqual({
      kind: "queued",
      place: { behind: "b", position: 1 },
    });
  });

  test("queue: what has no place keeps it waiting, too", () => {
    const second = ask(places, "b", "queue");
    const left = leave(second.places, "a");
    expect(nextOf(left, ["p"])).toBeNull();
    expect(claimed(left, "b", ["p"]).admission).toMatchObject({ place: { behind: "p", position: 1 } });
  });

  test("at most 10 wait; one whose place is lost is the last of them", () => {
    let all = places;
    for (let at = 0; at < 10; at += 1) all = ask(all, `q${at}`, "queue").places;
    expect(ask(all, "one more", "queue").admission).toEqual({ kind: "busy", running: ["a"], limit: 10 });
    expect(claimed(all, "lost").admission).toMatchObject({ place: { behind: "q9", position: 11 } });
    expect(claimed([], "lost").admission).toEqual({ kind: "admitted" });
  });

  test("interrupt: those that run are cancelled, and it runs when they have ended", () => {
    const queued = ask(places, "q", "queue").places;
    const { places: all, admission } = ask(queued, "b", "interrupt", ["p"]);
    expect(admission).toEqual({ kind: "interrupts", running: ["p", "a"] });
    const left = leave(all, "a");
    expect(claimed(left, "b", ["p"]).admission).toEqual({ kind: "interrupts", running: ["p"] });
    expect(claimed(left, "q").admission).toMatchObject({ kind: "queued" });
    expect(claimed(left, "b").admission).toEqual({ kind: "admitted" });
  });

  test("an earlier question that interrupts and has not begun is superseded by a later one", () => {
    const first = ask(places, "b", "interrupt").places;
    const second = ask(first, "c", "interrupt").places;
    expect(nextOf(leave(second, "a"), [])).toBe("c");
    expect(second.map(({ execution_id }) => execution_id)).not.toContain("b");
  });

  test("a request that is repeated gets the same answer", () => {
    const { places: all, admission } = ask(places, "b", "queue");
    expect(ask(all, "b", "queue")).toEqual({ places: all, admission });
  });

  test("a place is free when it expires, but for one whose end is reported elsewhere", () => {
    const all = ask(places, "b", "queue").places;
    expect(nextOf(heldAt(all, RUNS - 1), [])).toBeNull();
    expect(nextOf(heldAt(all, RUNS), [])).toBe("b");
    expect(heldAt(all, WAITS)).toEqual([]);
    const elsewhere = all.map((place) => ({ ...place, isElsewhere: true as const }));
    expect(heldAt(elsewhere, WAITS)).toBe(elsewhere);
  });

  test("where the conversation has another shard, no other takes a place", () => {
    const mark = { execution_id: "there", state: "moved" as const, start: 0, expires: 10 };
    for (const on_busy of ["reject", "queue", "interrupt"] as const) {
      expect(ask([mark], "b", on_busy).admission).toEqual({ kind: "busy", running: ["there"] });
      expect(ask(heldAt([mark], 10), "b", on_busy).admission).toEqual({ kind: "admitted" });
    }
    // What has its place already keeps it.
    expect(claimed([...leave(ask(places, "b", "queue").places, "a"), mark], "b").admission.kind).toBe(
      "admitted",
    );
  });

  test("a run that may never have started is asked for after a while, one that is elsewhere always", () => {
    const all = ask(places, "b", "queue").places;
    expect(unproved(all, TIMINGS.START_LOST_MS - 1)).toEqual([]);
    expect(unproved(all, TIMINGS.START_LOST_MS)).toEqual(all);
    expect(unproved(claimed(all, "b").places, TIMINGS.START_LOST_MS)).toEqual(places);
    const elsewhere = places.map((place) => ({
      ...place,
      isThere: true as const,
      isElsewhere: true as const,
    }));
    expect(unproved(elsewhere, 0)).toEqual(elsewhere);
  });
});

test("at most one execution is admitted at any moment, and one that waits is next, in every order of requests", () => {
  const step = fc.record({
    kind: fc.constantFrom("enter" as const, "claim" as const, "leave" as const),
    id: fc.nat(12),
    on_busy: fc.constantFrom<OnBusy>("reject", "queue", "interrupt"),
  });
  const seen = new Set<Admission["kind"]>();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let places: Places = [];
      for (const { kind, id, on_busy } of steps) {
        const execution_id = `r${id}`;
        let admission: Admission | null = null;
        if (kind === "enter") ({ places, admission } = ask(places, execution_id, on_busy));
        else if (kind === "claim") ({ places, admission } = claimed(places, execution_id));
        else places = leave(places, execution_id);
        const running = places.filter(({ state }) => state === "running");
        expect(running.length).toBeLessThanOrEqual(1);
        if (admission?.kind === "admitted") expect(running[0]?.execution_id).toBe(execution_id);
        if (admission !== null) seen.add(admission.kind);
        // None waits for nothing.
        if (running.length === 0 && places.length > 0) expect(nextOf(places, [])).not.toBeNull();
      }
    }),
  );
  expect([...seen].toSorted()).toEqual(["admitted", "busy", "interrupts", "queued"]);
});
