// What a fork's spec takes over of its source, by the plan of it.
import type { StageResult } from "../../contract/stage.ts";
import type { ReusedStage } from "../execution/run-spec.ts";
import type { ForkSource } from "./fork-source.ts";
import { type ForkPlan, patchesSeen } from "./plan-fork.ts";

/** In the order of the events that they become: the data that the caller gives, then the rest as it had ended. */
export function reusedStages(source: ForkSource, { reused, set }: ForkPlan): ReusedStage[] {
  const { execution_id } = source.spec;
  const given = set.map(
    ([stage, data]): ReusedStage => ({ result: givenResult(stage, data), from: null, saw: [] }),
  );
  const taken = reused.map((stage): ReusedStage => {
    const { result, ended_seq, asked_seq, patch, text, prompt } = stage;
    return {
      result,
      from: { execution_id, seq: ended_seq },
      ...(patch === undefined ? {} : { patch }),
      ...(text === undefined ? {} : { text }),
      ...(prompt === undefined ? {} : { prompt }),
      saw: patchesSeen(source, stage, asked_seq).map((seen) => seen.result.stage),
    };
  });
  return [...given, ...taken];
}

/** Of what a stage takes over only its data, its fallback and who has answered it are looked at. */
function givenResult(stage: string, data: StageResult["data"]): StageResult {
  return {
    stage,
    agent_type: null,
    status: "completed",
    attempts: 0,
    start_time: null,
    end_time: null,
    duration_ms: null,
    data,
    error: null,
    cached: false,
    fallback: null,
    skip_reason: null,
    usage: null,
    answered_by: null,
    reused_from: null,
  };
}
