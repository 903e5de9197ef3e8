// Over random runs: a reader who can only append to a part, or take it back whole, ends with the text that our own reader
// has (src/client/fold-event.ts).
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { foldEvent } from "../../../src/client/fold-event.ts";
import type { RunView, StageView } from "../../../src/client/run-view.ts";
import { AnswerFold, answerText, type StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import { sizeOf } from "../../support/sizes.ts";
import { chatContent, messagesOf, PROTOCOLS, type Texts } from "./readers.ts";
import { eventsOf, NAMES, type RunScript, runScript, shapeOf } from "./random-run.ts";

const RUNS = sizeOf("DIALECT_RUNS");

/** What our own reader shows at the end, by stage; stages without a text are left out. */
function shown(events: readonly StreamEvent[]): Texts {
  let view: RunView | null = null;
  for (const event of events) view = foldEvent(view, event);
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

/** Of the stages that no other depends on. */
function answers(script: RunScript, texts: Texts): Texts {
  const depended = new Set(shapeOf(script).flatMap(({ depends_on }) => depends_on));
  return Object.fromEntries(Object.entries(texts).filter(([name]) => !depended.has(name)));
}

function check(script: RunScript): void {
  const events = eventsOf(script);
  const whole = shown(events);
  expect(read(events, true)).toEqual(whole);
  expect(read(events, false)).toEqual(answers(script, whole));
}

test(`readers of the operations end with the text of our own reader, in ${RUNS} runs`, {
  timeout: 1_800_000,
}, () => {
  fc.assert(fc.property(runScript, check), { numRuns: RUNS });
});

test.each(Object.entries(PROTOCOLS))("so do clients of %s", { timeout: 1_800_000 }, (_, protocol) => {
  const property = fc.property(runScript, (script) => {
    const events = eventsOf(script);
    const messages = messagesOf(protocol.encoder(), events);
    expect(protocol.read(messages)).toEqual(answers(script, shown(events)));
  });
  fc.assert(property, { numRuns: Math.ceil(RUNS / 8) });
});

test("a chat completion has each answer whole, as a paragraph", { timeout: 1_800_000 }, () => {
  const property = fc.property(runScript, (script) => {
    const events = eventsOf(script);
    const content = chatContent(events);
    const paragraphs = content.split("\n\n").filter((text) => text !== "");
    const texts = Object.values(answers(script, shown(events)));
    for (const text of texts) expect(paragraphs).toContain(text);
    const fold = new AnswerFold();
    const isVoid = events.flatMap((event) => fold.push(event)).some(({ type }) => type === "void");
    // What was said cannot be taken back.
    if (!isVoid) expect(paragraphs.toSorted()).toEqual(texts.toSorted());
  });
  fc.assert(property, { numRuns: Math.ceil(RUNS / 8) });
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
