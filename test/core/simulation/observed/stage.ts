// What the observer knows of a run and of each of its stages.
import type { JsonObject } from "../../../../src/contract/json.ts";
import type { AgentStage, ResolvedStage, StageResult } from "../../../../src/contract/stage.ts";
import type { WaitSpec } from "../../../../src/contract/wait.ts";
import type { RunSpec } from "../../../../src/core/execution/run-spec.ts";

type ObservedPhase =
  | "pending"
  | "calling"
  | "delayed"
  | "cut"
  | "lookup"
  | "queued"
  | "waiting"
  | "mapping"
  | "ended";

/** Of a unit: a stage, or an item of one with `map`. */
export interface Observed {
  /** Of a stage that asks, only what all stages have. */
  spec: AgentStage;
  /** What a wait stage asks; null for one that calls an agent. */
  question: WaitSpec | null;
  outside: Outside;
  /** Its place in the list; null for a stage. */
  item: number | null;
  /** Of a stage with `map` that has begun. */
  items: ObservedItems | null;
  /** The present iteration, from 1; 0 before the first, and without `repeat`. */
  iteration: number;
  /** Of the last iteration. */
  previous: JsonObject | null;
  /** As the event that ended it has it. */
  result: StageResult | null;
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
  /** The try that it makes once its agent may be called; null where it does not wait for that. */
  queued: { attempt: number; repeated: boolean } | null;
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

export interface ObservedItems {
  list: readonly unknown[];
  /** Those that have begun, in order. */
  begun: Observed[];
  /** The first that has failed, where that fails the stage. */
  failed: Observed | null;
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
  readonly context: JsonObject;
  recoveriesWithoutProgress: number;
  /** The unit of this name. */
  of(name: string): Observed | undefined;
  /** Those that have a place among the concurrent stages. */
  active(): Observed[];
  /** Those that may begin. */
  ready(): Observed[];
}

/** A unit before its first event. */
export function unseen(stage: ResolvedStage, at: number, exclusive: boolean, item: number | null): Observed {
  return {
    spec: stage as AgentStage,
    question: stage.wait ?? null,
    outside: {
      reason: null,
      seq: 0,
      since: 0,
      expires: 0,
      displaced: false,
      answered: false,
      early: null,
      called: new Set(),
    },
    item,
    items: null,
    iteration: 0,
    previous: null,
    result: null,
    at,
    exclusive,
    phase: "pending",
    outcome: null,
    tries: 0,
    attempt: 0,
    call: 0,
    first: 0,
    callAt: 0,
    due: 0,
    queued: null,
    broken: 0,
    shown: false,
    rescued: null,
    readySeq: item !== null || stage.depends_on.length === 0 ? 0 : null,
    calls: 0,
    worked: 0,
  };
}

/** The name of the unit that an event is of, as calls have it. */
export function unitOf({
  stage = "",
  item,
}: {
  stage?: string | undefined;
  item?: number | undefined;
}): string {
  return item === undefined ? stage : `${stage}[${item}]`;
}

export function nameOf({ spec, item }: Observed): string {
  return unitOf({ stage: spec.name, item: item ?? undefined });
}

/** True where it has begun and not ended. */
export function isAtWork({ phase }: Observed): boolean {
  return phase !== "pending" && phase !== "ended";
}

/** True where the callback to this call is the result of the present try. */
export function awaitsCallback({ phase, outside, first, call }: Observed, of: number): boolean {
  const handed = phase === "waiting" && outside.reason === "callback";
  return (phase === "calling" || phase === "cut" || handed) && first > 0 && of >= first && of <= call;
}
