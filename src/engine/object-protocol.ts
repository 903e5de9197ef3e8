// What a Worker and the object of an execution agree on: RPC methods and their messages, fetch paths, response headers,
// refusals, the terms of a stream, its end marks, what a resting reader is woken with. Each is written and read by a
// function of this file alone.
import type { ExecutionStatus } from "../contract/execution.ts";
import type { CoordinatorError, Result } from "../contract/problem.ts";
import type { Usage } from "../contract/stage.ts";
import type { FlightCaller } from "../core/caching/single-flight.ts";
import type { Command, QueuePlace } from "../core/execution/command.ts";
import type { RunSpec } from "../core/execution/run-spec.ts";
import { isTerminal } from "../core/execution/state.ts";
import type { ForkSource } from "../core/forks/fork-source.ts";
import type { StageWait } from "../core/execution/view/stage-wait.ts";
import type { UnitName } from "../core/execution/units/unit-name.ts";
import { parseJson } from "../core/json/exact-integer.ts";
import type { TenantHealth } from "../core/resilience/breaker.ts";
import { TIMINGS } from "../core/timings.ts";
import { type Text, wholeText, withEnd } from "./watch/text-stream.ts";

// Messages

/** A run to start, or to attach to where it is there already. */
export interface Start {
  /** Fingerprint of the request for a caller-given id; null if the id is random. */
  digest: string | null;
  /** Null where nothing can be started, and only attaching is left. */
  spec: RunSpec | null;
  /** The Worker's known health of the tenant's agents, so that the first call needs no request; null if unknown. */
  health: TenantHealth | null;
  /** It waits for the execution before it in its conversation. */
  queued?: QueuePlace;
}

/** Wait for the execution as JSON for at most this many ms (null: until it is terminal). */
export interface RunMessage extends Start {
  wait_ms: number | null;
}

/** To follow it, as a stream or waiting for JSON: the object notices when the caller leaves. */
export interface FollowMessage extends Start {
  /** The `seq` that the caller has. */
  after: number;
  /** The caller had a stream of this run, which broke off before its end. */
  reattach?: true;
  /** A stream may end with the rest mark. */
  rests?: true;
  /** For `stream_url` in an answer that the object writes: the key that the stream's token is made for. */
  answer: "stream" | { wait_ms: number | null; key_id: string | null };
}

/** The requester of a stream. */
export interface StreamReader {
  /** The last `seq` that the reader has. */
  after: number;
  /** The reader was cut off after that, and may have half a text. */
  resumes: boolean;
  /** The reader had a stream of this run, which broke off before its end. */
  reattach: boolean;
  /** The stream may end with the rest mark: a Worker of an earlier version does not know it. */
  rests: boolean;
  /** The run's start in the reader's token; null without a token. */
  started_at: number | null;
}

/** A reader that has all events of a run that is at rest, and waits for the next one without a stream. */
export type RestingReader = Pick<StreamReader, "after" | "started_at">;

export type ControlCommand = Extract<Command, { type: "pause" | "resume" | "cancel" }>;

export type SignalCommand = Extract<Command, { type: "signal" }>;

/** A person or a system answers a wait stage. */
export interface SignalMessage {
  command: SignalCommand;
  /** What the caller's token says of the run's start, ms since the epoch; null for a caller with a key. */
  started_at: number | null;
}

/** An answer that was accepted, now or before. */
export interface SignalReceipt {
  /** 202: it is kept until the stage asks. */
  status: 200 | 202;
  /** The StageResult as it is then. */
  json: string;
}

/** What a caller's token says of a wait. */
export interface WaitToken {
  /** The `seq` of its stage.waiting. */
  seq: number;
  /** The run's start, ms since the epoch. */
  started_at: number;
}

/** The call that a callback belongs to, as its token says. */
export interface CallbackTarget {
  /** Its unit. */
  stage: UnitName;
  /** The `seq` of its stage.started. */
  call: number;
  /** The run's start, ms since the epoch. */
  started_at: number;
}

