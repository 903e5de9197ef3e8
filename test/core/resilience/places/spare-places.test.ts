import { describe, expect, test } from "vitest";
import { Demand, type Held, SparePlaces } from "../../../../src/core/resilience/places/spare-places.ts";

const held = (id: number, fields: Partial<Held> = {}): Held => ({
  id,
  leased: true,
  rated: true,
  granted: 0,
  until: 1_000,
  use_by: 250,
  isAnyones: true,
  ...fields,
});
const BOTH = { leased: true, rated: true };

describe("spare places", () => {
  test("are used once", () => {
    const spares = new SparePlaces();
    spares.add(held(1));
    expect(spares.take(BOTH, 100, 0)).toMatchObject({ lease: { id: 1 }, pass: { id: 1 } });
    expect(spares.take(BOTH, 100, 0)).toBeNull();
  });

  test("are of no use to a call that would take longer than the lease", () => {
    const spares = new SparePlaces();
    spares.add(held(1));
    expect(spares.take(BOTH, 801, 200)).toBeNull();
    expect(spares.take(BOTH, 800, 200)).not.toBeNull();
  });

  test("have no pass after its time", () => {
    const spares = new SparePlaces();
    spares.add(held(1));
    expect(spares.take(BOTH, 100, 251)).toBeNull();
    spares.add(held(2, { leased: false, use_by: 300 }));
    expect(spares.take(BOTH, 100, 251)).toMatchObject({ lease: { id: 1 }, pass: { id: 2 } });
  });

  test("consist of what the agent limits", () => {
    const spares = new SparePlaces();
    spares.add(held(1, { rated: false }));
    expect(spares.take(BOTH, 100, 0)).toBeNull();
    expect(spares.take({ leased: true, rated: false }, 100, 0)).toMatchObject({ pass: null });
    spares.add(held(2, { leased: false }));
    expect(spares.take({ leased: false, rated: true }, 100, 0)).toMatchObject({ lease: null });
  });

  test("are given back by those that are unused alone", () => {
    const spares = new SparePlaces();
    const [used, unused] = [held(1), held(2)];
    spares.add(used);
    spares.add(unused);
    spares.take(BOTH, 100, 0);
    expect(spares.removeLease(used)).toBe(false);
    expect(spares.removeLease(unused)).toBe(true);
    spares.addLease(used);
    expect(spares.empty()).toEqual([used]);
    expect(spares.take({ leased: true, rated: false }, 100, 0)).toBeNull();
  });
});

test("demand is high with two calls in a tenth of a second, and is forgotten after two", () => {
  const demand = new Demand();
  demand.add(1_000);
  expect(demand.high(1_000)).toBe(0);
  demand.add(1_050);
  demand.add(1_060);
  expect(demand.high(1_060)).toBe(3);
  expect(demand.high(1_150)).toBe(3);
  expect(demand.high(1_250)).toBe(0);
});
