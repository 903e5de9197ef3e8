// Where the demo shows what happens: a live picture in a terminal, plain lines anywhere else.
import type { RunEvent } from "../../client/index.ts";
import type { PipelineExecution } from "../../contract/execution.ts";

export interface Output {
  starting(question: string): void;
  /** @param ms how long the start took @param url of the coordinator */
  started(ms: number, url: string): void;
  /** A further question is accepted, and is answered later. */
  queued(question: string): void;
  /** What comes now is of a further question. */
  next(question: string): void;
  event(event: RunEvent): void;
  ended(execution: PipelineExecution): void;
  /** There is no execution to show. */
  failed(message: string): void;
  close(): void;
}
