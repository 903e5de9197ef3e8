// What a call of the client may throw: the coordinator's problem details as an error that is distinguished by its
// `code` (src/contract/README.md section 8), or NETWORK_ERROR where no answer came.
import type { ErrorCode, InputError, Problem } from "../contract/problem.ts";
import { retryAfterMs } from "../contract/retry-after.ts";
import { cutText } from "../contract/text.ts";

/**
 * The code of a `CoordinatorClientError`: one of the coordinator's, or `NETWORK_ERROR` where nothing answered, or
 * `INVALID_RESPONSE` where what answered is no coordinator.
 *
 * @example
 * const MESSAGES: Partial<Record<ClientErrorCode, string>> = { RATE_LIMITED: "Too many questions: wait a little." };
 */
export type ClientErrorCode = ErrorCode | "NETWORK_ERROR" | "INVALID_RESPONSE";

/**
 * What every call of the client throws, but for the reason of an aborted signal. `retryAfterSeconds` is in seconds.
 *
 * @example
 * try {
 *   await client.getPipelineConfig("mine");
 * } catch (cause) {
 *   if (!(cause instanceof CoordinatorClientError) || cause.code !== "PIPELINE_NOT_FOUND") throw cause;
 * }
 */
export class CoordinatorClientError extends Error {
  readonly code: ClientErrorCode;
  /** The HTTP status; null without a response. */
  readonly status: number | null;
  /** The errors of the input, each with a JSON pointer. */
  readonly errors: readonly InputError[];
  /** Of `CONVERSATION_BUSY`: the ids of the conversation's executions that have not ended. Empty for any other code. */
  readonly running: readonly string[];
  /** The whole problem document, if there is one. */
  readonly problem: Problem | null;
  /** How many seconds to wait before another try, where the answer says so. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: {
      status?: number;
      problem?: Problem;
      retryAfterSeconds?: number | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "CoordinatorClientError";
    this.code = code;
    this.status = options.status ?? null;
    this.problem = options.problem ?? null;
    this.errors = options.problem?.errors ?? [];
    this.running = options.problem?.running ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  /** True where the same call may succeed later: nothing answered, 429, or a fault of the server. */
  get isTransient(): boolean {
    if (this.code === "COORDINATOR_DISABLED") return false;
    return this.code === "NETWORK_ERROR" || this.status === 429 || (this.status ?? 0) >= 500;
  }
}

/** The error that it is when nothing answers. */
export function networkError(cause: unknown): CoordinatorClientError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CoordinatorClientError("NETWORK_ERROR", `no response: ${why}`, { cause });
}

/** The error that a response is. */
export async function errorOf(response: Response): Promise<CoordinatorClientError> {
  const text = await response.text().catch(() => "");
  const wait = retryAfterMs(response.headers.get("retry-after"), Date.now());
  const rest = { status: response.status, retryAfterSeconds: wait === null ? null : Math.ceil(wait / 1_000) };
  const problem = readProblem(text);
  if (problem === null) {
    const message = `${response.status} without problem details: ${cutText(text, 200)}`;
    return new CoordinatorClientError("INVALID_RESPONSE", message, rest);
  }
  return new CoordinatorClientError(problem.code, problem.detail, { ...rest, problem });
}

function readProblem(text: string): Problem | null {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    return typeof problem?.code === "string" && typeof problem.detail === "string"
      ? (problem as Problem)
      : null;
  } catch {
    return null;
  }
}
