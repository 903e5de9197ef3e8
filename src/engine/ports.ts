// The ports: every interface through which the engine reaches the outside. Adapters implement them; tests
// implement them with a virtual clock.
import type { AgentCall, AgentLimits, AgentProgress, RegisteredAgent } from "../contract/agent.ts";
import type { CacheKey } from "../core/caching/cache-key.ts";
import type { CachedEntry, CachedResult, RunResults } from "../core/caching/cached-result.ts";
import type { RunQuestion } from "../core/caching/run-question.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Usage } from "../contract/stage.ts";
import type { CoordinatorError } from "../contract/problem.ts";
import type { CallEnding, CallOutcome } from "../core/execution/command.ts";
import type { LogEvent } from "../core/execution/log-event.ts";
import type { RunSpec } from "../core/execution/run-spec.ts";
import type { SeenChild } from "../core/execution/state.ts";
import type { CallFailure } from "../core/resilience/classify.ts";
import type { Admission, BreakerPolicy, CallVerdict } from "../core/resilience/breaker.ts";
import type { CallbackClaims } from "../core/security/outside-token.ts";
import type { FlightCaller } from "../core/caching/single-flight.ts";
import type { Sent } from "./object-protocol.ts";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `task` once after `ms`; the returned function cancels it. */
  after(ms: number, task: () => void): () => void;
}

/** The log of one execution. Append only. */
export interface Log {
  /** Writes the events as one record. Synchronous: everything sent after it waits for its commit. */
  append(events: readonly LogEvent[]): void;
  /** Resolves once everything appended so far is durable. */
  synced(): Promise<void>;
  /** The events after `seq`, in order. Throws LogCorrupted at a gap or a bad record. */
  read(after: number): Iterable<LogEvent>;
}

/** The object's one alarm. */
export interface Alarm {
  /**
   * Takes effect at once; resolves when it is written.
   * @param at milliseconds since the epoch
   */
  set(at: number): Promise<void>;
}

/** One call of an agent, as data. */
export interface AgentRequest {
  tenant: string;
  registration: RegisteredAgent | null;
  call: AgentCall;
  idempotency_key: string;
  traceparent: string | null;
  /** Where the agent may send its result later; null where its stage does not allow it. A credential. */
  callback_url: string | null;
  /** Its stage lets the agent ask a person for input. */
  may_ask?: true;
  /** Of a further call: the answer to what the agent asked, with what it needs to go on. */
  answer?: { continuation: JsonObject; data: JsonObject };
}

/** Callbacks of a running call. */
export interface CallHooks {
  /** Aborted when the answer is not wanted any more. */
  signal: AbortSignal;
  /** @param offset the text so far is cut there first, in UTF-16 units; beyond its end it changes nothing */
  delta(text: string, offset?: number): void;
  progress(progress: AgentProgress): void;
  /** What the call has used so far, in all: each report takes the place of the one before. */
  usage?(usage: Usage): void;
  /** Bytes have arrived. */
  alive(): void;
  /** The call has failed so: only a detail is still read, and is not waited for beyond the try's time. */
  failing?(failure: CallFailure): void;
  /** The silence between two pieces of an answer counts, so `alive` must be called for each. */
  readonly hears_silence: boolean;
}

/** What a stage's call may do to its run: a call's hooks, of which the driver has these. */
export interface StageHooks extends Pick<CallHooks, "signal" | "delta" | "progress" | "usage"> {
  /** The agent has limits, and the call no place. */
  readonly unplaced?: boolean;
  /** Runs a task that needs one more of the object's connections, as soon as one is free. */
  another(task: () => Promise<void>): void;
}

export interface Agents {
  /** Calls an agent. Never rejects: every failure is an outcome. */
  call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome>;
}

/** A callback as it was read. */
export type CallbackRead =
  | { kind: "ending"; outcome: CallEnding }
  /** A sign of life. */
  | { kind: "alive"; progress: AgentProgress | null }
  /** It is not what an agent may send: its sender is to know, and the wait goes on. */
  | { kind: "refused"; error: CoordinatorError };

/** Agents that answer later. No method rejects. */
export interface AgentCallbacks {
  /**
   * Reads a callback as a call's answer is read.
   * @param agent that was called
   * @param token under which it answers, of which nothing is to be kept
   */
  read(agent: AgentIdentity, token: string | null, sent: Sent, hooks: CallHooks): Promise<CallbackRead>;
  /** Cancels the work of an agent at the place that it named. */
  abandon(agent: AgentIdentity, location: string): Promise<void>;
}

