// The open questions of a run: what the inbox lists, and what a webhook says of them. A wait for an agent's callback is no
// question: only the agent answers it.
import type { OpenWait } from "../../../contract/wait.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { isoTime } from "../../time.ts";
import type { RunSpec } from "../run-spec.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, isTerminal } from "../state.ts";

export interface OpenQuestion {
  stage: string;
  /** The `seq` of its stage.waiting. */
  seq: number;
  /** Ms since the epoch. */
  since: number;
  expires_at: number;
  prompt: JsonObject;
  /** Null where any object is an answer. */
  schema: JsonObject | null;
}

/** The questions that are open, in definition order. */
export function openWaits(state: ExecutionState): OpenQuestion[] {
  if (isTerminal(state.status)) return [];
  return state.stages.flatMap(({ wait, result: { stage } }) => {
    if (wait?.reason !== "wait") return [];
    const { seq, since, expires_at, prompt } = wait;
    const schema = specOf(state, stage).wait?.schema ?? wait.schema;
    return [{ stage, seq, since, expires_at, prompt, schema }];
  });
}

/** Whether the run has asked a question so far, and may have more of them open or closed than others know of. */
export function hasAsked({ spec, stages }: ExecutionState): boolean {
  return stages.some(({ began_seq, questions }, at) => {
    return questions > 0 || (began_seq > 0 && spec.stages[at]?.wait !== undefined);
  });
}

/** Whether a stage of the run may ask. */
export function mayAsk({ spec }: Pick<ExecutionState, "spec">): boolean {
  return spec.stages.some(
    ({ wait, on_input_required }) => wait !== undefined || on_input_required === "wait",
  );
}

/** An open question as an entry of the inbox. */
export function inboxEntry(
  { spec }: { spec: Pick<RunSpec, "execution_id" | "pipeline" | "conversation_id"> },
  question: OpenQuestion,
): OpenWait {
  const { stage, prompt, schema, expires_at } = question;
  const { execution_id, pipeline, conversation_id } = spec;
  return {
    execution_id,
    stage,
    pipeline,
    conversation_id,
    prompt,
    schema,
    expires_at: isoTime(expires_at),
  };
}
