// The stages of a run as its events show them: which questions are open, and whether nothing but their answers makes the
// run go on.
import type { JsonObject } from "../../contract/json.ts";
import { headingKey } from "../../contract/question.ts";
import type { StreamEvent } from "./answer-fold.ts";
import type { EventOf } from "../../contract/event.ts";

export type OpenQuestion = EventOf<"stage.waiting"> & { data: { reason: "wait" } };

interface Stage {
  name: string;
  depends_on: readonly string[];
  phase: "pending" | "busy" | "waiting" | "ended";
  question: OpenQuestion | null;
}

export class RunStages {
  private readonly stages = new Map<string, Stage>();

  push(event: StreamEvent): void {
    if (event.type === "execution.queued" || event.type === "execution.started") {
      for (const { name, depends_on } of event.data.stages) {
        if (!this.stages.has(name)) {
          this.stages.set(name, { name, depends_on, phase: "pending", question: null });
        }
      }
      return;
    }
    const stage = event.stage === undefined ? undefined : this.stages.get(event.stage);
    if (stage === undefined) return;
    switch (event.type) {
      case "stage.queued":
      case "stage.started":
      case "stage.iterated":
      case "stage.retrying":
      case "stage.fallback":
        stage.phase = "busy";
        stage.question = null;
        break;
      case "stage.waiting":
        // An agent that answers later is at work.
        stage.phase = event.data.reason === "wait" ? "waiting" : "busy";
        stage.question = event.data.reason === "wait" ? (event as OpenQuestion) : null;
        break;
      case "stage.signalled":
        // The answer to an agent that has asked: it is called again.
        if (event.status !== "waiting" || event.data.signal === "heartbeat") break;
        stage.phase = "busy";
        stage.question = null;
        break;
      case "stage.completed":
      case "stage.failed":
      case "stage.skipped":
      case "stage.cancelled":
        stage.phase = "ended";
        stage.question = null;
        break;
      default:
        break;
    }
  }

  /** The open questions of a run that rests on them; none where something else is at work or may begin. */
  get asked(): OpenQuestion[] {
    const all = [...this.stages.values()];
    const isAtWork = all.some(({ phase, depends_on }) => {
      if (phase === "busy") return true;
      return phase === "pending" && depends_on.every((name) => this.stages.get(name)?.phase === "ended");
    });
    return isAtWork ? [] : all.flatMap(({ question }) => question ?? []);
  }
}

/** What a question is headed by; null where its prompt shows no text. */
export function headingOf(prompt: JsonObject): string | null {
  const key = headingKey(prompt);
  return key === null ? null : String(prompt[key]);
}