/** What an agent sends with a callback. */
export type Sent = Pick<Request, "headers" | "body">;

/** What a callback was taken for; `repeated`: the same was accepted before. */
export type CallbackReceipt = "accepted" | "repeated" | "alive";

/** The form of a list of an execution's events: the events themselves, or its trace. */
export type EventView = "events" | "trace";

/** JSON text of a PipelineExecution, with the fields that the Worker needs. */
export interface ExecutionText {
  status: ExecutionStatus;
  /** Ms since the epoch. */
  started_at: number;
  json: Text;
}

// RPC

/** A call in flight, for other runs to follow. */
export interface SharedCall {
  /** As caches hold it: hashes. */
  key: { tenant: string; exact: string; family: string };
  caller: FlightCaller;
  /** How long its try may still take. */
  lease_ms: number;
}

/** What the object of an execution says of its run; `absent`: there is none, or not yet. */
export type RunPresence = "absent" | "going" | "ended";

/** The methods that the object answers by RPC. */
export interface ExecutionRpc {
  /** @param message of runText */
  run(message: string): Promise<Result<ExecutionText>>;
  read(): Promise<Result<ExecutionText>>;
  control(command: ControlCommand): Promise<Result<ExecutionText>>;
  /**
   * The JSON list of the events after `seq`, or of all of them as a trace.
   * @param started_at what the caller's token says of the run's start; null where it has none
   */
  events(after: number, view: EventView, started_at: number | null): Promise<Result<Text>>;
  /** What a fork of it needs, as a ForkSource in JSON. */
  forkSource(): Promise<Result<Text>>;
  /**
   * Answers a wait stage; written before it resolves. Refused with STAGE_NOT_FOUND, SCHEMA_MISMATCH, EXECUTION_CONFLICT;
   * to a token of another run with NOT_FOUND.
   */
  signal(message: SignalMessage): Promise<Result<SignalReceipt>>;
  /**
   * What a wait stage asks.
   * @param token null for a caller with a key; to a token of another wait or another run the answer is NOT_FOUND
   */
  waitOf(stage: string, token: WaitToken | null): Promise<Result<StageWait>>;
  /** Deletes an execution that has ended, here and wherever something of it is kept. */
  forget(): Promise<Result<null>>;
  /**
   * The retention of the run that began then is over: its object is emptied. One that still has something to report has
   * an alarm, and empties itself.
   * @param started_at ms since the epoch
   */
  expire(started_at: number): Promise<void>;
  /** Whether this instance of the object has the call in flight. @param call the `seq` of its stage.started */
  isCalling(call: number): Promise<boolean>;
  /**
   * Another run is at the same question: this one tells the cache what it has made, and each of its stages asks from
   * now on. Its calls in flight; null where this instance has no run that goes on.
   */
  shareCalls(): Promise<SharedCall[] | null>;
  /** One that is queued may be the next of its conversation: it asks the index for its place. Nothing else changes. */
  admit(): Promise<RunPresence>;
  /**
   * Cancels a run for a later question of its conversation; `ended` once the index has its end.
   * @param by the execution of that question
   */
  supersede(by: string): Promise<RunPresence>;
  /**
   * Pauses, resumes or cancels the execution for the one whose stage runs it. What is so already stays so. One that is
   * cancelled before it is there does not begin in this instance.
   */
  steer(command: ControlCommand): Promise<void>;
  /**
   * The execution that a unit runs has begun, rests, goes on or has ended: written before it resolves.
   * @param seq its last event, which its stage reads where that has not; null where there is nothing that it must read
   * @returns what it is to do: the command for it may have come before it was there
   * @throws where the unit's call has not heard of it in time; it is to be said again
   */
  childMoved(unit: string, child: string, seq: number | null): Promise<ControlCommand | null>;
  /** How an execution has ended that a stage of another one runs: a ChildEnd in JSON. */
  ending(): Promise<Result<Text>>;
  /** The next question of its conversation is there: resolves once a run that has ended here has reported its end. */
  reportEnd(): Promise<void>;
}

