// Owns the agent's side of the contract (src/contract/README.md section 4): defineAgent turns a typed function or async
// generator into a (Request, ...) => Promise<Response> that runs on Workers, Node, Deno and Bun.
import * as z from "zod";
import { AgentCall } from "../contract/agent-call.ts";
import type { AgentTypes } from "../contract/agent-types.ts";
import type { AgentAnswer } from "../contract/agent.ts";
import { equalInConstantTime } from "../contract/constant-time.ts";
import { LONGEST_TIMER_MS } from "../contract/timer.ts";
import { AgentError, problemOf } from "./agent-error.ts";
import { Later } from "./later.ts";
import { type AgentPiece, pieceEvent, sse } from "./pieces.ts";

export { AgentError } from "./agent-error.ts";
export {
  answerLater,
  CallbackError,
  type CallbackOptions,
  heartbeat,
  later,
  type LaterAnswer,
  progress,
} from "./later.ts";
export type { AgentPiece } from "./pieces.ts";

/**
 * What an agent has to work with. `config`, `input` and `inputs` are the call's, as the schemas made them. The call is
 * read with JSON.parse, which changes the digits of integers beyond 2^53: ids of 64 bits belong in strings. `timeout_ms`
 * is in ms.
 *
 * @example
 * async function search({ query, config, signal, remainingMs }: AgentWork<{ url: string }, unknown>) {
 *   if (remainingMs() < 500) throw new AgentError("Too little time is left.", { status: 504 });
 *   const response = await fetch(`${config.url}?q=${encodeURIComponent(query)}`, { signal });
 *   return { data: { found: await response.text() } };
 * }
 */
export type AgentWork<Config, Inputs, Input = AgentCall["input"]> = Omit<
  AgentCall,
  "config" | "input" | "inputs"
> & {
  config: Config;
  input: Input;
  inputs: Inputs;
  /** Aborts at the deadline or when the caller disconnects; pass it to every fetch. */
  signal: AbortSignal;
  /** Milliseconds that this try still has, never below 0. */
  remainingMs: () => number;
  /** Where this call may be answered later (see `later`); null where its stage has no `callback_timeout_seconds`. */
  callbackUrl: string | null;
};

/** An agent's return value: the contract's answer with typed data. */
type TypedAnswer<Result> = Omit<AgentAnswer, "data"> & { data: Result };

type AgentDefinition<
  Config extends z.ZodType,
  Inputs extends z.ZodType,
  Result extends z.ZodType,
  Rest extends unknown[],
  Input extends z.ZodType,
> = {
  config: Config;
  /** Of what the stage's `input` gives; with it, a call from a stage that has none is refused. */
  input?: Input;
  /** Of the results of the stages that its own depends on, by name. An agent with an `input` need not know them. */
  inputs?: Inputs;
  result: Result;
  /** The shared secret, or where to find it; undefined leaves the agent open, an empty one refuses every call. */
  secret?: string | ((...rest: Rest) => string | undefined);
  /** Called with every error that is not an AgentError; callers never see its text. */
  onError?: (error: unknown) => void;
  run: (
    work: AgentWork<z.output<Config>, z.output<Inputs>, z.output<Input>>,
    ...rest: Rest
  ) =>
    | Promise<TypedAnswer<z.input<Result>> | Later>
    | AsyncGenerator<AgentPiece, TypedAnswer<z.input<Result>>, void>;
};

/**
 * An agent as a handler of requests. Its type carries those of the schemas, which `agentOf` of the client reads.
 *
 * @example
 * import { z } from "zod";
 *
 * const served = (agent: DefinedAgent<z.ZodType, z.ZodType, z.ZodType, []>) => ({
 *   fetch: (request: Request) => agent(request),
 * });
 */
export type DefinedAgent<
  Config extends z.ZodType,
  Inputs extends z.ZodType,
  Result extends z.ZodType,
  Rest extends unknown[],
> = ((request: Request, ...rest: Rest) => Promise<Response>) &
  AgentTypes<z.input<Config>, z.input<Inputs>, z.output<Result>>;

const encoder = new TextEncoder();

