// What a terminal event repeats is stored once, and is read back with the bytes that readers were sent (I7).
import { describe, expect, test } from "vitest";
import { type Chunk, decodeRecords, encodeRecord } from "../../../../src/adapters/log/record.ts";
import { StorageLog } from "../../../../src/adapters/log/storage-log.ts";
import type { ResolvedStage } from "../../../../src/contract/stage.ts";
import { decide } from "../../../../src/core/execution/decide.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import { type LogEvent, wireJson } from "../../../../src/core/execution/log-event.ts";
import { repeatsIn } from "../../../../src/core/execution/log-format/repeats.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { LogCorrupted } from "../../../../src/engine/ports.ts";
import { Bench, BUSY, later, said } from "../../../engine/simulation/fair-weather.ts";
import { makeSpec, makeStage } from "../../simulation/spec.ts";

const TEXT = "a passage that is long enough to be noticed. ".repeat(40);

/** The events of a run as its driver made them, before any was stored. */
async function eventsOf(stages: ResolvedStage[], failing = ""): Promise<LogEvent[]> {
  const bench = new Bench(({ call }, _hooks, own) =>
    later(own, 5, call.stage === failing ? BUSY : said({ of: call.stage, text: TEXT })),
  );
  await bench.start(makeSpec(stages));
  const watcher = { sees_batches: true, callBegan: () => {}, wake: () => {} };
  bench.driver.watch(watcher);
  await bench.until();
  return [...bench.driver.eventsAfter(0)];
}

const stored = (chunks: readonly Chunk[]) => chunks.map(({ key, bytes }) => [key, bytes] as const);
const each = (events: readonly LogEvent[]) => events.flatMap((event) => encodeRecord([event]));
const repeatedIn = (events: readonly LogEvent[]) => repeatsIn(events.at(-1) as LogEvent);

const chain = [makeStage("first"), makeStage("second", { depends_on: ["first"] })];
const fan = [makeStage("left"), makeStage("right")];
const optional = [
  makeStage("extra", { required: false, retry_attempts: 1 }),
  makeStage("main", { retry_attempts: 1 }),
];

const cases: [string, ResolvedStage[], string, { stages: string[]; final: boolean; texts: number }][] = [
  ["a chain", chain, "", { stages: ["first", "second"], final: true, texts: 2 }],
  // The final result of several stages is an object of its own.
  ["several last stages", fan, "", { stages: ["left", "right"], final: false, texts: 4 }],
  ["a failed optional stage", optional, "extra", { stages: ["extra", "main"], final: false, texts: 2 }],
  ["a failed required stage", optional, "main", { stages: ["extra", "main"], final: false, texts: 1 }],
];

describe.each(cases)("%s", (_, stages, failing, expected) => {
  test("is read back byte for byte, one event a record or all in one", async () => {
    const events = await eventsOf(stages, failing);
    expect(Object.keys(repeatedIn(events)?.stages ?? {})).toEqual(expected.stages);
    expect(repeatedIn(events)?.final !== undefined).toBe(expected.final);
    for (const chunks of [each(events), encodeRecord(events)]) {
      const read = [...decodeRecords(stored(chunks), 1)];
      expect(read.map((event) => JSON.stringify(event))).toEqual(
        events.map((event) => JSON.stringify(event)),
      );
      expect(read.map(wireJson)).toEqual(events.map(wireJson));
    }
  });

  test("stores each stage's data once", async () => {
    const events = await eventsOf(stages, failing);
    const count = (text: string) => text.split(TEXT).length - 1;
    expect(count(new TextDecoder().decode(encodeRecord(events)[0]?.bytes))).toBe(expected.texts);
    expect(count(events.map(wireJson).join(""))).toBeGreaterThan(expected.texts);
  });
});

describe("a log", () => {
  const kept = new Map<string, Uint8Array>();
  let listings = 0;
  const kv = {
    put: (key: string, bytes: Uint8Array) => kept.set(key, bytes),
    // As the platform's: a listing that is not at its end is gone when another one begins.
    *list({ start = "", end = "~" }: { prefix: string; start?: string; end?: string }) {
      const own = (listings += 1);
      for (const entry of [...kept].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        if (own !== listings) throw new Error("another listing has begun");
        if (entry[0] >= start && entry[0] < end) yield entry;
      }
      if (own !== listings) throw new Error("another listing has begun");
    },
  };
  const storage = { kv, sync: () => Promise.resolve(), transactionSync: <T>(closure: () => T) => closure() };

  test("gives a reader of its last event alone the whole of it", async () => {
    const events = await eventsOf(chain);
    const writing = new StorageLog(storage);
    for (const event of events) writing.append([event]);
    const last = wireJson(events.at(-1) as LogEvent);
    const after = events.length - 1;
    // One log knows where its records begin, the other does not.
    for (const log of [writing, new StorageLog(storage)]) {
      expect([...log.read(after)].map(wireJson)).toEqual([last]);
      expect([...log.read(after)].map(wireJson)).toEqual([last]);
    }
  });

  test("is corrupt where it lacks what its terminal event repeats", async () => {
    const events = await eventsOf(chain);
    const last = events.at(-1) as LogEvent;
    const chunks = stored(encodeRecord([last]));
    expect(() => [...decodeRecords(chunks, last.seq)]).toThrow(LogCorrupted);
    const wrong = { earlier: () => events[0] };
    expect(() => [...decodeRecords(chunks, last.seq, wrong)]).toThrow(
      `event ${last.seq} repeats event 3, which is not the end of a stage`,
    );
  });

  test("of an earlier version that lacks a field of a result repeats nothing literally", async () => {
    const events = await eventsOf([makeStage("only")]);
    for (const { type, data } of events)
      if (type === "stage.completed") Reflect.deleteProperty(data, "cached");
    const before = events.slice(0, -1);
    const state = replay(before) as ExecutionState;
    const ended = decide(state, { type: "tick" }, state.updated_at + 1);
    expect(ended.events.at(-1)?.type).toBe("execution.completed");
    expect(repeatedIn(ended.events)).toBeUndefined();
    expect(JSON.parse(wireJson(ended.events.at(-1) as LogEvent)).data.stage_results.only.cached).toBe(false);
  });
});
