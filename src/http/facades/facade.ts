// What the routes of other protocols share: a question in the product's own terms, the run's events through an encoder,
// and the execution of a run that is waited for.
import type { ConversationTurn, PipelineExecution } from "../../contract/execution.ts";
import { cutName, Name } from "../../contract/names.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../contract/problem.ts";
import { ExecutionRequest } from "../../contract/requests.ts";
import type * as z from "../../contract/zod.ts";
import type { Encoder } from "../../core/dialects/encoder.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import { refusalOf } from "../../engine/object-protocol.ts";
import type { Text } from "../../engine/watch/text-stream.ts";
import type { Call } from "../context.ts";
import type { Refused } from "../endpoint.ts";
import { invalid, parseWith } from "../request/body.ts";
import { JSON_TYPE, SSE_TYPE } from "../route.ts";
import { planStart } from "../runs/start-run.ts";
import {
  reattachRun,
  type StartRequest,
  streamRun,
  waitForRun,
  waitWatched,
} from "../runs/start-or-attach.ts";
import { streamResponse } from "../streaming/follower.ts";

/** A POST of another protocol, which may be answered with its event stream. */
const POST = {
  method: "post",
  permission: "execute",
  produces: [SSE_TYPE, JSON_TYPE],
  any_accept: true,
  any_query: true,
} as const;

/** One that runs a pipeline. */
export const RUN_POST = { ...POST, starts_work: true, answers: { 200: { media: SSE_TYPE } } } as const;

/** One of JSON-RPC, whose method is in the body. */
export const RPC_POST = { ...POST, dialect: "json-rpc", starts_work: "by_handler" } as const;

/** A client's own list of messages may be long: useChat sends all of it each time. */
export const MESSAGES_BYTES = 1024 * 1024;
/** Their body. */
export const MESSAGES = { max_bytes: MESSAGES_BYTES, any_integer: true } as const;

/** The pipeline's name in a path: what cannot be one is of no pipeline. */
export function pipelineName(text: string): Result<string> {
  return Name.safeParse(text).success
    ? ok(text)
    : err({ code: "PIPELINE_NOT_FOUND", pipeline: cutName(text) });
}

/** A run as a client of another protocol asks for it. */
export type FacadeRun = { [Field in keyof z.input<typeof ExecutionRequest>]: unknown } & {
  /** The client keeps the conversation: its turns, oldest first, instead of those that the coordinator remembers. */
  history?: ConversationTurn[];
  /**
   * Its stream ends where it is paused or asks: that its reader leaves then is no reason to cancel it. For good where that
   * is an answer, for which its caller does not come back.
   */
  rests_alone?: true | "for_good";
};

/**
 * @param sent the body as it was sent, which a repetition must equal
 * @param watched the caller follows the run from its start
 * @param places of the body that fields of the run come from, as JSON pointers, by field; for messages about them
 */
export async function planFacadeRun(
  call: Call,
  { history, rests_alone, ...run }: FacadeRun,
  sent: unknown,
  watched: boolean,
  places: Readonly<Record<string, string>>,
): Promise<Result<StartRequest>> {
  const request = parseWith(ExecutionRequest, run);
  if (!request.ok) return err(placed(request.error, places));
  const given = {
    ...(history === undefined ? {} : { history }),
    ...(rests_alone === undefined ? {} : { rests_alone }),
  };
  return planStart(call, { ...request.value, ...given }, sent, watched);
}

/** The error of a field that the body names otherwise. */
function placed(error: CoordinatorError, places: Readonly<Record<string, string>>): CoordinatorError {
  if (error.code !== "INVALID_REQUEST") return error;
  return invalid(
    error.errors.map(({ pointer, detail }): InputError => {
      const [, field = "", ...rest] = pointer.split("/");
      const place = Object.hasOwn(places, field) ? places[field] : undefined;
      return { pointer: [place ?? `/${field}`, ...rest].join("/"), detail };
    }),
  );
}

