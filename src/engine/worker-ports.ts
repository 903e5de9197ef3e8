// The ports of the Worker: every interface through which it reaches the Durable Objects, keys, time and chance. Adapters
// implement them, compose.ts builds them. What travels to the object of an execution is in object-protocol.ts, to that of
// an agent in agent-protocol.ts.
import type { ApiKey } from "../contract/access.ts";
import type { AgentRegistration } from "../contract/agent.ts";
import type { CoordinatorConfig } from "../contract/config.ts";
import type { ExecutionSummary } from "../contract/execution-list.ts";
import type { ConversationTurn } from "../contract/execution.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Alert } from "../contract/metrics.ts";
import type { Pipeline } from "../contract/pipeline.ts";
import type { Result } from "../contract/problem.ts";
import type { ExecutionFilter, WaitFilter } from "../contract/requests.ts";
import type { OpenWait } from "../contract/wait.ts";
import type { CatalogOutline } from "../core/config/catalog-outline.ts";
import type { Admission as ConversationAdmission } from "../core/conversations/admission.ts";
import type { ConversationEntrant } from "../core/conversations/entrant.ts";
import type { RunSpec } from "../core/execution/run-spec.ts";
import type { KeptTurn } from "../core/monitoring/conversation-turn.ts";
import type { IndexEntry } from "../core/monitoring/index-entry.ts";
import type { LogLevel } from "../core/monitoring/log-line.ts";
import type { ConversationHome, FormerHome, Sharded, ShardKind } from "../core/monitoring/shards.ts";
import type { Spent } from "../core/monitoring/metrics/costs/spending.ts";
import type { RunShape } from "../core/monitoring/metrics/report.ts";
import type { MetricTotals } from "../core/monitoring/metrics/run-metrics.ts";
import type { PipelineChange } from "../core/pipeline/edit.ts";
import type { BreakerSnapshot, TenantHealth } from "../core/resilience/breaker.ts";
import type { RateLimit, RateVerdict } from "../core/security/rate-limit.ts";
import type {
  SpendingAnswer,
  SpendingReport,
  SpendingStanding,
  SpendingTerms,
} from "../core/spending/account.ts";
import type { SpendingRun } from "../core/spending/run-budgets.ts";
import type { CallbackClaims, WaitClaims } from "../core/security/outside-token.ts";
import type { TokenRun } from "../core/security/token.ts";
import type { AgentHealthRpc } from "./agent-protocol.ts";
import type {
  CallbackReceipt,
  CallbackTarget,
  ExecutionRpc,
  FollowMessage,
  RestingReader,
  Sent,
  StreamReader,
} from "./object-protocol.ts";
import type { Clock, SpentBudget } from "./ports.ts";
import type { ListedTurn, TurnPlace, TurnsBefore, TurnsQuery } from "./conversation-turns.ts";

/** All that the Worker reaches the outside through. */
export interface WorkerPorts {
  executions: Executions;
  catalogs: Catalogs;
  executionIndex: ExecutionIndex;
  conversations: Conversations;
  /** The object that monitors a tenant's metrics. */
  monitor: (tenant: string) => MonitorRpc;
  deliveryQueue: DeliveryQueue;
  access: Access;
  /** The object of an agent's breaker. */
  agentHealth: (tenant: string, agent_type: string) => AgentHealthRpc;
  spending: StartSpending;
  /** Null where calls are not limited. */
  limiter: RateLimiter | null;
  clock: Clock;
  platform: WorkerPlatform;
}

/** What the platform gives besides time. */
interface WorkerPlatform {
  /** 128 random bits: an id that no caller can guess. */
  randomExecutionId: () => string;
  /** SHA-256 of a text's UTF-8 bytes, in hex. */
  sha256Hex: (text: string) => Promise<string>;
  /** A line of the operator's log. */
  writeLog: (level: LogLevel, line: string) => void;
}

