// The page of a question, for somebody who has its token and no key. A GET shows it and never answers: programs that
// check mail open every link in it. A POST answers: with the page's form, or with JSON as `complete` takes it.
import type { JsonObject } from "../../../contract/json.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import type { StageResult } from "../../../contract/stage.ts";
import { CompleteRequest } from "../../../contract/wait.ts";
import type { StageWait } from "../../../core/execution/view/stage-wait.ts";
import { dataFaults } from "../../../core/schemas/data-faults.ts";
import { type FormField, formFields } from "../../../core/schemas/form-fields.ts";
import { readForm } from "../../../core/schemas/read-form.ts";
import type { WaitClaims } from "../../../core/security/outside-token.ts";
import type { SignalReceipt } from "../../../engine/object-protocol.ts";
import type { Services } from "../../../compose.ts";
import { asJson, endpoint } from "../../endpoint.ts";
import { OBJECT_ERRORS } from "../../openapi/description.ts";
import { mediaType, readBody, readFormBody } from "../../request/body.ts";
import { type Entered, fieldName } from "../../respond/form.ts";
import { pageHeaders, type RespondView, respondPage } from "../../respond/page.ts";
import { FORM_TYPE, HTML_TYPE, JSON_TYPE } from "../../route.ts";
import { notOpen, withinBody } from "./signals.ts";

const ROUTE = {
  path: "/respond/:token",
  permission: "token",
  any_query: true,
  params: { token: (text: string): Result<string> => ok(text) },
} as const;
const BODY = { name: "CompleteRequest", schema: CompleteRequest, any_integer: true } as const;

export const respond = [
  endpoint({
    ...ROUTE,
    id: "show_question",
    method: "get",
    produces: [HTML_TYPE],
    answers: { 200: { media: HTML_TYPE } },
    describe: () => ({
      summary: "Show the question that a token is for, and a form for the answer",
      answers: { 200: "A page; also where the question can no longer be answered" },
      errors: ["NOT_FOUND", ...OBJECT_ERRORS],
    }),
    handle: async ({ services, params: { token } }) => {
      const question = await questionOf(services, token);
      if (question.ok) return { page: pageOf(viewOf(question.value.claims, question.value.wait), 200) };
      const view = unknownView(question.error);
      return view === null ? question : { page: pageOf(view) };
    },
  }),
  endpoint({
    ...ROUTE,
    id: "answer_question",
    method: "post",
    produces: [HTML_TYPE, JSON_TYPE],
    answers: { 200: "StageResult" },
    describe: () => ({
      summary: "Answer the question that a token is for",
      takes: {
        [FORM_TYPE]: { type: "object", description: "The fields of the page's form" },
        [JSON_TYPE]: { $ref: "#/components/schemas/CompleteRequest" },
      },
      answers: { 200: "The answer was taken: a page, or the stage for a caller who sends or accepts JSON" },
      errors: ["NOT_FOUND", "EXECUTION_CONFLICT", "SCHEMA_MISMATCH", ...OBJECT_ERRORS],
    }),
    handle: async ({ call, services, params: { token }, type }) => {
      const isForm = mediaType(call.req.raw.headers) === FORM_TYPE;
      const answer = isForm ? answerByForm : answerByJson;
      const { taken, view } = await answer(services, token, call.req.raw);
      if (isForm && type === HTML_TYPE && view !== null) return { page: pageOf(view) };
      return taken.ok
        ? { status: 200, text: asJson<StageResult>(taken.value.json) }
        : err(withinBody(taken.error));
    },
  }),
];

interface Question {
  claims: WaitClaims;
  wait: StageWait;
}

/** To which question a token belongs; NOT_FOUND for any fault of it. */
async function questionOf(services: Services, token: string): Promise<Result<Question>> {
  const claims = await services.access.readWaitToken(token);
  if (claims === null) return err({ code: "NOT_FOUND" });
  const wait = await services.executions
    .rpc(claims.tenant, claims.execution_id)
    .waitOf(claims.stage, { seq: claims.wait, started_at: claims.started_at });
  return wait.ok ? ok({ claims, wait: wait.value }) : wait;
}

/** What came of an answer: for callers that read JSON, and as a page; null where it can only be a problem document. */
interface Answered {
  taken: Result<SignalReceipt>;
  view: RespondView | null;
}

async function answerByJson(services: Services, token: string, request: Request): Promise<Answered> {
  const claims = await services.access.readWaitToken(token);
  if (claims === null) return { taken: err({ code: "NOT_FOUND" }), view: null };
  const body = await readBody(request, BODY);
  if (!body.ok) return { taken: body, view: null };
  const { data } = body.value.value as CompleteRequest;
  return { taken: await signal(services, claims, data), view: null };
}

