// The ports: everything that the engine needs of the world, in one small file. Adapters implement them; tests
// implement them with a virtual clock.
import type { AgentCall, AgentProgress, AgentRegistration } from "../contract/agent.ts";
import type { CallOutcome } from "../core/execution/command.ts";
import type { LogEvent } from "../core/execution/log-event.ts";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `task` once after `ms`; the function given back calls it off. */
  after(ms: number, task: () => void): () => void;
}

/** The log of one execution. Append only. */
export interface Log {
  /** Writes the events as one record. Synchronous: whatever is sent after it waits for its commit. */
  append(events: readonly LogEvent[]): void;
  /** Resolves once everything appended so far is durable. */
  synced(): Promise<void>;
  /** The events after `seq`, in order. Throws LogCorrupted at a gap or a bad record. */
  read(after: number): Iterable<LogEvent>;
}

/** The object's one alarm. */
export interface Alarm {
  /** @param at milliseconds since the epoch */
  set(at: number): void;
}

/** One call of an agent, as data. */
export interface AgentRequest {
  tenant: string;
  registration: AgentRegistration | null;
  call: AgentCall;
  idempotency_key: string;
  traceparent: string | null;
}

/** What a call tells while it runs. */
export interface CallHooks {
  /** Aborted when the answer is not wanted any more. */
  signal: AbortSignal;
  delta(text: string): void;
  progress(progress: AgentProgress): void;
  /** Bytes have come. */
  alive(): void;
}

export interface Agents {
  /** Calls an agent. Never rejects: whatever goes wrong is an outcome. */
  call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome>;
}

export interface Ports {
  clock: Clock;
  log: Log;
  alarm: Alarm;
  agents: Agents;
  /** Uniform in [0, 1). */
  chance(): number;
}

/** A log that cannot be read: a record is missing or is not what was written. */
export class LogCorrupted extends Error {
  readonly evidence: string;
  constructor(evidence: string) {
    super(`the log is corrupted: ${evidence}`);
    this.name = "LogCorrupted";
    this.evidence = evidence;
  }
}
