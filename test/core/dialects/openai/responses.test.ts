// A reader of a Response who goes on after any of its events, over random runs: it ends with the text that a reader has who
// was there from the beginning. What it cannot know is that a text was taken back, within one call, while it was away.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { foldEvent } from "../../../../src/client/fold-event.ts";
import type { RunView } from "../../../../src/client/run-view.ts";
import { AnswerFold, type StreamEvent } from "../../../../src/core/dialects/answer-fold.ts";
import { ResponsesEncoder } from "../../../../src/core/dialects/openai/responses.ts";
import { sizeOf } from "../../../support/sizes.ts";
import { type RunScript, runScript, stepsOf } from "../random-run.ts";
import { type Message, messagesOf, RESPONSE } from "../readers.ts";

/** The items that were completed, by stage, as their deltas left them. */
function read(stream: readonly Message[], completed: ReadonlySet<string>): Record<string, string> {
  const texts = new Map<string, string>();
  const ended: Record<string, string> = {};
  for (const { type, item_id, item, delta } of stream) {
    if (type === "response.output_item.added") texts.set(item.id, "");
    if (type === "response.output_text.delta") {
      expect(texts.has(item_id)).toBe(true);
      texts.set(item_id, texts.get(item_id) + delta);
    }
    if (type !== "response.output_item.done" || item.status !== "completed") continue;
    // What a stage had said when it was cancelled is not kept for those who come later.
    const stage = stageOf(item.id);
    if (completed.has(stage)) ended[stage] = texts.get(item.id) ?? "";
  }
  return ended;
}

const stageOf = (item: string) => /s\d/.exec(item)?.[0] ?? "";

interface Leave {
  script: RunScript;
  /** The reader leaves after so many steps, before so many messages of the last one, where that is more text. */
  left: number;
  drops: number;
  /** It is away for so many steps. */
  away: number;
}

const leave: fc.Arbitrary<Leave> = fc.record({
  script: runScript,
  left: fc.nat(40),
  drops: fc.nat(3),
  away: fc.nat(20),
});

/** What such a reader has had when it leaves, and what it is sent afterwards. */
function halves({ script, left, drops, away }: Leave) {
  const at = Math.min(left, script.steps.length);
  const steps = script.steps.map((step, index) =>
    index >= at && step.kind === "cut" ? { ...step, kind: "write" as const } : step,
  );
  const before = stepsOf({ ...script, steps, joins: 0 }).slice(0, at + 1);
  fc.pre(isWhole(before.flat()));
  const encoder = new ResponsesEncoder(RESPONSE);
  const seen = before.map((events) => messagesOf(encoder, events));
  const last = seen.at(-1) ?? [];
  const kept = script.steps[at - 1]?.kind === "write" ? Math.max(0, last.length - drops) : last.length;
  const had = [...seen.slice(0, -1).flat(), ...last.slice(0, kept)];
  const joins = Math.max(1, Math.min(at + away, steps.length));
  const after = had.at(-1)?.sequence_number ?? -1;
  const events = stepsOf({ ...script, steps, joins }).flat();
  const completed = new Set(
    events.flatMap((event) => (event.type === "stage.completed" ? [event.stage] : [])),
  );
  return { had, rest: messagesOf(new ResponsesEncoder(RESPONSE, after), events), completed };
}

/** Whether readers have seen all that was taken back: it is shown with what is said next. */
function isWhole(events: readonly StreamEvent[]): boolean {
  const fold = new AnswerFold();
  let view: RunView | null = null;
  for (const event of events) {
    fold.push(event);
    view = foldEvent(view, event);
  }
  const texts = new Map(view?.stages.map(({ name, text }) => [name, text]));
  return fold.open.every(({ stage, text }) => texts.get(stage) === text);
}

const RUNS = sizeOf("DIALECT_RUNS");

test(`a reader who goes on misses nothing, in ${RUNS} runs`, { timeout: 1_800_000 }, () => {
  const property = fc.property(leave, (reader) => {
    const { had, rest, completed } = halves(reader);
    const whole = Object.fromEntries(
      [...had, ...rest].flatMap(({ type, item_id, text }) => {
        const stage = stageOf(String(item_id));
        return type === "response.output_text.done" && completed.has(stage) ? [[stage, text]] : [];
      }),
    );
    const numbers = [...had, ...rest].map(({ sequence_number }) => sequence_number);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(read([...had, ...rest], completed)).toEqual(whole);
  });
  fc.assert(property, { numRuns: RUNS });
});
