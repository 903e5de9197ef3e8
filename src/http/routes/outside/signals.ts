// Answers to the questions of an execution, by callers with a key; and tokens by which somebody without a key answers
// one of them.
import { cutName } from "../../../contract/names.ts";
import { type CoordinatorError, err, ok, type Result } from "../../../contract/problem.ts";
import type { StageResult } from "../../../contract/stage.ts";
import { CompleteRequest, FailRequest } from "../../../contract/wait.ts";
import { toBase64Url } from "../../../core/bytes.ts";
import type { StageWait } from "../../../core/execution/view/stage-wait.ts";
import type { SignalCommand } from "../../../engine/object-protocol.ts";
import type { Call } from "../../context.ts";
import { asJson, endpoint, type JsonText, type Refused } from "../../endpoint.ts";
import { OBJECT_ERRORS } from "../../openapi/description.ts";
import { executionId } from "../../runs/identify.ts";

const STAGE = "/v1/executions/:id/stages/:stage";
const ANSWERS = { 200: "StageResult", 202: "StageResult" } as const;
const TOKEN_ID_BYTES = 6;

const params = { id: executionId, stage: (text: string): Result<string> => ok(text) };
const ERRORS = ["EXECUTION_NOT_FOUND", "STAGE_NOT_FOUND", "EXECUTION_CONFLICT", ...OBJECT_ERRORS] as const;

export const signals = [
  endpoint({
    id: "complete_stage",
    method: "post",
    path: `${STAGE}/complete`,
    permission: "execute",
    params,
    body: { name: "CompleteRequest", schema: CompleteRequest, any_integer: true },
    answers: ANSWERS,
    describe: () => ({
      summary: "Answer the question of a stage",
      answers: { 200: "The stage, with the answer as its data", 202: EARLY },
      errors: [...ERRORS, "SCHEMA_MISMATCH"],
    }),
    handle: ({ call, params: stage, body: { data } }) => signal(call, stage, { ok: true, data }),
  }),
  endpoint({
    id: "fail_stage",
    method: "post",
    path: `${STAGE}/fail`,
    permission: "execute",
    params,
    body: { name: "FailRequest", schema: FailRequest },
    answers: ANSWERS,
    describe: () => ({
      summary: "Answer the question of a stage with a failure",
      answers: { 200: "The stage, failed, or as its fallback has it", 202: EARLY },
      errors: ERRORS,
    }),
    handle: ({ call, params: stage, body: { message } }) => signal(call, stage, { ok: false, message }),
  }),
  endpoint({
    id: "create_wait_token",
    method: "post",
    path: `${STAGE}/token`,
    permission: "execute",
    params,
    answers: { 200: "WaitToken" },
    describe: () => ({
      summary: "Create a token by which somebody without a key answers the question of a stage",
      answers: { 200: "The token, and the address of a page with the question and a form" },
      errors: ERRORS,
    }),
    handle: async ({ call, services, tenant, params: { id, stage } }) => {
      const asked = await services.executions.rpc(tenant, id).waitOf(stage, null);
      if (!asked.ok) return asked;
      const { state, seq, started_at, expires_at } = asked.value;
      if (state !== "open" || seq === null || expires_at === null) {
        return err(notOpen({ execution_id: id, stage }, state));
      }
      const drawn = crypto.getRandomValues(new Uint8Array(TOKEN_ID_BYTES));
      const token = await services.access.signWaitToken({
        tenant,
        execution_id: id,
        started_at,
        stage,
        wait: seq,
        id: toBase64Url(String.fromCharCode(...drawn)),
      });
      const origin = services.settings.publicOrigin ?? new URL(call.req.url).origin;
      return { status: 200, json: { token, respond_url: `${origin}/respond/${token}`, expires_at } };
    },
  }),
];

const EARLY = "The stage, which has not begun: the answer is kept, and taken when it asks";

type Signalled = { status: 200 | 202; text: JsonText<StageResult> } | Refused;

async function signal(
  call: Call,
  { id, stage }: { id: string; stage: string },
  answer: SignalCommand["answer"],
): Promise<Signalled> {
  const { services, tenant, key_id } = call.var;
  // Without keys no caller has a name.
  const by = `key:${key_id ?? "local"}`;
  const command = { type: "signal" as const, stage, wait: null, answer, by };
  const receipt = await services.executions.rpc(tenant, id).signal({ command, started_at: null });
  if (!receipt.ok) return err(withinBody(receipt.error));
  return { status: receipt.value.status, text: asJson<StageResult>(receipt.value.json) };
}

/** A refusal whose places in an answer's data are places in the body that brought it. */
export function withinBody(error: CoordinatorError): CoordinatorError {
  if (error.code !== "SCHEMA_MISMATCH") return error;
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: `/data${pointer}`, detail }));
  return { ...error, errors };
}

/** Why a question that is not open takes no answer. */
export function notOpen(
  { execution_id, stage }: { execution_id: string; stage: string },
  state: StageWait["state"],
): CoordinatorError {
  return { code: "EXECUTION_CONFLICT", execution_id, stage: cutName(stage), why: NOT_OPEN[state] };
}

const NOT_OPEN: Readonly<Record<StageWait["state"], string>> = {
  pending: "it has not asked its question yet",
  open: "its time to answer is over",
  answered: "it has been answered already",
  expired: "its time to answer is over",
  cancelled: "it is cancelled",
  skipped: "it is skipped",
  failed: "it is failed",
};
