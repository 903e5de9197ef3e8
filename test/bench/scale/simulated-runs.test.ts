// The simulation of bench:scale: the same load each time, spread as the coordinator's own clients spread it, and in
// virtual time, on a busy machine as on an idle one.
import { expect, test } from "vitest";
import { firstShards, shardsEver } from "../../../src/core/monitoring/shards.ts";
import { grow } from "./grown-shards.ts";
import { simulate } from "./simulated-runs.ts";

const PROFILE = { name: "", tenants: 2, rate: 20, seconds: 10, shards: firstShards(1) };
const RUNS_A_SECOND = PROFILE.tenants * PROFILE.rate;

test("gives the same load each time", async () => {
  expect(await simulate(PROFILE)).toEqual(await simulate(PROFILE));
});

test("reaches every kind of shared object, about as often a run at any rate", async () => {
  const aRun = async (rate: number) => {
    const kinds = await simulate({ ...PROFILE, rate });
    const of = (kind: string) => (kinds.find((at) => at.kind === kind)?.all ?? 0) / (PROFILE.tenants * rate);
    return { cache: of("result cache"), index: of("execution index") };
  };
  const [slow, fast] = [await aRun(20), await aRun(60)];
  expect(slow.cache).toBeGreaterThan(0.9);
  expect(slow.index).toBeGreaterThan(0.9);
  expect(fast.cache / slow.cache).toBeCloseTo(1, 0);
});

test("a shard is no hotter than all of its kind, nor cooler than its share", async () => {
  for (const { all, hottest, objects, share } of await simulate(PROFILE)) {
    expect(hottest).toBeGreaterThanOrEqual(Math.floor(all / objects));
    expect(hottest).toBeLessThanOrEqual(10 * RUNS_A_SECOND);
    expect(share).toBeGreaterThanOrEqual(1 / objects);
    expect(share).toBeLessThanOrEqual(1);
  }
});

const GB = 1e9;
const BOUNDS = { split: 6 * GB, most: 8 * GB, kept_ms: 7 * 86_400_000 };

test("a small tenant has one shard, and each load as many as keep their requests and their bytes within bounds", () => {
  const shardsOf = (requests: number, bytes: number) =>
    shardsEver(grow({ requests, bytes, days: 7, bounds: BOUNDS }).generations);
  expect(shardsOf(10, 100)).toBe(1);
  expect(shardsOf(140, 100)).toBe(1);
  expect(shardsOf(160, 100)).toBe(2);
  expect(shardsOf(2_000, 100)).toBe(16);
  // Twenty gigabytes in a week.
  const { generations, fullest } = grow({
    requests: 100,
    bytes: (20 * GB) / (7 * 86_400),
    days: 7,
    bounds: BOUNDS,
  });
  expect(shardsEver(generations)).toBe(8);
  expect(fullest).toBeLessThan(8 * GB);
});

test("shards that a tenant has had before are asked by few runs", async () => {
  const index = firstShards(1).index.concat({ generation: 2, shards: 16, from: 1 });
  const load = async (shards: typeof index) => {
    const kinds = await simulate({ ...PROFILE, rate: 100, shards: { ...PROFILE.shards, index: shards } });
    return kinds.find(({ kind }) => kind === "execution index");
  };
  const [split, whole] = [await load(index), await load(PROFILE.shards.index)];
  expect(split?.hottest ?? 0).toBeLessThan((whole?.hottest ?? 0) / 4);
});
