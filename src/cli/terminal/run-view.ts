// What the demo knows of an execution so far: the fold of its events, for both outputs. Pure; times are the events'
// own, in ms since the epoch.
import type { StageStatus } from "../../contract/stage.ts";
import type { AnyEvent } from "../ask.ts";

export interface StageStory {
  name: string;
  status: StageStatus;
  /** Tries begun. */
  attempt: number;
  started_at: number | null;
  ended_at: number | null;
  /** What it is doing, why it waits, or why it ended so. */
  note: string;
}

export interface Story {
  started_at: number;
  stages: readonly StageStory[];
  /** The text that streams, and which try of which stage writes it. */
  answer: { stage: string; attempt: number; text: string };
}

export const BEGINNING: Story = { started_at: 0, stages: [], answer: { stage: "", attempt: 0, text: "" } };

export function tell(story: Story, event: AnyEvent): Story {
  const at = "timestamp" in event ? Date.parse(event.timestamp) : 0;
  switch (event.type) {
    case "execution.started":
      return { ...BEGINNING, started_at: at, stages: stageNames(event.data).map(waiting) };
    case "stage.started":
      return change(story, event.stage, (stage) => ({
        ...stage,
        status: "running",
        attempt: event.attempt ?? 1,
        started_at: stage.started_at ?? at,
        note: "",
      }));
    case "stage.progress": {
      const { message, fraction } = event.data;
      const share = fraction === undefined ? "" : ` (${Math.round(fraction * 100)} %)`;
      return change(story, event.stage, (stage) => ({ ...stage, note: `${message}${share}` }));
    }
    case "stage.retrying":
      return change(story, event.stage, (stage) => ({
        ...stage,
        note: `retry in ${event.data["delay_ms"] as number} ms: ${messageIn(event.data["error"])}`,
      }));
    case "stage.fallback":
      return change(story, event.stage, (stage) => ({
        ...stage,
        note: `fallback ${String(event.data["strategy"])}: ${String(event.data["reason"])}`,
      }));
    case "stage.skipped":
      return change(story, event.stage, (stage) => ({
        ...stage,
        status: "skipped",
        note: String(event.data["reason"]),
      }));
    case "stage.completed":
      return change(story, event.stage, (stage) => ({
        ...stage,
        status: "completed",
        ended_at: at,
        note: howCompleted(stage, event.data),
      }));
    case "stage.failed":
      return change(story, event.stage, (stage) => ({
        ...stage,
        status: "failed",
        ended_at: at,
        note: messageIn(event.data["error"]),
      }));
    case "stage.cancelled":
      return change(story, event.stage, (stage) => ({ ...stage, status: "cancelled", ended_at: at }));
    case "stage.delta": {
      const { stage, attempt } = event;
      const { partial_answer, offset } = event.data;
      const same = story.answer.stage === stage && story.answer.attempt === attempt;
      // A reader's one rule: a new attempt empties the text; then cut it at the offset, and append.
      const text = (same ? story.answer.text : "").slice(0, offset) + partial_answer;
      return { ...story, answer: { stage, attempt, text } };
    }
    default:
      return story;
  }
}

function change(story: Story, name: string | undefined, by: (stage: StageStory) => StageStory): Story {
  return { ...story, stages: story.stages.map((stage) => (stage.name === name ? by(stage) : stage)) };
}

function waiting(name: string): StageStory {
  return { name, status: "pending", attempt: 0, started_at: null, ended_at: null, note: "" };
}

function stageNames(data: unknown): string[] {
  const { stages } = data as { stages: readonly { name: string }[] };
  return stages.map((stage) => stage.name);
}

/** What a reader should know of a result that is not the agent's first answer; empty for one that is. */
function howCompleted(stage: StageStory, data: Readonly<Record<string, unknown>>): string {
  const { cached, fallback } = data as { cached?: boolean; fallback?: { strategy: string } | null };
  const ways = [
    ...(cached === true ? ["from the cache"] : []),
    ...(stage.attempt > 1 ? [`${stage.attempt} tries`] : []),
    ...(fallback ? [`fallback ${fallback.strategy}`] : []),
  ];
  return ways.length === 0 ? "" : `(${ways.join(", ")})`;
}

function messageIn(error: unknown): string {
  return (error as { message?: string } | null)?.message ?? "failed";
}
