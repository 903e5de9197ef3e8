// What the observer knows of a run and of each of its stages.
import type { AgentStage } from "../../../../src/contract/stage.ts";
import type { WaitSpec } from "../../../../src/contract/wait.ts";
import type { RunSpec } from "../../../../src/core/execution/run-spec.ts";

type ObservedPhase = "pending" | "calling" | "delayed" | "cut" | "lookup" | "waiting" | "ended";

export interface Observed {
  /** Of a stage that asks, only what all stages have. */
  spec: AgentStage;
  /** What a wait stage asks; null for one that calls an agent. */
  question: WaitSpec | null;
  outside: Outside;
  at: number;
  exclusive: boolean;
  phase: ObservedPhase;
  outcome: "completed" | "failed" | "skipped" | "cancelled" | null;
  /** Tries that count. */
  tries: number;
  attempt: number;
  call: number;
  /** The first call of this try, whose token is as good as that of a call that repeats it after a crash; 0 for none. */
  first: number;
  callAt: number;
  due: number;
  broken: number;
  /** Its public status is running. */
  shown: boolean;
  /** The code with which it would have failed, once its fallback is at work. */
  rescued: string | null;
  /** The `seq` at which it could first have gone; null while it cannot. */
  readySeq: number | null;
  /** Calls whose end the log knows, and their summed time. */
  calls: number;
  worked: number;
}

export interface Outside {
  /** What it waits for; null while it does not. */
  reason: "wait" | "callback" | null;
  /** The `seq` of the stage.waiting. */
  seq: number;
  since: number;
  expires: number;
  /** It has left its place. */
  displaced: boolean;
  /** A person has answered it. */
  answered: boolean;
  /** What its stage gets when it asks. */
  early: "complete" | "fail" | null;
  /** The calls that a callback has answered. */
  called: Set<number>;
}

/** The observer, for the checks that are not its own. */
export interface Sight {
  readonly spec: RunSpec;
  readonly stages: ReadonlyMap<string, Observed>;
  readonly status: string;
  readonly deadline: number;
  bytes: number;
  recoveriesWithoutProgress: number;
  /** Those that have a place among the concurrent stages. */
  active(): Observed[];
  /** Those that may begin. */
  ready(): Observed[];
}

/** True where the callback to this call is the result of the present try. */
export function awaitsCallback({ phase, outside, first, call }: Observed, of: number): boolean {
  const handed = phase === "waiting" && outside.reason === "callback";
  return (phase === "calling" || phase === "cut" || handed) && first > 0 && of >= first && of <= call;
}
