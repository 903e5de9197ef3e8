// The agent's side of an answer that comes later (src/contract/README.md section 10): the 202, and what is sent to the
// callback URL afterwards. Everything that is sent is sent again where the network or the coordinator fails: a callback
// that was accepted already is accepted again.
import type { AgentAnswer, AgentProgress } from "../contract/agent.ts";
import { AgentError, problemOf } from "./agent-error.ts";
import { type AgentPiece, pieceEvent, sse } from "./pieces.ts";

/** See `later`. */
export class Later {
  readonly location: string | undefined;

  constructor(location: string | undefined) {
    this.location = location;
  }
}

/**
 * What `run` returns to answer later: the call is answered 202, and its result is sent to `callbackUrl` by `answerLater`
 * from wherever the work goes on. Pass that URL on with the work, and keep it secret: who has it can answer.
 *
 * On Workers a `waitUntil` ends 30 s after the response: longer work belongs into a queue, a workflow or an object.
 *
 * @param options `location`: a URL of this agent, absolute or relative to its own, to which the coordinator sends one
 * DELETE where the work is not wanted any more
 * @returns what `run` is to return
 * @throws nothing; where `callbackUrl` is null the call fails, since its stage has no `callback_timeout_seconds`
 * @example
 * import { defineAgent, later } from "agent-coordinator/agent";
 * import { z } from "zod";
 *
 * interface Env {
 *   JOBS: { send(job: { query: string; callbackUrl: string | null }): Promise<void> };
 * }
 *
 * const agent = defineAgent({
 *   config: z.object({}),
 *   inputs: z.object({}),
 *   result: z.object({ answer: z.string() }),
 *   async run({ query, callbackUrl, execution_id }, env: Env) {
 *     await env.JOBS.send({ query, callbackUrl });
 *     return later({ location: `/jobs/${execution_id}` });
 *   },
 * });
 *
 * export default { fetch: (request: Request, env: Env) => agent(request, env) };
 */
export function later(options: { location?: string } = {}): Later {
  return new Later(options.location);
}

/**
 * What may be answered later: the answer, an error, or a function that makes a generator, whose yields are shown as they
 * come. A function, because the stream begins again where its connection is lost.
 *
 * @example
 * const whole: LaterAnswer = { data: { answer: "A heat pump moves heat." } };
 * const failed: LaterAnswer = new AgentError("The printer is out of paper.", { retryable: false });
 * const streamed: LaterAnswer = async function* () {
 *   yield "A heat pump ";
 *   yield "moves heat.";
 *   return { data: { answer: "A heat pump moves heat." } };
 * };
 */
export type LaterAnswer = AgentAnswer | AgentError | (() => AsyncGenerator<AgentPiece, AgentAnswer, void>);

/**
 * How a callback is sent: `fetch`, another one than the global one; `tries`, how often at most (6); `signal`, which ends
 * the attempts.
 *
 * @example
 * const options: CallbackOptions = { tries: 3, signal: AbortSignal.timeout(60_000) };
 */
export interface CallbackOptions {
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  tries?: number;
  signal?: AbortSignal;
}

/**
 * The coordinator has refused a callback, or could not be reached in all tries; `status` is 0 then. 400 and 413: its body
 * is not what an agent may answer, and it can be sent again in another form. 404: there is no such call. 409: the call
 * has ended: it was answered otherwise, has had no answer in time, or its execution was cancelled.
 *
 * @example
 * const error = new CallbackError(409, "EXECUTION_CONFLICT", "the try that the callback belongs to has ended");
 * console.log(error.isOver); // true
 */
export class CallbackError extends Error {
  readonly status: number;
  /** The code of the coordinator's problem details; null where it sent none. */
  readonly code: string | null;

  /**
   * @param status of HTTP; 0 where there was no response
   * @param code of the problem details
   * @param message their detail
   */
  constructor(status: number, code: string | null, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CallbackError";
    this.status = status;
    this.code = code;
  }

  /** Nothing that is sent to this URL can change the call any more: the work can stop. */
  get isOver(): boolean {
    return this.status === 404 || this.status === 409;
  }
}

/**
 * Sends the result of a call that was answered 202. Sent again where it fails with 408, 429, 5xx or without a response,
 * with growing delays; the same answer twice is one answer.
 *
 * @param callbackUrl the call's `callbackUrl`
 * @param answer the answer, an error, or a function that makes a generator of the answer's pieces
 * @param options see `CallbackOptions`
 * @returns once the coordinator has accepted it
 * @throws CallbackError where it is refused, or could not be delivered
 * @example
 * import { AgentError, answerLater } from "agent-coordinator/agent";
 *
 * async function work(job: { query: string; callbackUrl: string }) {
 *   try {
 *     await answerLater(job.callbackUrl, { data: { answer: job.query.toUpperCase() } });
 *   } catch {
 *     await answerLater(job.callbackUrl, new AgentError("The work has failed.", { retryable: true }));
 *   }
 * }
 */