async function answerByForm(services: Services, token: string, request: Request): Promise<Answered> {
  const question = await questionOf(services, token);
  if (!question.ok) return { taken: question, view: unknownView(question.error) };
  const { claims, wait } = question.value;
  const body = await readFormBody(request);
  if (!body.ok) {
    const faults = faultsOf(body.error);
    return { taken: body, view: faults === null ? null : viewOf(claims, wait, { faults }) };
  }
  const sent = body.value.map(([name, text]) => [fieldName(name), text] as const);
  const read = readForm(fieldsOf(wait), sent);
  const answer = objectOf(read, wait);
  const taken = answer.ok
    ? await signal(services, claims, answer.value)
    : refusedForm(claims, wait, answer.error);
  if (taken.ok) return { taken, view: { state: "thanks", data: answer.ok ? answer.value : {} } };
  const faults = faultsOf(taken.error);
  if (faults === null) return { taken, view: unknownView(taken.error) };
  // It may have been answered since it was read.
  const now = taken.error.code === "EXECUTION_CONFLICT" ? await questionOf(services, token) : question;
  if (!now.ok) return { taken: now, view: unknownView(now.error) };
  return { taken, view: viewOf(claims, now.value.wait, { values: Object.fromEntries(sent), faults }) };
}

/**
 * The data of a form that can be an answer at all; the rest is for the stage to check. Where a text cannot be read, what
 * the schema refuses of the others is found here, so that a person corrects everything at once.
 */
function objectOf(
  { data, faults }: ReturnType<typeof readForm>,
  { schema }: StageWait,
): Result<JsonObject, InputError[]> {
  const isObject = data !== null && typeof data === "object" && !Array.isArray(data);
  if (faults.length === 0) {
    return isObject ? ok(data as JsonObject) : err([{ pointer: "", detail: "must be an object" }]);
  }
  if (!isObject || schema === null) return err(faults);
  // What could not be read is missing in the data, and so may the object around it be.
  const isExplained = ({ pointer }: InputError) =>
    faults.some((fault) => `${fault.pointer}/`.startsWith(`${pointer}/`));
  return err([...faults, ...dataFaults(schema, data).filter((fault) => !isExplained(fault))]);
}

function refusedForm({ execution_id, stage }: WaitClaims, { state }: StageWait, errors: InputError[]) {
  return err(
    state === "open"
      ? { code: "SCHEMA_MISMATCH" as const, stage, errors }
      : notOpen({ execution_id, stage }, state),
  );
}

function signal(services: Services, claims: WaitClaims, data: JsonObject): Promise<Result<SignalReceipt>> {
  const { tenant, execution_id, started_at, stage, wait, id } = claims;
  const command = {
    type: "signal" as const,
    stage,
    wait,
    answer: { ok: true as const, data },
    by: `token:${id}`,
  };
  return services.executions.rpc(tenant, execution_id).signal({ command, started_at });
}

/** The fields of the form. A question without a schema takes any object, also an empty one. */
function fieldsOf({ schema }: StageWait): FormField[] {
  return formFields(schema ?? { title: "Your answer", default: {} });
}

/** @param entered what was entered before, where it is still asked for */
function viewOf({ stage }: WaitClaims, wait: StageWait, entered: Entered = {}): RespondView {
  const { state, pipeline, prompt, expires_at, result } = wait;
  switch (state) {
    case "open":
      return {
        state,
        pipeline,
        stage,
        prompt,
        fields: fieldsOf(wait),
        expires_at: expires_at ?? "",
        ...entered,
      };
    case "answered":
      return { state, by: result.answered_by, at: result.end_time };
    // A stage that has asked is skipped for want of an answer alone.
    case "expired":
    case "skipped":
      return { state: "expired", at: expires_at };
    default:
      return { state: "cancelled" };
  }
}

/** What a form shows of a refusal; null where there is no form to show it in. */
function faultsOf(error: CoordinatorError): InputError[] | null {
  switch (error.code) {
    case "SCHEMA_MISMATCH":
      return error.errors;
    case "EXECUTION_CONFLICT":
      return [{ pointer: "", detail: `was not taken: ${"why" in error ? error.why : error.status}` }];
    case "RESOURCE_EXHAUSTED":
      return error.what === "body"
        ? [{ pointer: "", detail: `is larger than ${error.limit_bytes} bytes` }]
        : null;
    default:
      return null;
  }
}

/** Of a token that opens nothing. */
function unknownView({ code }: CoordinatorError): RespondView | null {
  return code === "NOT_FOUND" ? { state: "unknown" } : null;
}

/** @param status instead of the page's own, which is for an answer that was refused */
function pageOf(view: RespondView, status?: 200): Response {
  const { html, csp, status: own } = respondPage(view);
  return new Response(html, { status: status ?? own, headers: pageHeaders(csp) });
}