/** The pieces of a ForkSource: a large one leaves the object as a stream. */
export function* forkSourcePieces({ stages, ...head }: ForkSource): Generator<string> {
  let separator = `${JSON.stringify(head).slice(0, -1)},"stages":[`;
  for (const stage of stages) {
    yield separator + JSON.stringify(stage);
    separator = ",";
  }
  yield stages.length === 0 ? `${separator}]}` : "]}";
}

export async function readForkSource(text: Text): Promise<ForkSource> {
  return parseJson(await wholeText(text)) as ForkSource;
}

/** A RunMessage as one JSON text: an object of many members costs more on the way. */
export function runText(message: RunMessage): string {
  return JSON.stringify(message);
}

export function readRunText(text: string): RunMessage {
  return parseJson(text) as RunMessage;
}

/** What an execution gives to the stage that runs it. */
export interface ChildEnd {
  /** Its final result, whole. */
  data: unknown;
  usage: Usage;
}

// Requests by fetch: the object notices that the caller leaves

/** What `fetch` takes. */
export interface ObjectRequest {
  url: string;
  init: RequestInit;
}

const ORIGIN = "https://execution";

export function followRequest(message: FollowMessage, signal: AbortSignal): ObjectRequest {
  return { url: `${ORIGIN}/run`, init: { method: "POST", body: JSON.stringify(message), signal } };
}

export function streamRequest(reader: StreamReader, signal: AbortSignal): ObjectRequest {
  const { after, resumes, reattach, rests } = reader;
  const flags = `${resumes ? "&resumes" : ""}${reattach ? "&reattach" : ""}${rests ? "&rests" : ""}`;
  return { url: `${ORIGIN}/events?after=${after}${flags}${startOf(reader)}`, init: { signal } };
}

/** For a socket on which the object says when the reader has to come back. */
export function restRequest(reader: RestingReader): ObjectRequest {
  const url = `${ORIGIN}/rest?after=${reader.after}${startOf(reader)}`;
  return { url, init: { headers: { upgrade: "websocket" } } };
}

function startOf({ started_at }: RestingReader): string {
  return started_at === null ? "" : `&started_at=${started_at}`;
}

/** The request that the object received. */
export async function readRequest(
  request: Request,
): Promise<{ run: FollowMessage } | { events: StreamReader } | { rest: RestingReader }> {
  const { pathname, searchParams } = new URL(request.url);
  if (request.method === "POST") return { run: parseJson(await request.text()) as FollowMessage };
  const start = searchParams.get("started_at");
  const after = Number(searchParams.get("after"));
  const started_at = start === null ? null : Number(start);
  if (pathname === "/rest") return { rest: { after, started_at } };
  return {
    events: {
      after,
      resumes: searchParams.has("resumes"),
      reattach: searchParams.has("reattach"),
      rests: searchParams.has("rests"),
      started_at,
    },
  };
}

// Responses

const REFUSAL_TYPE = "application/vnd.agent-coordinator.refusal+json";
const STATUS_HEADER = "x-execution-status";
const TERMS_HEADER = "x-stream-terms";
const MARKS = { terminal: ":end", rest: ":rest" } as const;

/** A CoordinatorError instead of an answer. */
export function refusalResponse(error: CoordinatorError): Response {
  return new Response(JSON.stringify(error), { headers: { "content-type": REFUSAL_TYPE } });
}

/** The refusal that a response of the object carries, or null. */
export async function refusalOf(response: Response): Promise<CoordinatorError | null> {
  if (response.headers.get("content-type") !== REFUSAL_TYPE) return null;
  return (await response.json()) as CoordinatorError;
}

/**
 * The JSON of an execution.
 * @param status null where the response begins before the status is known
 */
