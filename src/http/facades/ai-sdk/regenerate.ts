// useChat's regenerate: a fork of the run that has answered, of which the last stage alone is run again. Where there is
// no such run, or it cannot be forked, the question is asked again as a new one.
import { ExecutionId } from "../../../contract/names.ts";
import { ok, type Result } from "../../../contract/problem.ts";
import { ForkRequest } from "../../../contract/requests.ts";
import type { Call } from "../../context.ts";
import { parseWith } from "../../request/body.ts";
import { planForkOf } from "../../runs/fork-spec.ts";
import { identify } from "../../runs/identify.ts";
import { runContext } from "../../runs/run-spec.ts";
import { type StartRequest, startRequest } from "../../runs/start-or-attach.ts";
import { readExecution } from "../facade.ts";
import type { ChatRequest, ChatStart } from "./messages.ts";

/** Null where it is to be asked as a new question. */
export async function planRegeneration(
  call: Call,
  request: ChatRequest,
  { asked, execution_id, pipeline, latest, question }: ChatStart,
): Promise<Result<StartRequest> | null> {
  const named = ExecutionId.safeParse(request.messageId);
  const source_id = named.success ? named.data : latest?.id;
  if (source_id === undefined) return null;
  const { services } = call.var;
  const source = await readExecution(call, source_id);
  if (!source.ok || source.value.conversation_id !== request.id || source.value.pipeline !== pipeline) {
    return null;
  }
  const { final_stages, query } = source.value;
  const [from] = final_stages;
  // A fork begins with one stage.
  if (from === undefined || final_stages.length > 1) return null;
  const fork = parseWith(ForkRequest, {
    from,
    ...(query === question.query ? {} : { query: question.query }),
    ...(request.context === undefined ? {} : { context: request.context }),
    ...(request.pipeline_config === undefined ? {} : { pipeline_config: request.pipeline_config }),
    ...(question.history === undefined ? { replace_turn: true } : {}),
    on_disconnect: request.on_disconnect ?? "continue",
  });
  if (!fork.ok) return fork;
  const identity = await identify(call, asked, execution_id);
  if (!identity.ok) return identity;
  const context = runContext(call, identity.value, true);
  const planned = await planForkOf(services, source_id, fork.value, context, question.history);
  if (!planned.ok) return null;
  const begun = await planned.value.begin();
  return begun.ok ? startRequest(call, identity.value, ok(begun.value)) : begun;
}
