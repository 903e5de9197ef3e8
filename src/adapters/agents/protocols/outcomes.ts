// The outcomes that the answers of other protocols' agents have in common.
import type { AgentAnswer } from "../../../contract/agent.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import type { Usage } from "../../../contract/stage.ts";
import { valueFault } from "../../../core/json/json.ts";
import type { CallFailure } from "../../../core/resilience/classify.ts";
import { clip } from "../parse.ts";
import type { AnswerRead } from "../protocol.ts";
import { DATA_DEPTH, type Members } from "./members.ts";

type Failed = Result<never, CallFailure>;

/** The agent breaks its protocol. */
export function broken(detail: string, status: number): Failed {
  return err({ kind: "contract", detail: clip(detail), status });
}

/** The answer stops too early. */
export function cutOff(detail: string): Failed {
  return err({ kind: "truncated", detail });
}

/** The agent says that it has failed. @param retryable null where the status decides */
export function refused(
  status: number | null,
  detail: string | null,
  retryable: boolean | null = null,
): Failed {
  return err({ kind: "stream_error", status, detail: detail === null ? null : clip(detail), retryable });
}

/** An answer of this data. @param of what has it, for the message about a value that no data may have */
export function answerOf(of: string, data: Members, status: number, usage: Usage | null = null): AnswerRead {
  const fault = valueFault(data, DATA_DEPTH);
  if (fault !== null) return broken(`the ${of}'s ${fault.pointer} ${fault.detail}`, status);
  return ok<AgentAnswer>({ data, ...(usage === null ? {} : { usage }) });
}
