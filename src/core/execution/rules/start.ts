// The first batch: execution.started with everything that the run pins, and the stages that can start at once.
import { jsonBytes } from "../../json/weight.ts";
import { advance } from "./advance.ts";
import type { PrivateSpec, PublicSpec, RunSpec } from "../run-spec.ts";
import { Batch } from "./batch.ts";

export function startExecution(spec: RunSpec, now: number): Batch {
  const { execution_id, query, conversation_id, pipeline, pipeline_version, stages, ...kept } = spec;
  const shown: PublicSpec = { query, conversation_id, pipeline, pipeline_version, stages };
  const batch = Batch.begin(
    execution_id,
    {
      type: "execution.started",
      status: "running",
      message: `${pipeline} started`,
      data: shown,
      internal: {
        spec: kept satisfies PrivateSpec,
        bytes: jsonBytes(kept.context),
      },
    },
    now,
  );
  advance(batch);
  return batch;
}
