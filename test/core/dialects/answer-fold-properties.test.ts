// Over random runs: a reader who can only append to a part, or take it back whole, ends with the text that our own reader
// has (src/client/fold-event.ts).
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { foldEvent } from "../../../src/client/fold-event.ts";
import type { RunEvent, RunView, StageView } from "../../../src/client/run-view.ts";
import { AnswerFold, answerText, type StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import { sizeOf } from "../../support/sizes.ts";
import { eventsOf, NAMES, type RunScript, runScript, shapeOf } from "./random-run.ts";

const RUNS = sizeOf("DIALECT_RUNS");

type Texts = Record<string, string>;

/** What our own reader shows at the end, by stage; stages without a text are left out. */
function shown(events: readonly StreamEvent[]): Texts {
  let view: RunView | null = null;
  for (const event of events) view = foldEvent(view, event as RunEvent);
  const texts = (view?.stages ?? []).map((stage) => [stage.name, textOf(stage)] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== ""));
}

function textOf({ status, text, result }: StageView): string {
  if (status === "failed") return "";
  // What was said is the beginning of the result, or stays beside it.
  const answer = answerText(result?.data);
  return status === "completed" && answer.startsWith(text) ? answer : text;
}

/** What a reader of the operations ends with, who does no more than these say. */
function read(events: readonly StreamEvent[], allStages: boolean): Texts {
  const fold = new AnswerFold({ allStages });
  const open = new Map<object, string>();
  const texts: Texts = {};
  const calls = new Set<string>();
  for (const event of events) {
    for (const operation of fold.push(event)) {
      const { part, type } = operation;
      const { stage, call } = part;
      if (type === "open") {
        expect(calls).not.toContain(`${stage}.${call}`);
        calls.add(`${stage}.${call}`);
        open.set(part, "");
        continue;
      }
      const text = open.get(part);
      expect(text).toBeDefined();
      if (type === "append") open.set(part, text + operation.text);
      else open.delete(part);
      if (type === "append") expect(part.text).toBe(open.get(part));
      if (type === "close") texts[stage] = text as string;
    }
  }
  expect(open.size).toBe(0);
  return texts;
}

function check(script: RunScript): void {
  const events = eventsOf(script);
  const whole = shown(events);
  expect(read(events, true)).toEqual(whole);
  const depended = new Set(shapeOf(script).flatMap(({ depends_on }) => depends_on));
  const answers = Object.entries(whole).filter(([name]) => !depended.has(name));
  expect(read(events, false)).toEqual(Object.fromEntries(answers));
}

test(`readers of the operations end with the text of our own reader, in ${RUNS} runs`, {
  timeout: 1_800_000,
}, () => {
  fc.assert(fc.property(runScript, check), { numRuns: RUNS });
});

test("the runs take every turn that they are there for", () => {
  const events = fc.sample(runScript, { numRuns: 500, seed: 1 }).map(eventsOf);
  const all = events.flat();
  const types = new Set(all.map(({ type }) => type));
  for (const type of ["retrying", "fallback", "completed", "failed", "cancelled", "delta"]) {
    expect(types).toContain(`stage.${type}`);
  }
  expect(new Set(all.map(({ stage }) => stage))).toEqual(new Set([undefined, ...NAMES]));
  const operations = events.flatMap((run) => {
    const fold = new AnswerFold();
    return run.flatMap((event) => fold.push(event));
  });
  expect(operations.filter(({ type }) => type === "void").length).toBeGreaterThan(20);
  expect(operations.filter(({ part }) => part.call.includes(".")).length).toBeGreaterThan(20);
});
