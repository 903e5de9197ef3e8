// The error of a run without an answer, for OpenAI's clients, and its HTTP status: at most statuses they send the request
// again, which runs the whole pipeline again. They are given such a status only where another try may help.
//
// Measured with runs that fail: openai obeys `x-should-retry`; AI SDK posts three times at 408, 409, 429 and from 500 on;
// LangChain seven times at all but 400 to 407, 409 and 413. So what no further try mends is 400, also where a 422 or a 502
// would say more.
import type { PipelineExecution } from "../../../contract/execution.ts";

export interface OpenAiError {
  message: string;
  type: string;
  /** The stage that has failed. */
  param: string | null;
  code: string;
}

/** Null for a run that has completed. */
export function runError(execution: PipelineExecution): OpenAiError | null {
  const { status, error_info, execution_id } = execution;
  const error = (message: string, code: string, param: string | null = null) => ({
    message,
    type: "server_error",
    param,
    code,
  });
  switch (status) {
    case "completed":
      return null;
    case "failed": {
      const { message = "the run failed", code = "INTERNAL_ERROR", failed_stage = null } = error_info ?? {};
      return error(message, code, failed_stage);
    }
    case "cancelled":
      return error(`the execution ${execution_id} was cancelled`, "EXECUTION_CANCELLED");
    case "paused":
      return error(`the execution ${execution_id} is paused`, "EXECUTION_PAUSED");
    default:
      // A caller of these routes cannot come back: it uses /v1/responses with `background`.
      return error(`the execution ${execution_id} is ${status}`, `EXECUTION_${status.toUpperCase()}`);
  }
}

/** The HTTP status of a run that has no answer. */
export function runErrorStatus({ status, error_info, stage_results }: PipelineExecution): number {
  if (status !== "failed" || error_info === null) return 400;
  const { code, failed_stage } = error_info;
  const isRetryable =
    failed_stage === null ? code === "PIPELINE_TIMEOUT" : stage_results[failed_stage]?.error?.retryable;
  if (isRetryable !== true) return 400;
  return code.endsWith("_TIMEOUT") ? 504 : code === "AGENT_PROCESSING_ERROR" ? 502 : 503;
}
