// The note beside a stage, in both outputs of the demo: what it does, what it asks, why it waits, or how it ended.
import type { StageQueue, StageView, StageWait } from "../../client/index.ts";
import { questionText } from "../../contract/question.ts";

/** The text beside a stage; may be empty. */
export function noteOf(stage: StageView): string {
  if (stage.status === "completed") return howCompleted(stage);
  const parts = [stage.status === "pending" ? "" : countsOf(stage), stateOf(stage)];
  return parts.filter((part) => part !== "").join(": ");
}

/** How far a stage is that maps a list or repeats: `3/10, 1 failed`, `iteration 2/5`. */
function countsOf({ items, iteration, definition }: StageView): string {
  if (items !== null) {
    const { total, completed, failed } = items;
    return `${completed + failed}/${total}${failed === 0 ? "" : `, ${failed} failed`}`;
  }
  if (iteration === null) return "";
  return `iteration ${iteration}${definition.repeat === undefined ? "" : `/${definition.repeat.max}`}`;
}

function stateOf(stage: StageView): string {
  const { note } = stage;
  if (stage.queue !== null) return queueOf(stage.queue);
  if (stage.wait !== null && note?.kind !== "progress") return questionOf(stage.wait);
  if (note === null) return stage.status === "failed" ? "failed" : "";
  switch (note.kind) {
    case "progress":
      return stage.fraction === null || stage.items !== null
        ? note.message
        : `${note.message} (${Math.round(stage.fraction * 100)} %)`;
    case "retry":
      return `retry in ${note.delay_ms} ms: ${note.message}`;
    case "fallback":
      return `fallback ${note.strategy}: ${note.message}`;
    case "skipped":
    case "failed":
    case "early":
      return note.message;
  }
}

/** Why the call is not made yet. */
function queueOf({ reason, until }: StageQueue): string {
  const waits = until === null ? "waits" : `waits until ${new Date(until).toLocaleTimeString("en-GB")}`;
  return reason === "retry_after"
    ? `${waits}: the agent asked for time (Retry-After)`
    : `${waits} for a place at its agent (${reason})`;
}

/** What a stage asks, in one line: its prompt's text, or the prompt as JSON. */
function questionOf({ reason, prompt }: StageWait): string {
  if (reason === "callback") return "its agent answers later";
  if (reason === "execution") return "its execution waits";
  const asked = questionText(prompt);
  return asked === "" ? "asks for an answer" : `asks: ${asked}`;
}

/** What a reader should know of a result that is not the agent's first answer; empty for one that is. */
function howCompleted({ attempt, result, items, iteration }: StageView): string {
  const failed = items === null || items.failed === 0 ? "" : `, ${items.failed} failed`;
  const ways = [
    ...(items === null ? [] : [`${items.total} ${items.total === 1 ? "item" : "items"}${failed}`]),
    ...(iteration === null || iteration === 1 ? [] : [`${iteration} iterations`]),
    ...(result?.reused_from == null ? [] : ["taken over"]),
    ...(result?.cached === true ? ["from the cache"] : []),
    ...(attempt > 1 && items === null ? [`${attempt} tries`] : []),
    ...(result?.answered_by == null ? [] : [`answered by ${result.answered_by}`]),
    ...(result?.fallback == null ? [] : [`fallback ${result.fallback.strategy}`]),
  ];
  return ways.length === 0 ? "" : `(${ways.join(", ")})`;
}
