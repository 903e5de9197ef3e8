// A run that is about to start, at the shard of its conversation: one request reads the history and notes the start. It
// goes out beside the reading of the catalog where the isolate's last copy has a plan for the run, else after it.
import type { CatalogSnapshot, Entered } from "../../engine/worker-ports.ts";
import type { Services } from "../../compose.ts";
import type { Budget } from "../../contract/budget.ts";
import type { CoordinatorConfig, OnBusy } from "../../contract/config.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { ExecutionRequest } from "../../contract/requests.ts";
import type { ResolvedStage } from "../../contract/stage.ts";
import { entrantOf } from "../../core/conversations/entrant.ts";
import type { QueuePlace } from "../../core/execution/command.ts";
import type { PinnedPipeline, RunSpec } from "../../core/execution/run-spec.ts";
import { startSummary } from "../../core/monitoring/index-entry.ts";
import { type ConversationHome, homeOf } from "../../core/monitoring/shards.ts";
import type { Identity } from "./identify.ts";

export interface RunContext {
  tenant: string;
  identity: Identity;
  watched: boolean;
  traceparent: string | null;
  /** The origin that the request came to. */
  origin: string;
  /** The request's headers ask for new results. */
  no_cache: boolean;
}

/** What all requests that start a run have in common. */
export interface RunRequest
  extends Pick<ExecutionRequest, "query" | "conversation_id" | "cache" | "budget" | "priority" | "tags"> {
  /** Given instead of the turns of its conversation, which then neither gives nor keeps one. */
  history?: ConversationTurn[];
  /** Its readers leave where it is paused or asks; for good where they are answered then. */
  rests_alone?: RunSpec["rests_alone"];
}

/** What a catalog gives a run. */
export interface Plan {
  /** Absent where it runs beside others of its conversation. */
  on_busy?: Exclude<OnBusy, "parallel">;
  catalog: CatalogSnapshot;
  config: CoordinatorConfig;
  pipeline: string;
  pipeline_version: number;
  /** Of a run that brings none of its own. */
  budget?: Budget | undefined;
  stages: ResolvedStage[];
  /** Those that its stages run, and so on; absent where there are none. */
  pipelines?: Record<string, PinnedPipeline>;
}

/** A run that is admitted to its conversation, or waits in its queue. */
export interface EnteredRun {
  spec: Pick<RunSpec, "history" | "index_shards" | "on_busy" | "former_shards">;
  queued?: QueuePlace;
}

export class BegunRun {
  private readonly services: Services;
  private readonly request: RunRequest;
  private readonly context: RunContext;
  private begun: Begun | null = null;

  constructor(services: Services, request: RunRequest, context: RunContext) {
    this.services = services;
    this.request = request;
    this.context = context;
  }

  /** Begins the run where this catalog, which may be old, has a plan for it. */
  expect(catalog: CatalogSnapshot | null, planOn: (catalog: CatalogSnapshot) => Result<Plan>): void {
    if (catalog === null) return;
    const plan = planOn(catalog);
    if (plan.ok) this.begin(plan.value);
  }

  /** The turns of its conversation that the run is handed, and the shards of the index by which it is kept. */
  async history(plan: Plan): Promise<{ history: ConversationTurn[]; index_shards: number }> {
    const { history, home } = await this.begunWith(plan);
    return { history, index_shards: home.shards };
  }

  /** The same of a run that may have to wait for others of its conversation, or is refused for them. */
  async enter(plan: Plan): Promise<Result<EnteredRun>> {
    const { history, home, entered } = await this.begunWith(plan);
    const { conversation_id } = this.request;
    const spec = { history, index_shards: home.shards };
    // A caller that has events of it starts nothing.
    if (plan.on_busy === undefined || this.context.identity.cursor !== null) return ok({ spec });
    // It is never admitted blindly (I18).
    if (entered === null || entered.admission.kind === "unknown") {
      return err({ code: "RESOURCE_EXHAUSTED", what: "index", retry_after_seconds: INDEX_RETRY_SECONDS });
    }
    const { admission } = entered;
    const { on_busy } = plan;
    if (admission.kind === "busy") {
      const { running, limit } = admission;
      return err({
        code: "CONVERSATION_BUSY",
        conversation_id,
        running,
        ...(limit === undefined ? {} : { limit }),
      });
    }
    if (admission.kind === "admitted") return ok({ spec: { ...spec, on_busy } });
    const { former } = home;
    const former_shards = former.length === 0 ? {} : { former_shards: former };
    return ok({ spec: { ...spec, on_busy, ...former_shards }, queued: admission.place });
  }

