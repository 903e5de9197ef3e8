// The fold of a run's events, live or replayed, into its view. The console and the demo both use it, so that a reload, a
// second window and a terminal agree. Pure.
import type { EventOf, StageDelta, StageProgress } from "../contract/event.ts";
import type { StageResult } from "../contract/stage.ts";
import { addUsage } from "../contract/usage.ts";
import { begin, closed, end, pause, resume, settled } from "./fold-run.ts";
import type {
  LoggedEvent,
  RunEvent,
  RunView,
  StageNote,
  StageQueue,
  StageSpan,
  StageView,
} from "./run-view.ts";

/**
 * Folds one event into the view of its run. Pure: it returns another view, or the same one where nothing changes.
 *
 * An event whose `seq` was folded before changes nothing, and neither does a delta or a progress of an attempt that is
 * over, so a replay from any cursor is safe. Event types that this version does not know leave the view as it is and
 * move its cursor; fields that it does not know are not read.
 *
 * @param view the view before the event; null before the first one
 * @param event as `stream` gives it, or as it is on the wire
 * @returns the view after the event; null as long as there was neither `execution.queued` nor
 * `execution.started`. Nothing is thrown
 * @example
 * let view: RunView | null = null;
 * for await (const update of client.stream(execution_id)) {
 *   view = foldEvent(view, update);
 *   for (const { name, status, attempt } of view?.stages ?? []) console.log(name, status, attempt);
 * }
 */
export function foldEvent(view: RunView, event: RunEvent): RunView;
export function foldEvent(view: RunView | null, event: RunEvent): RunView | null;
export function foldEvent(view: RunView | null, event: RunEvent): RunView | null {
  if (view === null) return isFirst(event) ? begin(event) : null;
  switch (event.type) {
    case "stage.delta":
      return write(view, event);
    case "stage.progress":
      return progress(view, event);
    default:
      return event.seq <= view.seq ? view : settled(foldLogged(view, event));
  }
}

function foldLogged(before: RunView, event: LoggedEvent): RunView {
  const at = Date.parse(event.timestamp);
  const view = { ...before, events: [...before.events, event], seq: event.seq };
  const { type, item } = event;
  if (item !== undefined) return change(view, event.stage, (stage) => count(stage, type, item));
  switch (event.type) {
    case "execution.queued":
    case "execution.started":
      // A run that was queued begins: as in its execution, the time in the queue is a part of its own.
      return { ...begin(event), events: view.events, started_at: view.started_at };
    case "execution.paused":
      return pause(view, at, event.data);
    case "execution.resumed":
      return resume(view, at);
    case "execution.recovered":
      return view;
    case "execution.completed":
    case "execution.failed":
    case "execution.cancelled":
      return end(view, at, event.data);
    case "stage.queued":
      return change(view, event.stage, (stage) => queue(stage, at, event));
    case "stage.started":
      return change(view, event.stage, (stage) => begun(start(stage, at, event.attempt), event.data));
    case "stage.iterated":
      return change(view, event.stage, (stage) => ({
        ...stage,
        wait: null,
        spans: closed(stage.spans, at, "completed"),
      }));
    case "stage.waiting":
      return change(view, event.stage, (stage) => ask(stage, at, event));
    case "stage.signalled":
      return change(view, event.stage, (stage) =>
        event.status === "waiting" ? reply(stage, at, event.data) : signal(stage, event.data),
      );
    case "stage.retrying":
      return change(view, event.stage, (stage) => retry(stage, at, event.data));
    case "stage.fallback": {
      const { strategy, reason } = event.data;
      return change(view, event.stage, (stage) => ({
        ...stage,
        status: "running",
        started_at: stage.started_at ?? at,
        retry_at: null,
        wait: null,
        queue: null,
        fallback: strategy,
        note: { kind: "fallback", message: reason, strategy },
        spans: closed(stage.spans, at, "failed"),
      }));
    }
    case "stage.skipped": {
      const note: StageNote = { kind: "skipped", message: event.data.reason };
      return change(view, event.stage, (stage) => ({
        ...stage,
        status: "skipped",
        // One that has asked was skipped because nothing answered.
        ended_at: stage.started_at === null ? null : at,
        wait: null,
        queue: null,
        note,
        spans: closed(stage.spans, at, "failed"),
      }));
    }
    case "stage.cancelled":
      return change(view, event.stage, (stage) => ({
        ...stage,
        status: "cancelled",
        ended_at: at,
        retry_at: null,
        wait: null,
        queue: null,
        spans: closed(stage.spans, at, "cancelled"),
      }));
    case "stage.completed":
    case "stage.failed":
      return change(withUsage(view, event.data), event.stage, (stage) => finish(stage, at, event.data));
    default:
      return passOver(before, event);
  }
}

