// The demo's output in a terminal: a run view as lines, one per row. Pure: time, width and colours are parameters.
import type { RunView, StageView } from "../../client/index.ts";
import type { PipelineExecution } from "../../contract/execution.ts";
import { closing, type Source } from "./ending.ts";
import { howToAnswer } from "./how-to-answer.ts";
import { howToRaise } from "./how-to-raise.ts";
import { noteOf } from "./stage-note.ts";
import { clip, duration, wrap } from "./text.ts";

type Style = "bold" | "dim" | "green" | "red" | "yellow" | "cyan";
export type Paint = (style: Style, text: string) => string;

export interface View {
  /** Characters in a row. */
  columns: number;
  /** Ms since the epoch. */
  now: number;
  paint: Paint;
  /** Of the coordinator that is asked; without it no way to answer a question or to raise a budget is shown. */
  url?: string;
}

const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const SPINNER_STEP_MS = 80;
/** Lines longer than this are tiring to read. */
const TEXT_COLUMNS = 84;
const BAR_COLUMNS = 28;
const UNENDED: ReadonlySet<StageView["status"]> = new Set(["pending", "running", "waiting", "retrying"]);

export function spinner(now: number): string {
  return SPINNER[Math.floor(now / SPINNER_STEP_MS) % SPINNER.length] ?? "";
}

/** The stages as bars over one time axis, and beneath them the answer as far as it has come. */
export function runViewLines(runView: RunView | null, view: View): string[] {
  if (runView === null) return [];
  const answer = runView.answer?.text.trimEnd() ?? "";
  const stages = runView.stages.map((stage) => stageLine(stage, runView, view));
  const lines = answer === "" ? stages : [...stages, "", ...indented(answer, view)];
  const { url } = view;
  const how = url === undefined ? [] : [...howToRaise(runView, url), ...howToAnswer(runView, url)];
  return how.length === 0 ? lines : [...lines, "", ...how.flatMap((line) => indented(line, view))];
}

/** What stays on the screen after the end. */
export function endLines(
  runView: RunView | null,
  execution: PipelineExecution,
  sources: readonly Source[],
  view: View,
): string[] {
  const { paint } = view;
  const lines = runViewLines(runView, view);
  if (sources.length > 0) {
    lines.push("", `  ${paint("bold", "Sources")}`);
    for (const source of sources) {
      lines.push(...indented(`${source.mark} ${source.reference}`, view).map((line) => paint("dim", line)));
    }
  }
  const end = closing(execution);
  const good = execution.status === "completed";
  const [first = "", ...rest] = wrap(end.summary, textColumns(view) - 2);
  lines.push("", `  ${good ? paint("green", "✔") : paint("red", "✘")} ${paint("bold", first)}`);
  for (const line of rest) lines.push(`    ${paint("bold", line)}`);
  for (const detail of end.details) {
    for (const line of wrap(detail, textColumns(view) - 2)) lines.push(`    ${paint("dim", line)}`);
  }
  return [...lines, ""];
}

function stageLine(stage: StageView, runView: RunView, view: View): string {
  const { paint, now, columns } = view;
  const names = Math.max(...runView.stages.map(({ name }) => name.length));
  const time = stage.started_at === null ? "" : duration((stage.ended_at ?? now) - stage.started_at);
  const bar = columns >= names + BAR_COLUMNS + 24 ? `${barOf(stage, runView, view)}  ` : "";
  const used = 4 + names + 2 + (bar === "" ? 0 : BAR_COLUMNS + 2) + 9;
  const words = noteOf(stage);
  const note = words === "" ? "" : `  ${paint("dim", clip(words, columns - used - 2))}`;
  const name = stage.name.padEnd(names);
  const isIdle = stage.queue === null && (stage.status === "pending" || stage.status === "skipped");
  const shown = isIdle ? paint("dim", name) : name;
  return `  ${signOf(stage.queue === null ? stage.status : "waiting", view)} ${shown}  ${bar}${time.padStart(9)}${note}`;
}

function signOf(status: StageView["status"], { paint, now }: View): string {
  switch (status) {
    case "pending":
      return paint("dim", "○");
    case "waiting":
      return paint("yellow", "◔");
    case "running":
    case "retrying":
      return paint("cyan", spinner(now));
    case "completed":
      return paint("green", "✔");
    case "failed":
      return paint("red", "✘");
    case "skipped":
      return paint("dim", "–");
    case "cancelled":
      return paint("yellow", "■");
  }
}

/** When the stage ran, on an axis from the execution's start to its last moment so far. */
function barOf(stage: StageView, runView: RunView, { paint, now }: View): string {
  const ended = runView.stages.every((each) => !UNENDED.has(each.status));
  const last = Math.max(...runView.stages.map((each) => each.ended_at ?? 0));
  const scale = BAR_COLUMNS / Math.max(1, (ended ? last : now) - runView.started_at);
  const begun = stage.spans[0]?.from ?? stage.started_at;
  if (begun === null) return paint("dim", "·".repeat(BAR_COLUMNS));
  const columnOf = (at: number) => Math.floor((at - runView.started_at) * scale);
  const from = Math.min(BAR_COLUMNS - 1, columnOf(begun));
  const to = Math.round(((stage.ended_at ?? now) - runView.started_at) * scale);
  const length = Math.min(BAR_COLUMNS - from, Math.max(1, to - from));
  // Before its first try it has waited for its agent.
  const first = stage.started_at === null ? length : columnOf(stage.started_at) - from;
  const queued = Math.max(0, Math.min(length, first));
  const style =
    stage.status === "failed"
      ? "red"
      : stage.status === "waiting"
        ? "yellow"
        : UNENDED.has(stage.status)
          ? "cyan"
          : "green";
  return (
    paint("dim", "·".repeat(from)) +
    paint("yellow", "╌".repeat(queued)) +
    paint(style, "━".repeat(length - queued)) +
    paint("dim", "·".repeat(BAR_COLUMNS - from - length))
  );
}

function indented(text: string, view: View): string[] {
  return wrap(text, textColumns(view)).map((line) => `  ${line}`);
}

function textColumns({ columns }: View): number {
  return Math.max(20, Math.min(TEXT_COLUMNS, columns - 4));
}
