// Random JSON with integers of any length goes through a run: an agent's answer, the log as records, its replay, the
// view, the list of events, a cached entry and the next agent's call have the digits that the agent sent.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRecords, encodeRecord } from "../../src/adapters/log/record.ts";
import { outcomeOf } from "../../src/adapters/agents/answer.ts";
import { parseAnswer } from "../../src/adapters/agents/native.ts";
import { entryText, readEntry } from "../../src/core/caching/cached-result.ts";
import { turnOf } from "../../src/core/monitoring/conversation-turn.ts";
import { replay } from "../../src/core/execution/evolve.ts";
import { wireJson } from "../../src/core/execution/log-event.ts";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { executionPieces } from "../../src/core/execution/view/view.ts";
import type { ExecutionDriver } from "../../src/engine/run/driver.ts";
import { eventListPieces, tracePieces } from "../../src/engine/watch/event-list.ts";
import { makeSpec, makeStage } from "../core/simulation/spec.ts";
import { Bench } from "./simulation/fair-weather.ts";

const digits = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.integer({ min: 1, max: 9 }),
    fc.oneof(fc.stringMatching(/^\d{16,40}$/), fc.stringMatching(/^\d{0,17}$/)),
  )
  .map(([sign, first, rest]) => `${sign}${first}${rest}`);
const leaf = fc.oneof(
  { weight: 4, arbitrary: digits },
  fc.constantFrom("0", "0.1", "-1.5", "true", "null", "9007199254740992", "1700000000000000"),
  fc
    .constantFrom("9007199254740993", '": 9007199254740993,"', "[1234567890123456789]")
    .map((s) => JSON.stringify(s)),
  fc.string().map((text) => JSON.stringify(text)),
);
const { text: value } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("text"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc.uniqueArray(tie("text"), { maxLength: 4 }).map(objectOf),
  ),
}));
const object = fc.array(value, { minLength: 1, maxLength: 5 }).map(objectOf);

/** An object of these values. Its keys do not look like numbers, which JavaScript would sort. */
function objectOf(values: readonly string[]): string {
  return `{${values.map((text, at) => `"${"abcde"[at]}":${text}`).join(",")}}`;
}

test("digits stay as the agent sent them", { timeout: 60_000 }, async () => {
  let exact = 0;
  await fc.assert(
    fc.asyncProperty(object, object, async (data, patch) => {
      const answers: Record<string, string> = {
        a: `{"data":${data},"context":${patch}}`,
        b: `{"data":{"last":${data}}}`,
      };
      const bench = new Bench(async ({ call }) => outcomeOf(parseAnswer(answers[call.stage] ?? "", 200)));
      const stages = [makeStage("a"), makeStage("b", { depends_on: ["a"] })];
      await (await bench.start(makeSpec(stages))).until();
      const events = bench.log;
      expect(events.at(-1)?.type).toBe("execution.completed");

      const call = JSON.stringify(bench.requests[1]?.call);
      expect(call).toContain(`"inputs":{"a":${data}}`);
      expect(call).toContain(`"context":${patch}`);

      // One record an event, and one of all: both are read as they were written.
      const before = viewOf(replay(events) as ExecutionState);
      expect(before).toContain(`"context_data":${patch},`);
      for (const chunks of [events.flatMap((event) => encodeRecord([event])), encodeRecord(events)]) {
        const stored = chunks.map(({ key, bytes }) => [key, bytes] as const);
        const read = [...decodeRecords(stored, 1)];
        expect(read.map(wireJson)).toEqual(events.map(wireJson));
        const state = replay(read) as ExecutionState;
        expect(viewOf(state)).toBe(before);
        expect(viewOf(state)).toContain(`"data":${data},`);
        expect(JSON.stringify(structuredClone(turnOf(state)))).toContain(`"answer":{"last":${data}}`);
        const log = { durableSeq: read.length, eventsAfter: (seq: number) => read.slice(seq) };
        const driver = log as unknown as ExecutionDriver;
        for (const pieces of [eventListPieces(driver, 0), tracePieces(driver, "ex")]) {
          const list = [...pieces].join("");
          expect(list).toContain(`"data":${data},`);
          expect(list).toContain(`"context_data":${patch},`);
        }
      }

      const outcome = outcomeOf(parseAnswer(answers["a"] ?? "", 200));
      if (!outcome.ok) throw new Error("the answer was refused");
      const result = { data: outcome.answer.data, bytes: outcome.bytes };
      const kept = readEntry(entryText({ result, at: 0, ttl_seconds: 1 }));
      expect(JSON.stringify(kept?.result.data)).toBe(data);
      if (/[[:,]-?\d{17}/.test(data)) exact += 1;
    }),
    { seed: 17, numRuns: 150 },
  );
  expect(exact).toBeGreaterThan(75);
});

function viewOf(state: ExecutionState): string {
  return [...iterable(executionPieces(state))].join("");
}

function iterable<T>(iterator: Iterator<T>): Iterable<T> {
  return { [Symbol.iterator]: () => iterator };
}