export interface Executions {
  follow(
    tenant: string,
    execution_id: string,
    message: FollowMessage,
    signal: AbortSignal,
  ): Promise<Response>;
  stream(tenant: string, execution_id: string, reader: StreamReader, signal: AbortSignal): Promise<Response>;
  /**
   * The result, or a sign of life, of an agent that answers later. Refused with NOT_FOUND, EXECUTION_CONFLICT, or what is
   * wrong with its body. Never repeated here: its body can be read once.
   */
  callback(
    tenant: string,
    execution_id: string,
    target: CallbackTarget,
    sent: Sent & Pick<Request, "signal">,
  ): Promise<Result<CallbackReceipt>>;
  /** A socket for a reader while the run is at rest. */
  rest(tenant: string, execution_id: string, reader: RestingReader): Promise<Response>;
  rpc(tenant: string, execution_id: string): ExecutionRpc;
}

/** A tenant's definitions as an isolate knows them, and the known state of its agents. */
export interface CatalogSnapshot extends CatalogOutline {
  /** Those that the isolate has; `versions` names all. */
  pipelines: Record<string, Pipeline>;
  /** The recorded failures of its agents. */
  health: TenantHealth;
}

/** A snapshot as it travels: as text, whose size is known and which is not taken apart on the way. */
export interface CatalogText {
  /** A CatalogOutline as JSON; null where the reader has this revision of it. */
  definitions: string | null;
  revision: string;
  health: TenantHealth;
}

/** The precondition of a write: none, that the pipeline exists, or that it has this version (0: does not exist). */
export type Precondition = null | "exists" | number;

/** The outcome of a write, and the snapshot after it. */
export interface Written<T> {
  outcome: T;
  snapshot: CatalogSnapshot;
}

/** The same as it travels. */
export interface WrittenText<T> {
  outcome: T;
  snapshot: CatalogText;
}

export interface CatalogRpc {
  /** @param revision of the definitions that the caller has; null where it has none */
  snapshot(revision: string | null): Promise<CatalogText>;
  /** The definition of a pipeline as JSON; null where there is none. */
  pipeline(name: string): Promise<string | null>;
  /** All definitions, by name, as JSON. */
  pipelines(): Promise<string>;
  /** @param environment the effective config without a patch */
  changePipeline(
    name: string,
    change: PipelineChange,
    condition: Precondition,
    environment: CoordinatorConfig,
  ): Promise<WrittenText<Result<{ created: boolean; pipeline: Pipeline }>>>;
  deletePipeline(name: string, condition: Precondition): Promise<WrittenText<Result<null>>>;
  /** @param registration null removes it, also a preset one */
  setAgent(agent_type: string, registration: AgentRegistration | null): Promise<WrittenText<Result<null>>>;
  /** @param environment the effective config without a patch */
  patchConfig(patch: JsonObject, environment: CoordinatorConfig): Promise<WrittenText<Result<null>>>;
  health(): Promise<TenantHealth>;
  /**
   * More shards of a kind are wanted. Changes nothing where there are others than `from` already.
   * @param from, to how many there are, and should be
   */
  split(kind: ShardKind, from: number, to: number): Promise<void>;
  /** Reports an agent's breaker state; a report older than the known state changes nothing. */
  noteHealth(agent_type: string, snapshot: BreakerSnapshot): Promise<void>;
}

export interface Catalogs {
  /** @param maxAgeMs 0 asks the object itself */
  read(tenant: string, maxAgeMs?: number): Promise<CatalogSnapshot>;
  /** The same with the definition of this pipeline, where there is one. */
  readFor(tenant: string, pipeline: string, maxAgeMs?: number): Promise<CatalogSnapshot>;
  /** The same as the object has it now, with every definition. */
  readAll(tenant: string): Promise<CatalogSnapshot>;
  /** The cached value, without waiting; null if a read would need a request. */
  peek(tenant: string): CatalogSnapshot | null;
  /** The last snapshot that the isolate has, of any age; null where it has none. */
  last(tenant: string): CatalogSnapshot | null;
  /** Writes, and remembers the snapshot after it. Fails where the catalog does not answer. */
  write<T>(tenant: string, write: (rpc: CatalogRpc) => Promise<WrittenText<T>>): Promise<Written<T>>;
}

/** A position in the list: everything after it is older. */
export interface Place {
  start: number;
  id: string;
}

