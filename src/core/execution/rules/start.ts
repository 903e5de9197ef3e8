// The first batch: execution.started with everything that the run pins, and the stages that can start at once.
import { jsonBytes } from "../../json/weight.ts";
import type { ConversationTurn } from "../../../contract/execution.ts";
import { overwrittenBytes } from "../../json/weight.ts";
import { isoTime } from "../../time.ts";
import type { QueuePlace } from "../command.ts";
import { type Gates, OPEN_GATES } from "../gates/gates.ts";
import { keepText } from "../log-event.ts";
import type { PrivateSpec, PublicSpec, ReusedStage, RunSpec } from "../run-spec.ts";
import { stageOf } from "../state.ts";
import { advance } from "./advance.ts";
import { Batch } from "./batch.ts";

export function startExecution(
  spec: RunSpec,
  now: number,
  queued?: QueuePlace,
  gates: Gates = OPEN_GATES,
): Batch {
  const { execution_id, pipeline, reused } = spec;
  const shown = publicSpec(spec);
  const kept = privateSpec(spec);
  const internal = { spec: kept, bytes: jsonBytes(kept.context) };
  if (queued !== undefined) {
    const message = `${pipeline} is queued`;
    const data = { ...shown, ...queued };
    const waiting = { ...internal, spec: { ...kept, ...(reused === undefined ? {} : { reused }) } };
    return Batch.begin(
      execution_id,
      { type: "execution.queued", status: "queued", message, data, internal: waiting },
      now,
      gates,
    );
  }
  const batch = Batch.begin(
    execution_id,
    { type: "execution.started", status: "running", message: `${pipeline} started`, data: shown, internal },
    now,
    gates,
  );
  takeOver(batch, reused);
  advance(batch);
  return batch;
}

/** A run that was queued starts. */
export function admitExecution(batch: Batch, history: ConversationTurn[]): void {
  const { spec } = batch.state;
  // The state has them no more once they are events.
  const { reused } = spec;
  batch.emit({
    type: "execution.started",
    status: "running",
    message: `${spec.pipeline} started`,
    data: publicSpec(spec),
    ...(spec.keeps_history === true ? {} : { internal: { history } }),
  });
  takeOver(batch, reused);
  advance(batch);
}

/** What the log keeps of it, but for what is taken over: that becomes events. */
function privateSpec(spec: RunSpec): PrivateSpec {
  const {
    execution_id: _id,
    query: _query,
    conversation_id: _conversation,
    pipeline: _pipeline,
    pipeline_version: _version,
    stages: _stages,
    forked_from: _fork,
    reused: _reused,
    ...kept
  } = spec;
  return kept;
}

function publicSpec({
  query,
  conversation_id,
  pipeline,
  pipeline_version,
  stages,
  forked_from,
}: RunSpec): PublicSpec {
  const fork = forked_from === undefined ? {} : { forked_from };
  return { query, conversation_id, pipeline, pipeline_version, stages, ...fork };
}

/** The results that a fork takes over: its stages complete without a call, and use nothing (I20). */
function takeOver(batch: Batch, reused: readonly ReusedStage[] = []): void {
  for (const { result, from, patch, text, saw, prompt } of reused) {
    const { stage, data, fallback, answered_by } = result;
    const seen = saw === undefined ? {} : { saw };
    if (result.status === "skipped") {
      // Its condition saw the context as it was then: asked again it might see what came later.
      const reason = result.skip_reason ?? "it was skipped";
      const message = `${stage} skipped`;
      const internal = { saw: saw ?? [] };
      batch.emit({ type: "stage.skipped", stage, status: "skipped", message, data: { reason }, internal });
      continue;
    }
    const added = jsonBytes(data) + jsonBytes(patch) - overwrittenBytes(batch.state.context, patch);
    const time = isoTime(batch.now);
    batch.emit({
      type: "stage.completed",
      stage,
      status: "completed",
      attempt: 0,
      message: from === null ? `${stage} has the data that was given` : `${stage} is reused`,
      data: {
        ...stageOf(batch.state, stage).result,
        status: "completed",
        start_time: time,
        end_time: time,
        duration_ms: 0,
        data,
        fallback,
        answered_by,
        reused_from: from,
      },
      internal: {
        uncalled: true,
        bytes: added,
        ...(patch === undefined ? {} : { context: patch }),
        ...keepText(text, data ?? {}),
        ...seen,
        ...(prompt === undefined ? {} : { prompt }),
      },
    });
  }
}
