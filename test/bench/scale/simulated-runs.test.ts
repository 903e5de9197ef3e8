// The simulation of bench:scale: the same load each time, spread as the coordinator's own clients spread it, and in
// virtual time, on a busy machine as on an idle one.
import { expect, test } from "vitest";
import { simulate } from "./simulated-runs.ts";

const PROFILE = { name: "", tenants: 2, rate: 20, seconds: 10 };
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
