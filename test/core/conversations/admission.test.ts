import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OnBusy } from "../../../src/contract/config.ts";
import {
  type Admission,
  advance,
  enter,
  heldAt,
  leave,
  type Places,
} from "../../../src/core/conversations/admission.ts";

const LATER = 1_000;

function ask(places: Places, execution_id: string, on_busy: OnBusy, others: string[] = []) {
  return enter(places, others, { execution_id, on_busy, expires: LATER });
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

  test("queue: it waits behind the one before it, and runs when that has ended", () => {
    const second = ask(places, "b", "queue");
    expect(second.admission).toEqual({ kind: "queued", place: { behind: "a", position: 1 } });
    const third = ask(second.places, "c", "queue");
    expect(third.admission).toEqual({ kind: "queued", place: { behind: "b", position: 2 } });
    const left = leave(third.places, [], "a");
    expect(left.admitted).toBe("b");
    expect(leave(left.places, [], "b").admitted).toBe("c");
  });

  test("at most 10 wait", () => {
    let all = places;
    for (let at = 0; at < 10; at += 1) all = ask(all, `q${at}`, "queue").places;
    expect(ask(all, "one more", "queue").admission).toEqual({ kind: "busy", running: ["a"], limit: 10 });
  });

  test("interrupt: those that run are cancelled, and it runs when they have ended", () => {
    const queued = ask(places, "q", "queue").places;
    const { places: all, admission } = ask(queued, "b", "interrupt", ["p"]);
    expect(admission).toEqual({ kind: "interrupts", running: ["p", "a"] });
    const first = leave(all, ["p"], "a");
    expect(first.admitted).toBeNull();
    expect(leave(first.places, ["p"], "p").admitted).toBe("b");
  });

  test("an earlier question that interrupts and has not begun is superseded by a later one", () => {
    const first = ask(places, "b", "interrupt").places;
    const second = ask(first, "c", "interrupt").places;
    expect(leave(second, [], "a").admitted).toBe("c");
    expect(second.map(({ execution_id }) => execution_id)).not.toContain("b");
  });

  test("a request that is repeated gets the same answer", () => {
    const { places: all, admission } = ask(places, "b", "queue");
    expect(ask(all, "b", "queue")).toEqual({ places: all, admission });
  });

  test("a place is free when it expires", () => {
    const all = ask(places, "b", "queue").places.map((place) => ({
      ...place,
      expires: place.execution_id === "a" ? 10 : LATER,
    }));
    expect(advance(heldAt(all, 10), []).admitted).toBe("b");
    expect(advance(heldAt(all, 9), []).admitted).toBeNull();
  });
});

test("at most one execution is admitted at any moment, whoever comes and goes", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("enter" as const),
      id: fc.nat(12),
      on_busy: fc.constantFrom<OnBusy>("reject", "queue", "interrupt"),
    }),
    fc.record({ kind: fc.constant("leave" as const), id: fc.nat(12), on_busy: fc.constant<OnBusy>("queue") }),
  );
  let interrupted = 0;
  let queued = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let places: Places = [];
      for (const { kind, id, on_busy } of steps) {
        const execution_id = `r${id}`;
        let admission: Admission | null = null;
        if (kind === "enter") ({ places, admission } = ask(places, execution_id, on_busy));
        else ({ places } = leave(places, [], execution_id));
        const running = places.filter(({ state }) => state === "running");
        expect(running.length).toBeLessThanOrEqual(1);
        if (admission?.kind === "admitted") expect(running[0]?.execution_id).toBe(execution_id);
        if (admission?.kind === "interrupts") interrupted += 1;
        if (admission?.kind === "queued") queued += 1;
        // Nobody waits for nothing.
        if (running.length === 0) expect(places).toEqual([]);
      }
    }),
  );
  expect(interrupted).toBeGreaterThan(0);
  expect(queued).toBeGreaterThan(0);
});
