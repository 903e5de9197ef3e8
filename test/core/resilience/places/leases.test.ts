import { describe, expect, test } from "vitest";
import { Leases } from "../../../../src/core/resilience/places/leases.ts";

const LEASE = { granted: 0, until: 1_000, stamp: 7, isolate: "i" };

function leasesOf(...holders: string[]): Leases {
  const leases = new Leases();
  for (const [at, holder] of holders.entries()) leases.add({ ...LEASE, id: at + 1, holder });
  return leases;
}

describe("leases", () => {
  test("end by themselves", () => {
    const leases = leasesOf("a", "b");
    expect(leases.inUse(999)).toBe(2);
    expect(leases.nextAt()).toBe(1_000);
    expect(leases.inUse(1_000)).toBe(0);
    expect(leases.of("a")).toBeUndefined();
    expect(leases.nextAt()).toBeNull();
  });

  test("are given back by their number, once", () => {
    const leases = leasesOf("a", "b");
    expect(leases.release(1)).toBe(1_000);
    expect(leases.release(1)).toBe(0);
    expect(leases.of("a")).toBeUndefined();
    expect(leases.inUse(0)).toBe(1);
  });

  test("of the same holder are distinguished by their number", () => {
    const leases = leasesOf("a");
    leases.release(1);
    leases.add({ ...LEASE, id: 9, holder: "a", until: 2_000 });
    leases.release(1);
    expect(leases.of("a")?.id).toBe(9);
  });

  test("of no holder are not mixed up", () => {
    const leases = leasesOf("", "");
    leases.release(1);
    expect(leases.inUse(0)).toBe(1);
    expect(leases.of("")).toBeUndefined();
  });

  test("go back with the clock, and survive in a row", () => {
    const before = leasesOf("a");
    before.shift(400);
    const leases = new Leases();
    leases.restore(structuredClone(before.stored()));
    expect(leases.of("a")).toEqual({ ...LEASE, id: 1, holder: "a", granted: -400, until: 600 });
  });
});
