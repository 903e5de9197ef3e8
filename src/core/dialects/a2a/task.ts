// A2A's task: an execution as its clients see it. Each of the last stages that has completed is an artifact.
import type { PipelineExecution } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { answerText } from "../answer-fold.ts";
import { headingOf } from "../run-stages.ts";

/** A question to a person that is open. */
export interface OpenWait {
  stage: string;
  prompt: JsonObject;
  schema: JsonObject | null;
}

export const MARKDOWN = "text/markdown";
export const PLAIN = "text/plain";
export const JSON_MEDIA = "application/json";

const STATES: Readonly<Record<PipelineExecution["status"], string>> = {
  queued: "TASK_STATE_SUBMITTED",
  running: "TASK_STATE_WORKING",
  waiting: "TASK_STATE_INPUT_REQUIRED",
  paused: "TASK_STATE_INPUT_REQUIRED",
  completed: "TASK_STATE_COMPLETED",
  failed: "TASK_STATE_FAILED",
  cancelled: "TASK_STATE_CANCELED",
};

/** States that no execution is in. */
const NEVER: ReadonlySet<string> = new Set(["TASK_STATE_REJECTED", "TASK_STATE_AUTH_REQUIRED"]);

export function taskState(status: PipelineExecution["status"]): string {
  return STATES[status];
}

/** The statuses of the executions whose tasks are in a state; undefined where there is no such state. */
export function statusesOf(state: string): PipelineExecution["status"][] | undefined {
  if (NEVER.has(state)) return [];
  const names = Object.keys(STATES) as PipelineExecution["status"][];
  const found = names.filter((status) => STATES[status] === state);
  return found.length === 0 ? undefined : found;
}

/** @param waits the open questions of an execution that waits */
export function taskOf(execution: PipelineExecution, waits: readonly OpenWait[] = []): JsonObject {
  const {
    execution_id: id,
    conversation_id: contextId,
    status,
    start_time,
    end_time,
    error_info,
  } = execution;
  const words =
    status === "failed"
      ? [textPart(error_info?.message ?? "the run failed", PLAIN)]
      : askedParts(status, waits);
  const message =
    words.length === 0 ? {} : { message: agentMessage(id, contextId, `${id}.${status}`, words) };
  const isQuestion = status === "waiting" && waits.length === 0;
  return {
    id,
    contextId,
    // A run that waits for an agent asks its caller nothing.
    status: {
      state: taskState(isQuestion ? "running" : status),
      ...message,
      timestamp: end_time ?? start_time,
    },
    ...(status === "completed" ? { artifacts: artifactsOf(execution) } : {}),
  };
}

function artifactsOf({ final_stages, stage_results }: PipelineExecution): JsonObject[] {
  return final_stages.flatMap((stage) => {
    const data = stage_results[stage]?.data ?? null;
    if (data === null) return [];
    const parts = [textPart(answerText(data), MARKDOWN), { data, mediaType: JSON_MEDIA }];
    return [{ artifactId: stage, name: stage, parts }];
  });
}

/** What a client is asked: a person's question with its schema, or to make a paused run go on. */
export function askedParts(status: string, waits: readonly OpenWait[]): JsonObject[] {
  if (status === "paused") return [textPart("the run is paused: a message makes it go on", PLAIN)];
  return waits.flatMap(({ stage, prompt, schema }) => [
    textPart(headingOf(prompt) ?? `${stage} waits for an answer`, PLAIN),
    { data: { stage, prompt, schema }, mediaType: JSON_MEDIA },
  ]);
}

export function agentMessage(
  taskId: string,
  contextId: string,
  messageId: string,
  parts: readonly JsonObject[],
): JsonObject {
  return { messageId, taskId, contextId, role: "ROLE_AGENT", parts };
}

export function textPart(text: string, mediaType: string): JsonObject {
  return { text, mediaType };
}
