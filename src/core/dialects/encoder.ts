// The interface of a protocol's encoder: from the events of a run to the text of the stream that the protocol's clients
// read. An encoder is a function of the log: it draws no ids and reads no clock, so that a reader who comes late is sent
// what another one was.
import type { EventOf } from "../../contract/event.ts";
import type { PipelineExecution } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import { answerText, type StreamEvent } from "./answer-fold.ts";
import { type Citation, citationsIn } from "./citations.ts";

export interface Encoder {
  /** The stream's text for an event; "" where there is none. */
  push(event: StreamEvent): string;
  /** The stream's last text where the events cannot be followed any further: the run goes on all the same. */
  lost(): string;
  /** Nothing follows: the stream ends here, also where the run goes on. */
  readonly isOver: boolean;
}

/** True for an event of one item of a stage with `map`: other protocols have stages, and a stage's result has its items. */
export function isOfItem(event: StreamEvent): boolean {
  return event.item !== undefined;
}

/** Of a run that is paused because a budget is spent: what it has spent, and what it may; null of any other pause. */
export function spentBudget({ data }: EventOf<"execution.paused">): JsonObject | null {
  if (!("reason" in data)) return null;
  const { spent, limit, by_stage, scope } = data;
  return { spent, limit, by_stage, ...(scope === undefined ? {} : { scope }) };
}

/** A message of an event stream. @param event absent where the protocol's messages have no `event` line */
export function sseMessage(data: unknown, event?: string): string {
  const line = `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
  return event === undefined ? line : `event: ${event}\n${line}`;
}

/** What one of the last stages of a run has answered. */
export interface FinalAnswer {
  stage: string;
  text: string;
  citations: Citation[];
}

/** The answers of a run that has completed, in the order of its last stages; those that were skipped have none. */
export function finalAnswers({ final_stages, stage_results }: PipelineExecution): FinalAnswer[] {
  return final_stages.flatMap((stage) => {
    const data = stage_results[stage]?.data ?? null;
    return data === null ? [] : [{ stage, text: answerText(data), citations: citationsIn(data) }];
  });
}

/** The answers as one text. */
export function joinedAnswer(answers: readonly FinalAnswer[]): string {
  return answers.map(({ text }) => text).join("\n\n");
}
