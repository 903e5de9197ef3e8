// An approval of useChat's as the answer to a stage's question.
import { err, ok, type Result } from "../../../contract/problem.ts";
import { approvalAnswer } from "../../../core/dialects/ai-sdk-approvals.ts";
import type { Call } from "../../context.ts";
import type { ChatApproval } from "./messages.ts";

/** One that comes too late changes nothing: the stream shows what has become of the question. */
export async function answerApproval(
  call: Call,
  chat_id: string,
  { execution_id, stage, seq, approved, reason }: ChatApproval,
): Promise<Result<null>> {
  const { services, tenant, key_id } = call.var;
  const rpc = services.executions.rpc(tenant, execution_id);
  const asked = await rpc.waitOf(stage, null);
  if (!asked.ok) return asked;
  // Of another chat, or of a run that had this id before.
  if (asked.value.conversation_id !== chat_id || asked.value.seq !== seq) {
    return err({ code: "EXECUTION_NOT_FOUND", execution_id });
  }
  const data = approvalAnswer(asked.value.schema, approved, reason);
  const answer = { ok: true as const, data };
  const command = { type: "signal" as const, stage, wait: seq, answer, by: `key:${key_id ?? "local"}` };
  const receipt = await rpc.signal({ command, started_at: asked.value.started_at });
  if (receipt.ok || receipt.error.code === "EXECUTION_CONFLICT") return ok(null);
  return receipt;
}