export type IndexQuery = Pick<ExecutionFilter, "status" | "pipeline" | "conversation_id" | "limit"> & {
  before: Place | null;
};

/** An execution of the list with its position. */
export interface Listed extends Place {
  summary: ExecutionSummary;
}

/** A position in the inbox: everything after it expires later. */
export interface WaitPlace {
  /** Ms since the epoch. */
  expires: number;
  /** Of its execution. */
  id: string;
  /** Of its stage.waiting. */
  seq: number;
}

export type WaitsQuery = Pick<WaitFilter, "pipeline" | "conversation_id" | "limit"> & {
  after: WaitPlace | null;
};

/** The open questions of a pipeline. */
export interface OpenWaits {
  open: number;
  /** When the oldest of them was asked, ms since the epoch. */
  since: number;
}

/** The range of metrics: the minutes that overlap the last so many seconds, or all time. */
export type Period = { window_seconds: number } | "ever";

export interface MetricsQuery {
  period: Period;
  /** All pipelines if absent. */
  pipeline?: string | undefined;
  /** Recorded runs wanted, at most. */
  shapes: number;
  /** What the last hour has cost is wanted. */
  hour?: true;
}

export interface IndexMetrics {
  /** In the order of their first run. */
  by_pipeline: Map<string, MetricTotals>;
  /** Executions that have begun, have not ended, and do not wait. */
  open: number;
  /** The pipelines that have open questions. */
  waits: Map<string, OpenWaits>;
  /** Of recent runs, in the order in which they began. */
  shapes: RunShape[];
  /** What the executions that have ended in the last hour have used. */
  hour?: Spent;
}

/** A place in one shard. */
interface ShardPlace extends Place {
  shard: number;
}

/** A run that is about to start. */
export interface Beginning extends ConversationHome {
  conversation_id: string;
  /** The turns of its conversation that it wants, at most. */
  turns: number;
  note: {
    summary: ExecutionSummary;
    /** Ms since the epoch. */
    start: number;
    /** The caller named it: it may have run before. */
    is_named: boolean;
  } | null;
  /** Absent where the run goes on beside others. */
  entrant?: ConversationEntrant;
}

/** A queued run that asks for its place. */
export interface StandingQuestion extends Sharded {
  tenant: string;
  /** When it was queued, ms since the epoch. */
  start: number;
  /** The turns of its conversation that it wants, at most. */
  turns: number;
  /** The former shards of its conversation. */
  former: FormerHome[];
  entrant: ConversationEntrant;
}

/** What the index says to a run that enters, or waits in, its conversation. */
export interface Entered {
  /** `unknown`: a shard that the conversation had before does not answer. */
  admission: Exclude<ConversationAdmission, { kind: "interrupts" }> | { kind: "unknown" };
  /** The history of one that is admitted. */
  turns: ConversationTurn[];
}

export interface ExecutionIndex {
  /** The history of a run that is about to start; none where the index cannot be read in time. */
  begin(tenant: string, beginning: Beginning): Promise<ConversationTurn[]>;
  /** The history that an answer has which takes the place of a turn; null where the index cannot be read in time. */
  turnsBefore(
    tenant: string,
    asked: TurnsBefore,
  ): Promise<{ history: ConversationTurn[]; holder: string | null } | null>;
  /** A page of a conversation's turns, oldest first. */
  turns(tenant: string, query: TurnsQuery): Promise<{ turns: ListedTurn[]; next: TurnPlace | null }>;
  /** Forgets an execution of a conversation whose object holds nothing. */
  forgetOf(tenant: string, conversation_id: string, place: Place): Promise<void>;
  /** The same for a run that does not run beside others; null where the index does not answer in time. */
  enter(tenant: string, beginning: Beginning): Promise<Entered | null>;
  /** A queued run asks whether it may run. Rejects where the index does not answer. */
  standing(question: StandingQuestion): Promise<Entered>;
  /**
   * Takes back the note of a start, and the place of one that did not enter beside others. Never rejects.
   * @param start of the request, ms since the epoch
   */
  withdraw(tenant: string, started: Sharded & Pick<RunSpec, "on_busy">, start: number): Promise<void>;
  report(tenant: string, entry: IndexEntry): Promise<void>;
  /** A page: it may be short, or empty, and have a next one, where few of many executions fit the filters. */
  list(tenant: string, query: IndexQuery): Promise<{ listed: Listed[]; next: Place | null }>;
  /** A page of the open questions, soonest expiry first; it may be short and have a next one, where they are large. */
  waits(tenant: string, query: WaitsQuery): Promise<{ waits: OpenWait[]; next: WaitPlace | null }>;
  ended(tenant: string, until: number, limit: number): Promise<ShardPlace[]>;
  forget(tenant: string, place: ShardPlace): Promise<void>;
  metrics(tenant: string, query: MetricsQuery): Promise<IndexMetrics>;
  earlierUntil(tenant: string): Promise<number>;
}