/**
 * Defines an agent. `run` is an async function, or an async generator whose yields are streamed as deltas, progress and
 * usage to callers that accept an event stream (others get the whole as JSON). An error before the
 * first yield is answered with its own HTTP status, later failures as the stream's `error` event.
 *
 * @param definition the zod schemas of `config`, `input`, `inputs` and `result`, and `run`; `secret` where calls must
 * carry one
 * @returns a handler that never rejects: a call that does not fit the schemas is answered 400, one without the secret
 * 401, one that takes longer than its `timeout_ms` 504. What it takes after the request (a Worker's `env`) goes to `run`.
 * Its type carries those of the schemas, for `agentOf`
 * @throws nothing; errors of `run` become the answer (see `AgentError`)
 * @example
 * import { defineAgent } from "agent-coordinator/agent";
 * import { z } from "zod";
 *
 * const agent = defineAgent({
 *   config: z.object({ loud: z.boolean().default(false) }),
 *   input: z.object({ text: z.string() }),
 *   result: z.object({ answer: z.string() }),
 *   async *run({ input, config }) {
 *     const answer = config.loud ? input.text.toUpperCase() : input.text;
 *     yield answer;
 *     return { data: { answer }, usage: { output_tokens: answer.length } };
 *   },
 * });
 *
 * export default { fetch: (request: Request) => agent(request) };
 */
export function defineAgent<
  Config extends z.ZodType,
  Inputs extends z.ZodType = z.ZodType<AgentCall["inputs"]>,
  Result extends z.ZodType = z.ZodType<AgentAnswer["data"]>,
  Rest extends unknown[] = [],
  Input extends z.ZodType = z.ZodType<AgentCall["input"]>,
>(
  definition: AgentDefinition<Config, Inputs, Result, Rest, Input>,
): DefinedAgent<Config, Inputs, Result, Rest> {
  const report = definition.onError ?? ((error: unknown) => console.error("agent failed:", error));

  return async (request, ...rest) => {
    const limits = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const release = () => clearTimeout(timer);
    const toProblem = (error: unknown): AgentError => {
      release();
      if (error instanceof AgentError) return error;
      if (limits.signal.aborted && limits.signal.reason instanceof AgentError) return limits.signal.reason;
      report(error);
      return new AgentError("The agent failed unexpectedly.", { cause: error });
    };

    try {
      if (request.method !== "POST") return methodNotAllowed();
      if (!(await admitted(request, secretOf(definition.secret, rest)))) return unauthorized();
      const call = await readCall(request);
      const config = parsed(definition.config, call.config, "config");
      const input = parsed(definition.input, call.input, "input");
      const inputs = parsed(definition.inputs, call.inputs, "inputs");

      const endsAt = Date.now() + timeLimit(request, call);
      const remainingMs = () => Math.max(0, endsAt - Date.now());
      timer = setTimeout(() => limits.abort(tooLate()), Math.min(remainingMs(), LONGEST_TIMER_MS));
      const gone = () => limits.abort(callerGone());
      if (request.signal.aborted) gone();
      request.signal.addEventListener("abort", gone, { once: true });

      const callbackUrl = request.headers.get("coordinator-callback");
      const work = { ...call, config, input, inputs, signal: limits.signal, remainingMs, callbackUrl };
      const outcome = definition.run(work, ...rest);
      const finish = (answer: TypedAnswer<z.input<Result>>): string => {
        const data = definition.result.safeParse(answer.data);
        if (!data.success) {
          throw new AgentError(`The agent's result is not valid: ${issuesOf(data.error)}`, {
            retryable: false,
          });
        }
        release();
        return JSON.stringify({ ...answer, data: data.data });
      };

      if (!(Symbol.asyncIterator in outcome)) {
        const answer = await unlessAborted(outcome, limits.signal);
        if (!(answer instanceof Later)) return json(finish(answer));
        if (callbackUrl === null) throw mustAnswerNow();
        release();
        return accepted(answer);
      }
      // Not awaited: return() waits for a pending next(), which only the signal can end.
      limits.signal.addEventListener("abort", () => {
        outcome.return(undefined as never).catch(() => undefined);
      });
      const next = () => unlessAborted(outcome.next(), limits.signal);
      const first = await next();
      if (first.done) return json(finish(first.value));
      if (!wantsStream(request)) {
        let step: Awaited<ReturnType<typeof next>> = first;
        let used: TypedAnswer<unknown>["usage"];
        while (!step.done) {
          if (typeof step.value === "object" && "usage" in step.value) used = step.value.usage;
          step = await next();
        }
        return json(finish(used === undefined ? step.value : { usage: used, ...step.value }));
      }
      const leave = () => {
        release();
        gone();
      };
      return eventStream({ first, next, finish, toProblem, leave });
    } catch (error) {
      return problemResponse(toProblem(error));
    }
  };
}

