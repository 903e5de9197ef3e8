// A run that is about to start, at the shard of its conversation: one request reads the history and notes the start. It
// goes out beside the reading of the catalog where the isolate's last copy has a plan for the run, else after it.
import type { CatalogSnapshot } from "../../engine/worker-ports.ts";
import type { Services } from "../../compose.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { Result } from "../../contract/problem.ts";
import type { ExecutionRequest } from "../../contract/requests.ts";
import type { ResolvedStage } from "../../contract/stage.ts";
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
export type RunRequest = Pick<ExecutionRequest, "query" | "conversation_id" | "cache">;

/** What a catalog gives a run. */
export interface Plan {
  catalog: CatalogSnapshot;
  config: CoordinatorConfig;
  pipeline: string;
  pipeline_version: number;
  stages: ResolvedStage[];
}

export class BegunRun {
  private readonly services: Services;
  private readonly request: RunRequest;
  private readonly context: RunContext;
  private begun: { turns: number; home: ConversationHome; history: Promise<ConversationTurn[]> } | null =
    null;

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
    const { context_memory_size } = plan.config;
    const { shards } = this.homeOf(plan);
    let { begun } = this;
    // The copy that it was begun with may be of before a split: there is one note of it, where it will report.
    if (begun !== null && begun.home.shards !== shards) {
      await this.withdraw(begun.home, begun.history);
      begun = null;
    }
    // That copy may have wanted fewer.
    if (begun === null || begun.turns < context_memory_size) begun = this.begin(plan);
    const turns = await begun.history;
    return { history: turns.slice(Math.max(0, turns.length - context_memory_size)), index_shards: shards };
  }

  /** It cannot be planned after all. */
  async refuse<R>(refusal: R): Promise<R> {
    if (this.begun !== null) await this.withdraw(this.begun.home, this.begun.history);
    return refusal;
  }

  private async withdraw({ shards }: ConversationHome, noted: Promise<unknown>): Promise<void> {
    await noted;
    const { tenant, identity } = this.context;
    const { execution_id, at } = identity;
    const { conversation_id } = this.request;
    const started = { execution_id, conversation_id, index_shards: shards };
    await this.services.executionIndex.withdraw(tenant, started, at);
  }

  private homeOf({ catalog, config }: Plan): ConversationHome {
    const kept_ms = (config.retention_seconds + config.max_pause_seconds) * 1_000;
    return homeOf(this.request.conversation_id, catalog.shards.index, this.context.identity.at, kept_ms);
  }

  private begin(plan: Plan): NonNullable<BegunRun["begun"]> {
    const { config, pipeline, pipeline_version } = plan;
    const home = this.homeOf(plan);
    const turns = config.context_memory_size;
    const { tenant, identity } = this.context;
    const { execution_id, digest, cursor, at } = identity;
    const { query, conversation_id } = this.request;
    const shown = { execution_id, query, conversation_id, pipeline, pipeline_version };
    const note = { summary: startSummary(shown, at), start: at, is_named: digest !== null };
    const { executionIndex } = this.services;
    const history =
      cursor === null
        ? executionIndex.begin(tenant, { conversation_id, turns, note, ...home })
        : Promise.resolve([]);
    this.begun = { turns, home, history };
    return this.begun;
  }
}