/** @param event of a later version: `never` makes the compiler ask for an arm for each type that this one knows */
function passOver(view: RunView, event: never): RunView {
  const { seq } = event as { seq?: unknown };
  return typeof seq === "number" && seq > view.seq ? { ...view, seq } : view;
}

function isFirst(event: RunEvent): event is EventOf<"execution.queued" | "execution.started"> {
  return event.type === "execution.queued" || event.type === "execution.started";
}

/** The rule of deltas: a new attempt empties the text; then it is cut at the offset and appended to. */
function write(view: RunView, event: StageDelta & { text?: string }): RunView {
  const { stage: name, item, attempt, data } = event;
  if (item !== undefined) return view;
  const stage = view.stages.find((each) => each.name === name);
  if (stage === undefined || isLate(stage, attempt)) return view;
  const text = event.text ?? stage.text.slice(0, data.offset) + data.partial_answer;
  return { ...change(view, name, () => ({ ...stage, text })), answer: { stage: name, attempt, text } };
}

function progress(view: RunView, { stage: name, item, attempt, data }: StageProgress): RunView {
  const { message, fraction = null } = data;
  // The stage's own fraction is that of its items.
  if (item !== undefined) {
    const note = { kind: "progress" as const, message: `item ${item}: ${message}` };
    return change(view, name, (stage) => (stage.items === null ? stage : { ...stage, note }));
  }
  return change(view, name, (stage) =>
    isLate(stage, attempt) ? stage : { ...stage, note: { kind: "progress", message }, fraction },
  );
}

/** Deltas and progress have no `seq`: what a replay brings of an attempt that is over is known by the attempt. */
function isLate({ status, attempt: current }: StageView, attempt: number): boolean {
  // An agent that answers later writes while its stage waits.
  return attempt < current || (status !== "running" && status !== "waiting");
}

/** Its call waits for the agent: once more, where it has waited already. */
function queue(stage: StageView, at: number, { attempt, data }: EventOf<"stage.queued">): StageView {
  const { reason, until } = data;
  const waits: StageQueue = {
    reason,
    until: until === undefined ? null : Date.parse(until),
    since: stage.queue?.since ?? at,
  };
  const span: StageSpan = { kind: "queued", attempt, from: at, to: null, outcome: "running", reason };
  const goesOn = stage.queue?.reason === reason;
  const spans = goesOn ? stage.spans : [...closed(stage.spans, at, "cancelled"), span];
  return { ...stage, status: "pending", retry_at: null, wait: null, queue: waits, spans };
}

function start(stage: StageView, at: number, attempt: number): StageView {
  const span: StageSpan = { kind: "try", attempt, from: at, to: null, outcome: "running" };
  return {
    ...stage,
    status: "running",
    attempt,
    started_at: stage.started_at ?? at,
    retry_at: null,
    wait: null,
    queue: null,
    fraction: null,
    note: null,
    text: "",
    // A try without an end was interrupted, by a crash of the coordinator or a pause.
    spans: [...closed(stage.spans, at, "cancelled"), span],
  };
}

/** What is known of the items and the iteration of a stage that has started. */
function begun(stage: StageView, data: EventOf<"stage.started">["data"]): StageView {
  const { items, iteration, child_execution_id } = data;
  return {
    ...stage,
    child_execution_id: child_execution_id ?? stage.child_execution_id,
    items: items === undefined ? stage.items : { total: items, completed: 0, failed: 0, open: [] },
    iteration: iteration ?? stage.iteration,
  };
}

