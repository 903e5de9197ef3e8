// An agent's error, and the problem details that the coordinator gets of it.

/**
 * An error with words that the caller may read; everything else that an agent throws is answered as a bare 500.
 * `retryAfterSeconds` is in seconds.
 *
 * @example
 * const refusal = new AgentError("The index is being rebuilt.", { status: 503, retryAfterSeconds: 30 });
 * console.log(refusal.retryable); // true
 */
export class AgentError extends Error {
  readonly status: number;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;

  /**
   * @param message what callers read
   * @param options `status`, of HTTP (500); `retryable`, by default as the coordinator judges the status;
   * `retryAfterSeconds`, sent as `Retry-After`
   */
  constructor(
    message: string,
    options: { status?: number; retryable?: boolean; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "AgentError";
    this.status = options.status ?? 500;
    this.retryable = options.retryable ?? RETRIED_STATUSES.has(this.status);
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The problem details of an error (RFC 9457). */
export function problemOf(error: AgentError) {
  const { status, message: detail, retryable } = error;
  return { type: "about:blank", title: TITLES[status] ?? "Agent error", status, detail, retryable };
}

const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  405: "Method Not Allowed",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
