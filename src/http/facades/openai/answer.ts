// The answer to a client of OpenAI's for a run that was waited for: its result, or its error with the status of
// core/dialects/openai/run-error.ts.
import type { PipelineExecution } from "../../../contract/execution.ts";
import { runError, runErrorStatus } from "../../../core/dialects/openai/run-error.ts";
import { jsonText } from "../../context.ts";

/** @param result of a run that has completed */
export function completed(execution: PipelineExecution, result: () => unknown): Response {
  const error = runError(execution);
  // The run has had its tries: the client makes none of its own.
  const headers = { "x-request-id": execution.execution_id, "x-should-retry": "false" };
  return error === null
    ? jsonText(JSON.stringify(result()), 200, headers)
    : jsonText(JSON.stringify({ error }), runErrorStatus(execution), headers);
}