  private async begunWith(
    plan: Plan,
  ): Promise<{ history: ConversationTurn[]; home: ConversationHome; entered: Entered | null }> {
    const { context_memory_size } = plan.config;
    const home = this.homeOf(plan);
    let { begun } = this;
    // The copy that it was begun with may be of before a split: there is one note of it, where it will report. It may
    // also have had another default of on_busy.
    if (begun !== null && (begun.home.shards !== home.shards || begun.on_busy !== plan.on_busy)) {
      await this.withdraw(begun);
      begun = null;
    }
    // That copy may have wanted fewer.
    if (begun === null || begun.turns < this.turnsOf(plan)) begun = this.begin(plan);
    const turns = this.request.history ?? (await begun.history);
    const history = turns.slice(Math.max(0, turns.length - context_memory_size));
    return { history, home, entered: await begun.entered };
  }

  /** It cannot be planned after all. */
  async refuse<R>(refusal: R): Promise<R> {
    if (this.begun !== null) await this.withdraw(this.begun);
    return refusal;
  }

  private async withdraw({ home, history, on_busy }: Begun): Promise<void> {
    await history;
    const { tenant, identity } = this.context;
    const { execution_id, at } = identity;
    const { conversation_id } = this.request;
    const started = {
      execution_id,
      conversation_id,
      index_shards: home.shards,
      ...(on_busy === undefined ? {} : { on_busy }),
    };
    await this.services.executionIndex.withdraw(tenant, started, at);
  }

  private turnsOf({ config }: Plan): number {
    return this.request.history === undefined ? config.context_memory_size : 0;
  }

  private homeOf({ catalog, config }: Plan): ConversationHome {
    const kept_ms = (config.retention_seconds + config.max_pause_seconds) * 1_000;
    return homeOf(this.request.conversation_id, catalog.shards.index, this.context.identity.at, kept_ms);
  }

  private begin(plan: Plan): Begun {
    const { config, pipeline, pipeline_version, on_busy } = plan;
    const home = this.homeOf(plan);
    const turns = this.turnsOf(plan);
    const { tenant, identity } = this.context;
    const { execution_id, digest, cursor, at } = identity;
    const { query, conversation_id } = this.request;
    const shown = { execution_id, query, conversation_id, pipeline, pipeline_version };
    const note = { summary: startSummary(shown, at), start: at, is_named: digest !== null };
    const { executionIndex } = this.services;
    const beginning = { conversation_id, turns, note, ...home };
    const begun = { turns, home, entered: NOTHING_ENTERED };
    if (cursor !== null) this.begun = { ...begun, ...(on_busy && { on_busy }), history: Promise.resolve([]) };
    else if (on_busy === undefined)
      this.begun = { ...begun, history: executionIndex.begin(tenant, beginning) };
    else {
      const entrant = entrantOf(on_busy, config);
      const entered = executionIndex.enter(tenant, { ...beginning, entrant });
      this.begun = { ...begun, on_busy, entered, history: entered.then((found) => found?.turns ?? []) };
    }
    return this.begun;
  }
}

interface Begun {
  turns: number;
  home: ConversationHome;
  on_busy?: Exclude<OnBusy, "parallel">;
  history: Promise<ConversationTurn[]>;
  /** Null where it runs beside others, and where the index does not answer. */
  entered: Promise<Entered | null>;
}

const NOTHING_ENTERED: Begun["entered"] = Promise.resolve(null);
/** The index is asked again after 5 s where it has not answered. */
const INDEX_RETRY_SECONDS = 5;
