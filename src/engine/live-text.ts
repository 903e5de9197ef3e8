// LiveText: what a call under way has said so far and nobody logs. Readers hold a reference and remember how much
// of it they have passed on, so that a text is kept once, however many read it.
import type { AgentProgress } from "../contract/agent.ts";
import type { StageDelta, StageProgress } from "../contract/event.ts";

export class LiveText {
  readonly execution_id: string;
  readonly stage: string;
  readonly attempt: number;
  /** The `seq` of the call's stage.started. */
  readonly call: number;
  text = "";
  progress: AgentProgress | null = null;
  /** Rises with every progress, so that a reader knows whether it has passed on the last one. */
  progressCount = 0;

  constructor(execution_id: string, stage: string, attempt: number, call: number) {
    this.execution_id = execution_id;
    this.stage = stage;
    this.attempt = attempt;
    this.call = call;
  }

  /** What has come since `offset`, in UTF-16 units. */
  deltaFrom(offset: number): StageDelta {
    return deltaEvent(this, this.text.slice(offset), offset);
  }

  progressEvent(progress: AgentProgress): StageProgress {
    const { message, fraction } = progress;
    return {
      execution_id: this.execution_id,
      type: "stage.progress",
      stage: this.stage,
      attempt: this.attempt,
      status: "running",
      message,
      data: { message, ...(fraction === undefined ? {} : { fraction }) },
    };
  }
}

/** The delta that puts `text` at `offset`; with an empty text at 0, the one that empties an attempt's text. */
export function deltaEvent(
  of: { execution_id: string; stage: string; attempt: number },
  text: string,
  offset: number,
): StageDelta {
  return {
    execution_id: of.execution_id,
    type: "stage.delta",
    stage: of.stage,
    attempt: of.attempt,
    status: "running",
    data: { partial_answer: text, offset },
  };
}
