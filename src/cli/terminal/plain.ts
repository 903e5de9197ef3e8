// The demo without a terminal: a line for each change, and the answer as it comes. What is written cannot be taken
// back, so a text that starts again is announced and written again.
import { foldEvent, type RunEvent, type RunView, type StageView } from "../../client/index.ts";
import { closing, endingOf } from "./ending.ts";
import { howToAnswer } from "./how-to-answer.ts";
import { howToRaise } from "./how-to-raise.ts";
import type { Output } from "./output.ts";
import { noteOf } from "./stage-note.ts";
import { duration, harmless } from "./text.ts";

export function plainOutput(write: (text: string) => void): Output {
  let view: RunView | null = null;
  /** The answer's text that is in the output already. */
  let written = "";
  let inLine = false;
  let url = "";

  const line = (text: string): void => {
    write(`${inLine ? "\n" : ""}${text}\n`);
    inLine = false;
  };
  const piece = (text: string): void => {
    if (text === "") return;
    write(harmless(text));
    inLine = !text.endsWith("\n");
  };
  const show = (text: string): void => {
    if (text.startsWith(written)) piece(text.slice(written.length));
    else {
      line("(the answer restarts)");
      piece(text);
    }
    written = text;
  };

  return {
    starting: (question) => line(`question: ${harmless(question)}`),
    started: (ms, at) => {
      url = at;
      line(`coordinator and agents started in ${duration(ms)}`);
    },
    queued: (question) => line(`queued: ${harmless(question)}`),
    next: (question) => {
      view = null;
      written = "";
      line("");
      line(`question: ${harmless(question)}`);
    },
    event: (event) => {
      const before = view;
      view = foldEvent(view, event);
      if (event.type === "stage.delta") {
        const { text } = view?.answer ?? { text: "" };
        if (written === "" && text !== "") line("");
        show(text);
        return;
      }
      for (const [place, stage] of (view?.stages ?? []).entries()) {
        const was = before?.stages[place];
        if (was === undefined || was === stage) continue;
        // An event of the execution touches every stage: only those that read differently have a line.
        const isItsOwn = event.stage === stage.name && !isPart(event);
        if (isItsOwn || (sentence(was) !== sentence(stage) && !isMinor(was, stage))) line(sentence(stage));
      }
      if (view !== null && event.type === "stage.waiting") {
        for (const text of howToAnswer(view, url)) line(harmless(text));
      }
      if (view !== null && event.type === "execution.paused") {
        for (const text of howToRaise(view, url)) line(harmless(text));
      }
    },
    ended: (execution) => {
      const { answer, sources } = endingOf(execution);
      if (answer !== null) show(answer);
      if (sources.length > 0) {
        line("");
        line("sources:");
        for (const { mark, reference } of sources) line(harmless(`${mark} ${reference}`));
      }
      const { summary, details } = closing(execution);
      line("");
      line(`${execution.status}: ${harmless(summary)}`);
      for (const detail of details) line(detail);
    },
    failed: (message) => line(harmless(message)),
    close: () => {},
  };
}

/** Of a stage that goes on: one of its items, or the end of an iteration that another one follows. */
function isPart(event: RunEvent): boolean {
  return event.item !== undefined || event.type === "stage.iterated";
}

/** Of many items a line for each would be too many: there is one for each tenth, and for each that fails. */
function isMinor({ items: before }: StageView, { items, status }: StageView): boolean {
  if (before === null || items === null || status !== "running" || before.total !== items.total) return false;
  const tenths = ({ completed, failed, total }: typeof items) =>
    Math.floor((10 * (completed + failed)) / total);
  return items.failed === before.failed && tenths(items) === tenths(before);
}

function sentence(stage: StageView): string {
  const { name, started_at, ended_at } = stage;
  // The note says that it waits for its next try.
  const status = stage.queue !== null ? "queued" : stage.status === "retrying" ? "running" : stage.status;
  const took = started_at === null || ended_at === null ? "" : ` in ${duration(ended_at - started_at)}`;
  const tries = status === "running" && stage.attempt > 1 ? `, try ${stage.attempt}` : "";
  const note = noteOf(stage);
  const separator = note === "" ? "" : note.startsWith("(") ? " " : ": ";
  return `${name} ${status}${took}${tries}${separator}${harmless(note)}`;
}
