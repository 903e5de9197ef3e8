// Where the demo shows what happens: a live picture in a terminal, plain lines anywhere else.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { AnyEvent } from "../ask.ts";

export interface Output {
  starting(question: string): void;
  /** @param ms how long the start took */
  started(ms: number): void;
  event(event: AnyEvent): void;
  ended(execution: PipelineExecution): void;
  /** There is no execution to show. */
  failed(message: string): void;
  close(): void;
}