/** An event of one item. */
function count(stage: StageView, type: LoggedEvent["type"], item: number): StageView {
  const { items } = stage;
  if (items === null) return stage;
  const others = items.open.filter((other) => other !== item);
  if (type === "stage.started") return { ...stage, items: { ...items, open: [...others, item] } };
  if (type === "stage.cancelled") return { ...stage, items: { ...items, open: others } };
  if (type !== "stage.completed" && type !== "stage.failed") return stage;
  const completed = items.completed + (type === "stage.completed" ? 1 : 0);
  const failed = items.failed + (type === "stage.failed" ? 1 : 0);
  const fraction = (completed + failed) / items.total;
  return { ...stage, items: { ...items, completed, failed, open: others }, fraction };
}

/** The stage asks its question, or its agent has answered 202: the try is over as far as the coordinator calls it. */
function ask(stage: StageView, at: number, { attempt, data }: EventOf<"stage.waiting">): StageView {
  const isQuestion = data.reason === "wait";
  return {
    ...stage,
    status: "waiting",
    attempt,
    started_at: stage.started_at ?? at,
    wait: {
      reason: data.reason,
      prompt: isQuestion ? data.prompt : {},
      schema: isQuestion ? data.schema : null,
      expires_at: Date.parse(data.expires_at),
    },
    note: isQuestion ? null : stage.note,
    spans: [
      ...closed(stage.spans, at, "completed"),
      { kind: "outside", attempt, from: at, to: null, outcome: "running" },
    ],
  };
}

/** An answer that came before its question, or a sign of life of an agent that answers later. */
function signal(stage: StageView, data: EventOf<"stage.signalled">["data"]): StageView {
  if (data.signal === "heartbeat") {
    const { wait } = stage;
    return wait === null ? stage : { ...stage, wait: { ...wait, expires_at: Date.parse(data.expires_at) } };
  }
  if (data.signal === "continue") return stage;
  const what = data.signal === "fail" ? "rejected" : "answered";
  return { ...stage, note: { kind: "early", message: `${what} before it asks, by ${data.answered_by}` } };
}

/** The answer to what an agent has asked, which is called again; or a sign of life. */
function reply(stage: StageView, at: number, data: EventOf<"stage.signalled">["data"]): StageView {
  if (data.signal === "heartbeat") return signal(stage, data);
  const note: StageNote | null =
    data.signal === "continue" ? null : { kind: "early", message: `answered by ${data.answered_by}` };
  return { ...stage, status: "pending", wait: null, note, spans: closed(stage.spans, at, "completed") };
}

function retry(stage: StageView, at: number, data: EventOf<"stage.retrying">["data"]): StageView {
  const { delay_ms, next_attempt, error } = data;
  const retry_at = at + delay_ms;
  const wait: StageSpan = {
    kind: "wait",
    attempt: next_attempt,
    from: at,
    to: retry_at,
    outcome: "running",
  };
  return {
    ...stage,
    status: "retrying",
    retry_at,
    wait: null,
    queue: null,
    note: { kind: "retry", message: error.message, delay_ms },
    spans: [...closed(stage.spans, at, "failed"), wait],
  };
}

/** What the calls of a stage have used is known at its end. */
function withUsage(view: RunView, { usage, reused_from }: StageResult): RunView {
  // The calls of a result that is taken over are another run's.
  return usage == null || reused_from != null ? view : { ...view, usage: addUsage(view.usage, usage) };
}

function finish(stage: StageView, at: number, result: StageResult): StageView {
  const failed = result.status === "failed";
  return {
    ...stage,
    status: result.status,
    attempt: result.attempts,
    ended_at: at,
    retry_at: null,
    wait: null,
    queue: null,
    fraction: null,
    fallback: result.fallback?.strategy ?? stage.fallback,
    note: failed && result.error !== null ? { kind: "failed", message: result.error.message } : null,
    result,
    spans: closed(stage.spans, at, failed ? "failed" : "completed"),
  };
}

function change(view: RunView, name: string, by: (stage: StageView) => StageView): RunView {
  const stages = view.stages.map((stage) => (stage.name === name ? by(stage) : stage));
  return stages.every((stage, place) => stage === view.stages[place]) ? view : { ...view, stages };
}