export interface Conversations {
  /** The last `count` turns, oldest first; none where the conversation cannot be read in time. */
  history(tenant: string, conversation_id: string, count: number): Promise<ConversationTurn[]>;
  add(tenant: string, conversation_id: string, turn: KeptTurn): Promise<void>;
  forget(tenant: string, conversation_id: string, execution_id: string): Promise<void>;
  /** Forgets all turns of a conversation. */
  clear(tenant: string, conversation_id: string): Promise<void>;
}

export interface MonitorRpc {
  /** The alerts, evaluated now. */
  alerts(): Promise<Alert[]>;
  /** Metrics have changed: the alerts are evaluated again shortly. */
  metricsChanged(): Promise<void>;
  /**
   * Until when entries and turns that a version before the present layout of the index wrote are kept, ms since the
   * epoch; 0 where the tenant began with this one.
   */
  earlierUntil(): Promise<number>;
}

export interface DeliveryJob {
  /** The same for the same notification: receivers drop duplicates. */
  id: string;
  kind: "webhook" | "spans";
  /** JSON text: an event's payload, or one trace's spans. */
  body: string;
  /** How long it may wait for further jobs of its kind, in ms. */
  wait_ms: number;
}

export interface DeliveryQueue {
  send(tenant: string, job: DeliveryJob): Promise<void>;
}

/** The object of one of the config's budgets. */
export interface SpendingRpc {
  report(terms: SpendingTerms, report: SpendingReport): Promise<SpendingAnswer>;
  standing(terms: SpendingTerms): Promise<SpendingStanding>;
}

/** The config's budgets, as runs are started within them. No method rejects. */
export interface StartSpending {
  /** Null where the run may start: also where its budgets do not answer in time. */
  admit(run: SpendingRun): Promise<SpentBudget | null>;
  /** Where a budget is; null where it does not answer in time. */
  standing(account: string, terms: SpendingTerms): Promise<SpendingStanding | null>;
}

export interface RateLimiter {
  readonly limit: RateLimit;
  /**
   * Counts one call of this caller. Never rejects.
   * @param later keeps the work alive that continues after the response
   */
  take(caller: string, later: (work: Promise<void>) => void): Promise<RateVerdict>;
}

export interface Access {
  /** The key that was presented, as the deployment knows it; null where it does not. */
  keyHolder(key: string): Promise<ApiKey | null>;
  /**
   * A token that opens the events of one run for TOKEN_SECONDS, as long as the key is there.
   * @param key_id of the key that asks for it; null where no keys are asked for
   */
  streamToken(tenant: string, run: TokenRun, key_id: string | null): Promise<string>;
  /** The tenant to which a token opens this execution's events, and the start of the run; null where it opens nothing. */
  openedBy(token: string, execution_id: string): Promise<Opened | null>;
  /** A token that answers one wait without a key, for as long as the execution's object takes an answer. */
  signWaitToken(claims: WaitClaims): Promise<string>;
  /** What a wait token claims; null for every text that is none. */
  readWaitToken(text: string): Promise<WaitClaims | null>;
  /** A token under which an agent answers one call later. */
  signCallbackToken(claims: CallbackClaims): Promise<string>;
  /** What a callback token claims; null for every text that is none. */
  readCallbackToken(text: string): Promise<CallbackClaims | null>;
}

interface Opened {
  tenant: string;
  /** Compared with the existing run's start: ms since the epoch. */
  started_at: number;
}