export interface Ports {
  clock: Clock;
  log: Log;
  alarm: Alarm;
  agents: Agents;
  /** Uniform in [0, 1). */
  chance(): number;
  /** The run's share of its isolate's memory. Absent if memory is not limited. */
  memory?: MemoryShare;
  /** What executions share. Absent where they share nothing. */
  shared?: { cache: ResultCache; health: AgentHealth; places?: AgentPlaces; spending?: RunSpending };
  /**
   * The token under which an agent may answer a call later. Asked only for a stage that allows it. Null where the
   * environment cannot be used; every request then says why. Absent where no agent can answer later.
   */
  callbackToken?(claims: CallbackClaims): Promise<string | null>;
  /** Absent where no agent can answer later. */
  callbacks?: AgentCallbacks;
  /** The executions that stages run. Absent where no pipeline runs another. */
  children?: Children;
}

/** Executions that stages of this one run. */
export interface Children {
  /**
   * Starts it, or follows it where it is there already, until it ends or rests. Never rejects: every failure is an
   * outcome.
   * @param seen what was read of it before; null where that is nothing
   */
  follow(
    spec: RunSpec,
    seen: SeenChild | null,
    hooks: Pick<CallHooks, "signal" | "delta" | "usage">,
  ): Promise<CallOutcome>;
}

/** One run's part of the memory that the runs of an isolate have together. */
export interface MemoryShare {
  /** Whether the run uses so much memory that it should be released while idle. */
  readonly isLarge: boolean;
  /**
   * The run holds so many bytes from now on; false, and nothing changed, where there is no room for more.
   * @param isBrief for a caller who is answered now: such a run may have the room that is kept for small ones
   */
  take(bytes: number, isBrief?: boolean): boolean;
  /** Accounts for bytes already in memory, even beyond the limit. */
  keep(bytes: number): void;
  /** Nothing happens in the run: the platform may take its object out of memory without saying so. */
  rest(): void;
  /** The run has ended and is released soon: others may take its memory. */
  leave(): void;
  /** Returns all memory. */
  free(): void;
}

