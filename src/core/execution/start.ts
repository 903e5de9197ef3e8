// The first batch: execution.started with everything that the run pins, and the stages that can start at once.
import { jsonBytes } from "../json/weight.ts";
import { advance } from "./advance.ts";
import type { PrivateSpec, PublicSpec, RunSpec } from "./run-spec.ts";
import { Turn } from "./batch.ts";

export function startExecution(spec: RunSpec, now: number): Turn {
  const { execution_id, query, conversation_id, pipeline, pipeline_version, stages, ...kept } = spec;
  const shown: PublicSpec = { query, conversation_id, pipeline, pipeline_version, stages };
  const turn = Turn.begin(
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
  advance(turn);
  return turn;
}
