// The parameter types of the client's methods: the contract's own, with optional defaults.
import type { z } from "zod";
import type { AgentRegistration } from "../contract/agent.ts";
import type { PipelineExecution } from "../contract/execution.ts";
import type { ExecutionRequest, StageExecutionRequest } from "../contract/requests.ts";
import type { Agent as AgentSchema } from "../contract/management.ts";
import type { PipelineStage } from "../contract/stage.ts";
import type { StreamUpdate } from "./events.ts";

/** A run to start; only `query` and `conversation_id` are required. */
export type RunRequest = z.input<typeof ExecutionRequest>;
/** A stage in a request: fields with defaults are optional. */
export type Stage = z.input<typeof PipelineStage>;
export type StageRun = Omit<z.input<typeof StageExecutionRequest>, "stage">;
/** A registered agent with its breaker. */
export type Agent = z.infer<typeof AgentSchema>;
export type Registration = z.input<typeof AgentRegistration>;
/** A run with the URL, token and all, by which a browser's EventSource follows it while it is not terminal. */
export type Execution = PipelineExecution & { stream_url?: string };

export interface CallOptions {
  signal?: AbortSignal;
}

export interface StartOptions extends CallOptions {
  /** Repetitions with the same key attach to the same run; a random one where it is left out. */
  idempotencyKey?: string;
}

/** Takes an event with the specification's `partial_answer`. */
export type UpdateCallback = (update: StreamUpdate) => void | Promise<void>;

export interface ExecuteOptions extends StartOptions {
  /**
   * Called with every event as it comes; the next one waits for the promise that it returns. What it throws or rejects
   * with ends the call, and the run goes on.
   */
  onUpdate?: UpdateCallback;
  /** The specification's name for `onUpdate`. Where both are given, both are called. */
  streamCallback?: UpdateCallback;
}

export interface WriteOptions extends CallOptions {
  /** Writes only where the pipeline still has this ETag. */
  ifMatch?: string;
  /** `*` writes only where no pipeline has this name. */
  ifNoneMatch?: string;
}