/** Good results, as the calls of one run ask for them. No method rejects: a cache that is not there knows nothing. */
export interface StageCache {
  /**
   * A fresh result; or `miss`, and then the caller leads: it is to put or release; or `busy`: another call leads.
   * @param lease_ms how long the caller's try may take
   */
  take(key: CacheKey, caller: FlightCaller, ttl_seconds: number, lease_ms: number): Promise<CacheFinding>;
  /**
   * Follows the call that leads, `ms` at most. `miss` where it has given no result, or does not run any more: then
   * the caller is to call, without leading.
   */
  follow(
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<CachedResult | "miss">;
  put(key: CacheKey, caller: FlightCaller, result: CachedResult, ttl_seconds: number): Promise<void>;
  /** The caller has no result to put, or follows no longer. */
  release(key: CacheKey, caller: FlightCaller): Promise<void>;
  /** The last result of the key's family, up to a day old. */
  last(key: CacheKey): Promise<CachedResult | null>;
}

export type CacheFinding = CachedResult | "miss" | "busy";

/** Good results of all runs, by what they answered. Nothing but `forget` rejects. */
export interface ResultCache {
  /**
   * Asked before a run's first call.
   * @param isMissing asked again: what was kept for its start does not answer all of its stages
   */
  ask(run: RunQuestion, isMissing: boolean): Promise<Opening>;
  /** As a stage asks; @param made what the run has not reported yet */
  take(
    run: RunQuestion,
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly MadeResult[],
  ): Promise<CacheFinding>;
  follow(
    run: RunQuestion,
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<CachedResult | "miss">;
  /** Keeps results. @param isOver the run is not at its question any more */
  report(run: RunQuestion, made: readonly MadeResult[], isOver: boolean): Promise<void>;
  last(run: RunQuestion, key: CacheKey): Promise<CachedResult | null>;
  /** Takes out what an execution has made. Rejects where a part of it may be left that could have been taken out. */
  forget(results: RunResults): Promise<void>;
}

/** The answer to a run's question. */
export interface Opening {
  kept: KeptResults;
  /** Another run is at the question, or more may be kept: a stage that is not answered by this is to ask. */
  asksEach: boolean;
  /**
   * The run is known to be at its question, until it reports that it is over. False where all its stages may be
   * answered by what is kept: with the first that is not it has to ask again.
   */
  isNoted: boolean;
}

/** The results that were kept for a run's question when it asked, in the run's memory. */
export interface KeptResults {
  /** What they hold, in bytes. */
  readonly bytes: number;
  /** By the exact key; `apart` where it is so large that it is left where it is, to be taken. */
  find(key: CacheKey): Promise<CachedEntry | "apart" | null>;
}

/** How a call that was to make a result has ended. */
export interface MadeResult {
  key: CacheKey;
  caller: FlightCaller;
  /** Null where there is none. */
  result: CachedResult | null;
  ttl_seconds: number;
  /** Ms since the epoch. */
  at: number;
}

/** An agent as its callers know it. */
export interface AgentIdentity {
  tenant: string;
  agent_type: string;
  /** Another registration is another agent, with a clean record. */
  registration: RegisteredAgent | null;
}

/** The known health of agents. No method rejects. */
export interface AgentHealth {
  /** Whether a call may go out; answered at once where nothing is known against the agent. */
  admit(agent: AgentIdentity, lease_ms: number): Admission | Promise<Admission>;
  /**
   * Reports the outcome of a call, off its path.
   * @param policy null where the breaker is turned off
   * @param why the failure's message, where the verdict is one
   */
  report(
    agent: AgentIdentity,
    verdict: CallVerdict,
    probe: number | null,
    policy: BreakerPolicy | null,
    why?: string,
  ): void;
  /** Refreshes the known state in the background. */
  refresh(tenant: string): void;
  /** The agent wants no call for so long, in ms. */
  hold(agent: AgentIdentity, ms: number): void;
  /**
   * When the agent's next call may be made, ms since the epoch, as far as it is known without a request; null where that
   * is now. Calls that were held back come one after another: each has a turn of its own once it has been given one.
   * @param waited it has had its turn
   */
  heldUntil(agent: AgentIdentity, waited: boolean): number | null;
  /** A call waits for the turn that `heldUntil` has named: the next one has another. */
  takeTurn(agent: AgentIdentity, turn: number): void;
  /**
   * How long another try has to wait for its place in the agent's retry budget, in ms; 0 unless it is spent. A place
   * is given once.
   * @param own failures of this stage so far
   */
  placeRetry(agent: AgentIdentity, own: number): number;
  /** Whether a second call fits; one that does is counted. */
  takeHedge(agent: AgentIdentity): boolean;
}

/** A call that needs a place at an agent with limits. */
export interface PlaceAsk {
  agent: AgentIdentity;
  limits: AgentLimits;
  /** The same for the same call, however often it asks, also after a crash: it has one place, or one in the queue. */
  holder: string;
  conversation_id: string;
  /** The higher goes first. */
  priority: number;
  /** How long the call may take, in ms: the place is its own for so long at most. */
  lease_ms: number;
  /** False where the call is not made unless there is a place at once. */
  may_wait: boolean;
}

/** A place that a call has. */
export interface Place {
  /** There is none: the result cache is expected to answer, and the agent may not be called. */
  readonly isNone?: true;
  /** The call is over, or is not made. Never rejects, and may be called again. */
  release(): void;
}

export type PlaceAnswer =
  | { kind: "place"; place: Place }
  /** It is in the queue. `until`: when its turn comes, where that is known, ms since the epoch. */
  | { kind: "queued"; reason: "concurrency" | "rate"; until: number | null }
  /** It is not in the queue, which is full, or it may not wait. */
  | { kind: "full"; reason: "concurrency" | "rate" };

/** Places at agents with limits. No method rejects. */
export interface AgentPlaces {
  /** A place, or why there is none now. Answered at once where the isolate has one in hand. */
  take(ask: PlaceAsk): PlaceAnswer | Promise<PlaceAnswer>;
  /**
   * Waits for the turn of one that is queued. Null once `signal` is aborted, which takes it out of the queue; and where
   * its place in the queue was lost: it is to ask again.
   */
  turn(ask: PlaceAsk, signal: AbortSignal): Promise<Place | null>;
}

/** A budget of the config that is spent. */
export interface SpentBudget {
  scope: string;
  spent_usd: number;
  limit_usd: number;
  window_seconds: number;
  retry_after_seconds: number;
}

/** The config's budgets, as a run's calls spend of them. No method rejects. */
export interface RunSpending {
  /** Null where a call may be made. Answered at once where the isolate has something left of each of the run's budgets. */
  check(run: RunSpec): SpentBudget | null | Promise<SpentBudget | null>;
  /** Calls of the run have cost so much more. */
  spent(run: RunSpec, usd: number): void;
  /** The run makes no calls for now. May be called again. */
  rests(run: RunSpec): void;
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

/** A log that a later version wrote: whole, and not to be read by this one. That version may come back. */
export class LogFormatUnknown extends LogCorrupted {
  constructor(evidence: string) {
    super(evidence);
    this.name = "LogFormatUnknown";
    this.message = `the log was written by a later version: ${evidence}`;
  }
}