export function answerLater(
  callbackUrl: string,
  answer: LaterAnswer,
  options: CallbackOptions = {},
): Promise<void> {
  if (typeof answer === "function") {
    const body = () => streamOf(answer());
    return send(callbackUrl, "text/event-stream", body, options);
  }
  const isProblem = answer instanceof AgentError;
  const body = JSON.stringify(isProblem ? problemOf(answer) : answer);
  const type = isProblem ? "application/problem+json" : "application/json";
  return send(callbackUrl, type, () => body, options);
}

/**
 * A sign of life: the wait for the answer begins again, where the stage has `heartbeat_seconds` within the whole of its
 * `callback_timeout_seconds`.
 *
 * @param callbackUrl the call's `callbackUrl`
 * @param options see `CallbackOptions`
 * @returns once the coordinator has accepted it
 * @throws CallbackError; where `isOver` is true, the work can stop
 * @example
 * import { CallbackError, heartbeat } from "agent-coordinator/agent";
 *
 * async function isWanted(callbackUrl: string): Promise<boolean> {
 *   try {
 *     await heartbeat(callbackUrl);
 *     return true;
 *   } catch (error) {
 *     return !(error instanceof CallbackError && error.isOver);
 *   }
 * }
 */
export function heartbeat(callbackUrl: string, options: CallbackOptions = {}): Promise<void> {
  return send(callbackUrl, "application/json", () => '{"heartbeat":true}', options);
}

/**
 * A note of progress, which readers are shown, and a sign of life.
 *
 * @param callbackUrl the call's `callbackUrl`
 * @param note what is shown; `fraction` is from 0 to 1
 * @param options see `CallbackOptions`
 * @returns once the coordinator has accepted it
 * @throws CallbackError; where `isOver` is true, the work can stop
 * @example
 * import { progress } from "agent-coordinator/agent";
 *
 * async function half(callbackUrl: string) {
 *   await progress(callbackUrl, { message: "reading the sources", fraction: 0.5 });
 * }
 */
export function progress(
  callbackUrl: string,
  note: AgentProgress,
  options: CallbackOptions = {},
): Promise<void> {
  const body = JSON.stringify({ progress: note });
  return send(callbackUrl, "application/json", () => body, options);
}

const TRIES = 6;
const FIRST_DELAY_MS = 500;
const DELAY_MOST_MS = 30_000;

async function send(
  url: string,
  type: string,
  body: () => BodyInit,
  { fetch: send = fetch, tries = TRIES, signal }: CallbackOptions,
): Promise<void> {
  for (let made = 1; ; made += 1) {
    const content = body();
    const init: RequestInit & { duplex?: "half" } = {
      method: "POST",
      headers: { "content-type": type },
      body: content,
      ...(signal === undefined ? {} : { signal }),
      // Node asks for it where the body is a stream.
      ...(typeof content === "string" ? {} : { duplex: "half" }),
    };
    const failure = await refusalOf(send(url, init));
    if (failure === null) return;
    const { error, retry_ms } = failure;
    if (retry_ms === null || made >= tries || signal?.aborted === true) throw error;
    await delay(Math.min(DELAY_MOST_MS, Math.max(retry_ms, FIRST_DELAY_MS * 2 ** (made - 1))), signal);
  }
}

/** Why a callback was not accepted, and after which time at least it may be sent again; null where it was. */
async function refusalOf(
  sent: Promise<Response>,
): Promise<{ error: CallbackError; retry_ms: number | null } | null> {
  let response: Response;
  let text: string;
  try {
    response = await sent;
    text = await response.text();
  } catch (cause) {
    const error = new CallbackError(0, null, "The coordinator could not be reached.", { cause });
    return { error, retry_ms: 0 };
  }
  if (response.ok) return null;
  const { status } = response;
  const { code, detail } = problemIn(text);
  const error = new CallbackError(status, code, detail ?? `The coordinator answered ${status}.`);
  const isRetried = status >= 500 || status === 408 || status === 429;
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return { error, retry_ms: isRetried ? (seconds >= 0 ? seconds * 1_000 : 0) : null };
}

function problemIn(text: string): { code: string | null; detail: string | null } {
  try {
    const { code, detail } = JSON.parse(text) as { code?: unknown; detail?: unknown };
    return {
      code: typeof code === "string" ? code : null,
      detail: typeof detail === "string" ? detail : null,
    };
  } catch {
    return { code: null, detail: null };
  }
}

function streamOf(pieces: AsyncGenerator<AgentPiece, AgentAnswer, void>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const step = await pieces.next();
        if (step.done !== true) return controller.enqueue(pieceEvent(step.value));
        controller.enqueue(sse("result", JSON.stringify(step.value)));
      } catch (cause) {
        const error =
          cause instanceof AgentError ? cause : new AgentError("The agent failed unexpectedly.", { cause });
        controller.enqueue(sse("error", JSON.stringify(problemOf(error))));
      }
      controller.close();
    },
    async cancel() {
      await pieces.return(undefined as never);
    },
  });
}

/** @throws the signal's reason */
async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