/** Starts the run, or attaches to it, and streams it in the encoder's protocol, from its first event on. */
export async function streamStart(
  call: Call,
  request: StartRequest,
  encoder: Encoder,
  headers: Record<string, string> = {},
): Promise<Result<Response>> {
  const first = await streamRun(call, { ...request, after: 0 });
  if (!first.ok) return first;
  const { clock } = call.var.services;
  const reattach = reattachRun(call, request);
  return ok(streamResponse(first.value, 0, reattach, clock, headers, encoder));
}

/** Streams an execution that is there in the encoder's protocol, from its first event on. */
export async function streamExisting(
  call: Call,
  execution_id: string,
  encoder: Encoder,
  headers: Record<string, string> = {},
): Promise<Result<Response>> {
  const { services, tenant } = call.var;
  const attach = (after: number, reattach: boolean) => {
    const reader = { after, resumes: after > 0, reattach, rests: true, started_at: null };
    return services.executions.stream(tenant, execution_id, reader, call.req.raw.signal);
  };
  const first = await attach(0, false);
  const refusal = await refusalOf(first);
  if (refusal !== null) return err(refusal);
  const reattach = {
    stream: (after: number) => attach(after, true),
    rest: (after: number) => services.executions.rest(tenant, execution_id, { after, started_at: null }),
  };
  return ok(streamResponse(first, 0, reattach, services.clock, headers, encoder));
}

export type Served = { stream: Response } | Refused;

/** What a handler answers with a stream, or why there is none. */
export function served(streamed: Result<Response>): Served {
  return streamed.ok ? { stream: streamed.value } : streamed;
}

/** One that has ended stays as it is. */
export async function cancelRun(call: Call, execution_id: string, reason: string): Promise<Result<null>> {
  const { services, tenant } = call.var;
  const cancelled = await services.executions.rpc(tenant, execution_id).control({ type: "cancel", reason });
  if (!cancelled.ok) return cancelled.error.code === "EXECUTION_CONFLICT" ? ok(null) : cancelled;
  if (typeof cancelled.value.json !== "string") await cancelled.value.json.cancel();
  return ok(null);
}

/**
 * Starts the run, or attaches to it, and waits for it.
 * @param wait_ms null waits for its end
 * @param isWatching the caller's leaving matters to the run: it is to be cancelled then
 */
export async function waitForExecution(
  call: Call,
  request: StartRequest,
  wait_ms: number | null,
  isWatching: boolean,
): Promise<Result<PipelineExecution>> {
  if (isWatching) {
    const watched = await waitWatched(call, request, wait_ms);
    return watched.ok ? ok(executionOf(await watched.value.text())) : watched;
  }
  const waited = await waitForRun(call, request, wait_ms);
  return waited.ok ? ok(executionOf(await wholeText(waited.value.json))) : waited;
}

/**
 * The same for a caller whose leaving matters, where the status is 200 however the run ends: spaces, which JSON
 * allows before its value, and by which one that has left is noticed; then what is made of the execution.
 */
export async function watchedAnswer(
  call: Call,
  request: StartRequest,
  answerOf: (execution: PipelineExecution) => object,
  headers: Record<string, string> = {},
): Promise<Result<Response>> {
  const watched = await waitWatched(call, request, null);
  if (!watched.ok) return watched;
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let json = "";
  const translated = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      json += decoder.decode(chunk, { stream: true });
      if (json.trim() !== "") return;
      controller.enqueue(chunk);
      json = "";
    },
    flush: (controller) => controller.enqueue(encoder.encode(JSON.stringify(answerOf(executionOf(json))))),
  });
  const body = watched.value.body?.pipeThrough(translated) ?? null;
  return ok(new Response(body, { headers: { ...headers, "content-type": JSON_TYPE } }));
}

/** An execution that is there. */
export async function readExecution(call: Call, execution_id: string): Promise<Result<PipelineExecution>> {
  const { services, tenant } = call.var;
  const read = await services.executions.rpc(tenant, execution_id).read();
  return read.ok ? ok(executionOf(await wholeText(read.value.json))) : read;
}

function executionOf(json: string): PipelineExecution {
  return parseJson(json) as PipelineExecution;
}

function wholeText(text: Text): Promise<string> {
  return typeof text === "string" ? Promise.resolve(text) : new Response(text).text();
}