type Step<Result> = IteratorResult<AgentPiece, TypedAnswer<Result>>;

function eventStream<Result>(source: {
  first: Step<Result>;
  next: () => Promise<Step<Result>>;
  finish: (answer: TypedAnswer<Result>) => string;
  toProblem: (error: unknown) => AgentError;
  leave: () => void;
}): Response {
  let pending: Step<Result> | undefined = source.first;
  const body = new ReadableStream<Uint8Array>({
    // Pulled, not pushed: a slow reader slows the generator instead of filling memory.
    async pull(controller) {
      try {
        const step = pending ?? (await source.next());
        pending = undefined;
        if (!step.done) return controller.enqueue(pieceEvent(step.value));
        controller.enqueue(sse("result", source.finish(step.value)));
      } catch (error) {
        controller.enqueue(sse("error", JSON.stringify(problemOf(source.toProblem(error)))));
      }
      controller.close();
    },
    cancel: source.leave,
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
    },
  });
}

async function readCall(request: Request): Promise<AgentCall> {
  let body: unknown;
  try {
    body = await request.json();
  } catch (error) {
    throw new AgentError("The body is not JSON.", { status: 400, cause: error });
  }
  return parsed(AgentCall, body, "call");
}

/** Without a schema the value as it is: the call's own has been checked. */
function parsed<Schema extends z.core.$ZodType>(
  schema: Schema | undefined,
  value: unknown,
  what: string,
): z.output<Schema> {
  if (schema === undefined) return value as z.output<Schema>;
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  throw new AgentError(`The ${what} is not valid: ${issuesOf(result.error)}`, { status: 400 });
}

function issuesOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`).join("; ");
}

function timeLimit(request: Request, call: AgentCall): number {
  const header = Number(request.headers.get("coordinator-timeout-ms") ?? Number.NaN);
  return Number.isFinite(header) && header >= 0 ? header : call.timeout_ms;
}

/** Settles with the promise, or rejects on abort: a handler that ignores the signal is not awaited. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}

function secretOf<Rest extends unknown[]>(
  secret: string | ((...rest: Rest) => string | undefined) | undefined,
  rest: Rest,
): string | undefined {
  return typeof secret === "function" ? secret(...rest) : secret;
}

/** Whether the Authorization header is the secret, bare or as a Bearer token. */
async function admitted(request: Request, secret: string | undefined): Promise<boolean> {
  if (secret === undefined) return true;
  if (secret === "") return false;
  const given = (request.headers.get("authorization") ?? "").replace(/^bearer +/i, "");
  const wanted = secret.replace(/^bearer +/i, "");
  const [a, b] = await Promise.all([sha256(given), sha256(wanted)]);
  return equalInConstantTime(a, b);
}

/** The digest, one character for each byte. */
async function sha256(text: string): Promise<string> {
  return String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))));
}

function wantsStream(request: Request): boolean {
  return (request.headers.get("accept") ?? "").toLowerCase().includes("text/event-stream");
}

function json(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json; charset=utf-8" } });
}

function problemResponse(error: AgentError, headers: Record<string, string> = {}): Response {
  const wait = error.retryAfterSeconds;
  return new Response(JSON.stringify(problemOf(error)), {
    status: error.status,
    headers: {
      "content-type": "application/problem+json",
      // Whole seconds, as the header has them, and never fewer than were meant.
      ...(wait !== undefined && wait >= 0 ? { "retry-after": Math.ceil(wait).toFixed(0) } : {}),
      ...headers,
    },
  });
}

function accepted({ location }: Later): Response {
  return new Response(null, { status: 202, headers: location === undefined ? {} : { location } });
}

const mustAnswerNow = () =>
  new AgentError("This agent answers later, and its stage has no callback_timeout_seconds.", {
    retryable: false,
  });
const tooLate = () => new AgentError("The deadline of this call has passed.", { status: 504 });
const callerGone = () => new AgentError("The caller closed the connection.", { status: 499 });

function methodNotAllowed(): Response {
  return problemResponse(new AgentError("Agents accept POST only.", { status: 405 }), { allow: "POST" });
}

function unauthorized(): Response {
  const error = new AgentError("The Authorization header does not carry this agent's secret.", {
    status: 401,
  });
  return problemResponse(error, { "www-authenticate": "Bearer" });
}
