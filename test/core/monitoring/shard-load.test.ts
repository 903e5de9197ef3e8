// What a shard asks for: by the requests that it gets, and by the bytes that it holds.
import { expect, test } from "vitest";
import { ShardLoad } from "../../../src/core/monitoring/shard-load.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const { SHARDS_MOST, SHARD_RATE, SHARD_RATE_MS } = TIMINGS;
const NOW = 1_000_000;
const GB = 1_000_000_000;
const DAY_MS = 86_400_000;

/** A shard with so many requests in each second; what it has asked for, by second. */
function loaded(load: ShardLoad, rates: readonly number[], size: (second: number) => number, start = NOW) {
  const asked: [second: number, from: number, to: number][] = [];
  for (const [second, rate] of rates.entries()) {
    for (let at = 0; at < rate; at += 1) {
      const now = start + second * 1_000 + Math.floor((at * 1_000) / rate);
      if (!load.note(now)) continue;
      const wanted = load.wanted(now, size(second));
      if (wanted !== null) asked.push([second, wanted.from, wanted.to]);
    }
  }
  return asked;
}

const BYTES = { split: 6 * GB, most: 8 * GB, kept_ms: 7 * DAY_MS };

function shardOf(shards: number): ShardLoad {
  const load = new ShardLoad(BYTES, null);
  load.begun(shards, NOW, () => 0);
  return load;
}

const seconds = (rate: number, count: number) => Array.from({ length: count }, () => rate);

test("a shard asks for twice as many before 200 requests a second, once they have lasted", () => {
  expect(SHARD_RATE).toBeLessThan(200);
  expect(loaded(shardOf(4), seconds(SHARD_RATE, 12), () => 0)).toEqual([[SHARD_RATE_MS / 1_000, 4, 8]]);
  expect(loaded(shardOf(4), seconds(SHARD_RATE - 1, 30), () => 0)).toEqual([]);
  // A moment of many is no rate.
  expect(loaded(shardOf(4), [SHARD_RATE * 9, ...seconds(1, 20)], () => 0)).toEqual([]);
});

test("a shard far beyond the bound asks for as many as bring it below at once", () => {
  expect(loaded(shardOf(1), seconds(SHARD_RATE * 5, 11), () => 0)).toEqual([[10, 1, 8]]);
});

test("the first run of a later generation begins the count anew: its requests are fewer now", () => {
  const load = shardOf(1);
  expect(loaded(load, seconds(SHARD_RATE * 1.5, 11), () => 0)).toHaveLength(1);
  load.begun(2, NOW + 15_000, () => 0);
  expect(loaded(load, seconds(SHARD_RATE * 0.75, 30), () => 0, NOW + 15_000)).toEqual([]);
  // A run of the generation before does not, and what it asks for is more than the later one has.
  load.begun(1, NOW + 45_000, () => 0);
  expect(loaded(load, seconds(SHARD_RATE, 11), () => 0, NOW + 45_000)).toEqual([[10, 2, 4]]);
});

test("a shard that has no more to ask for does not ask", () => {
  expect(loaded(shardOf(SHARDS_MOST), seconds(2 * SHARD_RATE, 30), () => 7 * GB)).toEqual([]);
});

/** The size of a shard that gets so many bytes a day, hour by hour, and what it has asked for. */
function filled(bytes: number, days: number, start = 0) {
  const load = shardOf(1);
  const added: number[] = [];
  const asked: number[] = [];
  let size = start;
  let shards = 1;
  for (let hour = 0; hour < days * 24; hour += 1) {
    added.push(bytes / 24 / shards);
    // What expires makes room for what comes.
    size += (added[hour] ?? 0) - (added[hour - 7 * 24] ?? 0);
    const [wanted] = loaded(load, [1], () => size, NOW + hour * 3_600_000);
    if (wanted === undefined) continue;
    asked.push(wanted[2]);
    shards = wanted[2];
    load.begun(shards, NOW + hour * 3_600_000 + 1, () => size);
  }
  return { asked, size };
}

test("a shard that will not hold what is kept asks while it has room, for as many as it takes", () => {
  expect(filled(0.8 * GB, 21).asked).toEqual([]);
  expect(filled(2 * GB, 21).asked).toEqual([4]);
  const busy = filled(30 * GB, 21);
  expect(busy.asked).toEqual([64]);
  expect(busy.size).toBeLessThan(8 * GB);
});

test("a shard that is opened near its bound asks at 6 GB, and again at half of what was left, while it is not seen to grow", () => {
  let size = 5.9 * GB;
  let shards = 1;
  const asked: number[] = [];
  const load = shardOf(1);
  for (let hour = 0; hour < 7 * 24; hour += 1) {
    size += (0.04 * GB) / shards;
    const [wanted] = loaded(load, [1], () => size, NOW + hour * 3_600_000);
    if (wanted === undefined) continue;
    asked.push(size / GB);
    shards = wanted[2];
    load.begun(shards, NOW + hour * 3_600_000 + 1, () => size);
  }
  expect(asked.length).toBeGreaterThan(2);
  expect(size / GB).toBeLessThan(8);
  expect(asked[0]).toBeGreaterThanOrEqual(6);
  expect(asked).toEqual(asked.toSorted((a, b) => a - b));
});

test("a shard that has seen a split near the bound does not ask for the next one at once, nor after an eviction", () => {
  const load = shardOf(1);
  load.begun(2, NOW, () => 5.9 * GB);
  expect(load.splitBytes).toBe(6.95 * GB);
  const reopened = new ShardLoad(BYTES, load.splitBytes);
  reopened.begun(2, NOW, () => 6 * GB);
  expect(loaded(reopened, [1, 1], () => 6.5 * GB)).toEqual([]);
  expect(loaded(reopened, [1, 1], () => 7 * GB, NOW + 5_000)).toEqual([[0, 2, 4]]);
});
