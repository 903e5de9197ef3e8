// An entry of the execution index: its summary, its position in the list, and until when that is worth
// believing.
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import type { Usage } from "../../contract/stage.ts";
import { cutText } from "../../contract/text.ts";
import { type KeptTurn, turnOf } from "./conversation-turn.ts";
import { usedOf } from "./metrics/costs/spending.ts";
import { type RunReport, runReport } from "./metrics/report.ts";
import type { Sharded } from "./shards.ts";
import { TIMINGS } from "../timings.ts";
import { isoTime } from "../time.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import { waitsUntil } from "../execution/alarm/report-change.ts";
import { isDeletedByIndex, retainedUntil } from "../execution/alarm/retention.ts";
import { type ExecutionState, isTerminal } from "../execution/state.ts";
import { parentOf } from "../execution/view/view.ts";
import { mayAsk, type OpenQuestion, openWaits } from "../execution/view/waits.ts";

export interface IndexEntry {
  summary: ExecutionSummary;
  /** Its start, ms since the epoch: with the id its position in the list. */
  start: number;
  /** When it ended, ms since the epoch; null where it has not. */
  end: number | null;
  /** The log's last `seq`: of two entries the later one counts, in any order of arrival. */
  seq: number;
  /** What the metrics count, once it has ended; null where it has not, or its config wants nothing counted. */
  report: RunReport | null;
  /** What the next question of its conversation receives of it; null where there is nothing. */
  turn: KeptTurn | null;
  /** Its open questions; null where no stage of it may ask. */
  waits: OpenQuestion[] | null;
  /** It has ended, and its object is deleted by the index when it expires. */
  isDeletedByIndex: boolean;
  /** What decides in which shard it is kept. */
  sharded: Sharded;
  /** From then on, in ms since the epoch, the execution is deleted, or will never report its end. */
  expires: number;
}

/** Characters of a question that the list shows. */
const QUERY_CHARS = 200;

/** The summary of an execution that is starting. @param started_at ms since the epoch */
export function startSummary(
  spec: Pick<RunSpec, "execution_id" | "query" | "conversation_id" | "pipeline" | "pipeline_version">,
  started_at: number,
): ExecutionSummary {
  const { execution_id, query, conversation_id, pipeline, pipeline_version } = spec;
  return {
    execution_id,
    status: "running",
    query: cutText(query, QUERY_CHARS),
    conversation_id,
    pipeline,
    pipeline_version,
    start_time: isoTime(started_at),
    end_time: null,
    duration_ms: null,
    error_info: null,
  };
}

export function summaryOf({
  spec,
  status,
  started_at,
  ended_at,
  error_info,
  usage,
}: ExecutionState): ExecutionSummary {
  return {
    ...startSummary(spec, started_at),
    status,
    end_time: ended_at === null ? null : isoTime(ended_at),
    duration_ms: ended_at === null ? null : ended_at - started_at,
    error_info,
    ...(spec.forked_from === undefined ? {} : { forked_from: spec.forked_from }),
    ...(spec.parent === undefined ? {} : { parent: parentOf(spec.parent) }),
    ...usageOf(usage),
  };
}

function usageOf(usage: Usage): Pick<ExecutionSummary, "usage"> {
  const used = usedOf(usage);
  if (used === null) return {};
  const { cost_usd, input_tokens, output_tokens, unpriced_tokens } = used;
  const unpriced = unpriced_tokens === 0 ? {} : { unpriced_tokens };
  return { usage: { cost_usd, input_tokens, output_tokens, ...unpriced } };
}

/** @param now of the report, ms since the epoch: until when an entry is worth believing counts from it */
export function indexEntry(state: ExecutionState, now: number = state.updated_at): IndexEntry {
  const { spec } = state;
  return {
    summary: summaryOf(state),
    start: state.started_at,
    end: state.ended_at,
    seq: state.seq,
    report: runReport(state),
    turn: spec.index_shards === undefined ? null : turnOf(state),
    waits: mayAsk(state) ? openWaits(state) : null,
    isDeletedByIndex: isTerminal(state.status) && isDeletedByIndex(state),
    sharded: spec,
    expires: expiry(state, now),
  };
}

function expiry(state: ExecutionState, now: number): number {
  if (isTerminal(state.status)) return retainedUntil(state);
  if (state.spec.storage === "memory") return now + 2 * TIMINGS.MEMORY_LISTED_MS;
  const { max_pause_seconds } = state.spec.config;
  const since = state.status === "queued" ? state.started_at : state.paused_at;
  const paused = since === null ? 0 : since + max_pause_seconds * 1_000;
  return Math.max(state.deadline_at, paused, waitsUntil(state)) + TIMINGS.INDEX_GRACE_MS;
}
