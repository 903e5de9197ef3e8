// RunSpec: everything a run was started with, pinned in its first event, so that nothing written later (a new
// definition, another config, an agent registered elsewhere) changes a run in flight.
import type { RegisteredAgent } from "../../contract/agent.ts";
import type { Budget, Tags } from "../../contract/budget.ts";
import type { OnBusy } from "../../contract/config.ts";
import type { ConversationTurn, LogPlace } from "../../contract/execution.ts";
import type { ResolvedStage, StageResult } from "../../contract/stage.ts";
import type { StartedData } from "../../contract/event.ts";
import type { OnDisconnect } from "../../contract/requests.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { FormerHome } from "../monitoring/shards.ts";
import type { RunConfig } from "./run-config.ts";
import type { UnitName } from "./units/unit-name.ts";

/** What the first event shows to readers. */
export type PublicSpec = StartedData;

/** Its internal part. */
export interface PrivateSpec {
  tenant: string;
  context: JsonObject;
  /** Data passed to stages in addition to their dependencies', for a stage that is run on its own. */
  inputs: Record<string, JsonObject | null>;
  /**
   * Stages of the pipeline that the run leaves out: null to conditions. Absent where there are none, and in runs of
   * versions that did not keep them.
   */
  left_out?: string[];
  on_disconnect: OnDisconnect;
  /** The caller that started it watches it: after a crash their absence counts. */
  watched: boolean;
  /**
   * Its readers leave where it is paused or waits, to answer later: their absence counts only while it goes on. For good
   * where its caller has an answer then: it counts no more.
   */
  rests_alone?: true | "for_good";
  config: RunConfig;
  /** The registration of each agent type the stages name; null if it is not registered. */
  agents: Record<string, RegisteredAgent | null>;
  history: ConversationTurn[];
  /** Of the request's body, if the caller named the execution: distinguishes a repetition from another request. */
  digest: string | null;
  traceparent: string | null;
  storage: "durable_object" | "memory";
  /** Where agents that answer later reach the coordinator; absent where no stage lets them. */
  origin?: string;
  /** Every agent is called: the result cache is not read, but stores the new results. */
  bypass_cache?: true;
  /** The shards of the execution index when it started: core/monitoring/shards.ts. Absent in runs of earlier versions. */
  index_shards?: number;
  /** How it was admitted to its conversation; absent where it runs beside others. */
  on_busy?: Exclude<OnBusy, "parallel">;
  /** Former shards of its conversation, where it was queued and there are any. */
  former_shards?: FormerHome[];
  /** Labels that its caller has given it. */
  tags?: Tags;
  /** What it may spend; absent where that is not bounded. */
  budget?: Budget;
  /** Among the runs that wait for a place at an agent; absent where it is 0. */
  priority?: number;
  /** It is no turn of its conversation: its caller keeps the history. */
  no_turn?: true;
  /** Its history is given, as a fork's is: also where it is queued it has none of a later time. */
  keeps_history?: true;
  /**
   * What a fork takes over, in the order in which it had ended, after the data that its caller gives. In the log they
   * are the fork's first events: the spec has them until then.
   */
  reused?: ReusedStage[];
  /** The turn whose place its answer takes. */
  replaces?: ReplacedTurn;
  /** The stage that runs it; absent where it is no stage's. */
  parent?: ParentStage;
  /** The pipelines of the executions whose stages run it, the first one first; absent where the config has no budgets. */
  outer_pipelines?: string[];
  /** The pipelines that its stages run, and those that these run, as they were when the first of all began. */
  pipelines?: Record<string, PinnedPipeline>;
  /** The same of the result cache; absent in runs of versions that had EARLIER_SHARDS. */
  cache_shards?: number;
}

/** A stage that ends without a call: it has completed, or was skipped. */
export interface ReusedStage {
  result: StageResult;
  /** Where the result is taken over from; null where the caller gives it. */
  from: LogPlace | null;
  /** What the answer had added to the context. */
  patch?: JsonObject;
  /** What it had streamed. */
  text?: string;
  /** The stages whose additions to the context its call had seen. */
  saw?: string[];
  /** What a wait stage had shown. */
  prompt?: JsonObject;
}

/** A stage of another execution, or an item of it. */
export interface ParentStage {
  execution_id: string;
  unit: UnitName;
}

/** A definition of a pipeline. */
export interface PinnedPipeline {
  version: number;
  stages: ResolvedStage[];
}

/** A turn of a conversation. */
export interface ReplacedTurn {
  /** The first execution that had it, and when that one started, ms since the epoch. */
  execution_id: string;
  start: number;
  /** Its place among the turns: when the first execution that had it ended, ms since the epoch. */
  at: number;
}

export interface RunSpec extends PublicSpec, PrivateSpec {
  execution_id: string;
}