export function executionResponse(body: Text, status: ExecutionStatus | null): Response {
  const known = status === null ? {} : { [STATUS_HEADER]: status };
  return new Response(body, { headers: { "content-type": "application/json", ...known } });
}

/** The status of the execution whose JSON a response holds; null where it was not known when the response began. */
export function statusOf(response: Response): ExecutionStatus | null {
  return response.headers.get(STATUS_HEADER) as ExecutionStatus | null;
}

/** The execution has ended, and the reader has all of its events. */
export function completeResponse(): Response {
  return new Response(null, { status: 204 });
}

export function isComplete(response: Response): boolean {
  return response.status === 204;
}

/** How the Worker serves a stream's reader: of the config that the run holds, which only the object knows. */
export interface StreamTerms {
  /** A comment line after this long without an event; detects disconnected readers. */
  heartbeat_ms: number;
  /** Events buffered for a slow reader. */
  buffer_events: number;
  /** How long a reader may stall while that buffer is full; 0: not at all. */
  stall_ms: number;
}

/** The terms for readers of this run. */
export function termsOf(spec: RunSpec): StreamTerms {
  const { stream_buffer_size, stream_timeout_ms, enable_backpressure } = spec.config;
  return {
    heartbeat_ms: spec.on_disconnect === "cancel" ? TIMINGS.HEARTBEAT_WATCHED_MS : TIMINGS.HEARTBEAT_MS,
    buffer_events: stream_buffer_size,
    stall_ms: enable_backpressure ? stream_timeout_ms : 0,
  };
}

/** A run's event stream. */
export function eventsResponse(stream: ReadableStream<Uint8Array>, terms: StreamTerms): Response {
  return new Response(stream, { headers: { [TERMS_HEADER]: JSON.stringify(terms) } });
}

/** The terms that an event stream came with. */
export function readTerms(response: Response): StreamTerms {
  return JSON.parse(response.headers.get(TERMS_HEADER) ?? "") as StreamTerms;
}

/** Why a stream ends: the run has, or it is at rest and the reader has all of its events. */
export type StreamEnd = keyof typeof MARKS;

/**
 * The last bytes of a stream; one that stops without a mark was interrupted, and is taken up again after its last
 * `seq`. No blank line follows, so no reader takes them for an event.
 */
export const endMarks: Readonly<Record<StreamEnd, Uint8Array>> = {
  terminal: new TextEncoder().encode(MARKS.terminal),
  rest: new TextEncoder().encode(MARKS.rest),
};

/** Why a stream ended; null where it was interrupted. @param tail what came after its last whole event */
export function endOf(tail: Uint8Array): StreamEnd | null {
  const text = new TextDecoder().decode(tail);
  if (text === MARKS.terminal) return "terminal";
  return text === MARKS.rest ? "rest" : null;
}

// Readers of a run at rest

/** The Worker's end of a resting reader's socket. */
export function socketResponse(socket: WebSocket): Response {
  return new Response(null, { status: 101, webSocket: socket });
}

/** The socket that a response carries, or null. */
export function socketOf(response: Response): WebSocket | null {
  return response.webSocket ?? null;
}

/** The one message of that socket, before it closes: something has happened. @param wait_ms come back so much later */
export function wakeMessage(wait_ms: number): string {
  return String(wait_ms);
}

/** How much later the reader is to come back, in ms. */
export function readWakeMessage(message: unknown): number {
  return Number(message);
}

// The stream's URL, which Worker and object both write into an execution's JSON

/** Where a browser follows an execution, with the token that lets its EventSource in. */
export function streamUrlOf(execution_id: string, token: string): string {
  return `/v1/executions/${execution_id}/events?token=${token}`;
}

/** The JSON of an answer: one about an execution that is not terminal says where to follow it. */
export function withStreamUrl(
  { status, json }: Pick<ExecutionText, "status" | "json">,
  stream_url: string,
): Text {
  return isTerminal(status) ? json : withEnd(json, `,"stream_url":${JSON.stringify(stream_url)}}`);
}
