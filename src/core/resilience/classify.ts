// Classifies failed calls: the error code, and whether another try may follow. Owns CallFailure, the one
// description of every way in which a call can fail. src/contract/README.md section 2, "Retried" and "Codes".
import type { StageError } from "../../contract/stage.ts";

/** How a call ended without an answer, with its evidence, and which agent was called, as it may be shown. */
export type CallFailure = CallFault & { url?: string | undefined };

/** Why a fetch was rejected, as far as the platform's message reveals it. */
export type RejectionCause =
  /** Nothing listens, or the connection was closed or reset before the answer's headers. */
  | "connection"
  /** The name has no address. */
  | "dns"
  | "tls"
  /** Of an https: name: the platform has one message for both. */
  | "dns_or_tls";

type CallFault =
  /** The agent type is not registered. */
  | { kind: "unregistered"; agent_type: string }
  /** The registration names what may not or cannot be called: a host, a binding, a secret. */
  | { kind: "not_callable"; detail: string }
  | {
      kind: "rejected";
      cause?: RejectionCause | undefined;
      /** The exception of a Worker that is called over a service binding. */
      words?: string | null;
    }
  | { kind: "timeout"; timeout_ms: number; idle: boolean }
  | { kind: "truncated"; detail: string; excerpt?: string | undefined }
  | {
      kind: "status";
      status: number;
      /** Of problem details. */
      detail: string | null;
      /** The message of a body in any other form. */
      words?: string | null;
      /** Of a redirect. */
      location?: string | null;
      retryable: boolean | null;
      retry_after_ms: number | null;
    }
  /** An `error` event in a stream, whose HTTP status was 200. */
  | { kind: "stream_error"; status: number | null; detail: string | null; retryable: boolean | null }
  /** A reply that violates the contract. */
  | {
      kind: "contract";
      detail: string;
      status: number;
      /** The place in the body, or the agent's message in it. */
      excerpt?: string | undefined;
    }
  /** A 202 from the agent of a stage that does not let it answer later. */
  | { kind: "accepted" }
  | { kind: "body_too_large"; limit_bytes: number }
  | { kind: "result_too_large"; limit_bytes: number; bytes: number }
  | { kind: "context_too_large"; limit_bytes: number; bytes: number }
  /** The runs beside it leave no room for the answer. */
  | { kind: "isolate_full"; bytes: number }
  /** The execution that the stage runs has not completed. */
  | { kind: "execution"; code: string; message: string }
  /** Never made: the stage's `input` cannot be evaluated. */
  | { kind: "input"; detail: string }
  /** Never made: the agent's breaker is open. */
  | { kind: "refused"; agent_type: string; retry_at: number; last_failure?: string | undefined }
  /** No call either: a fallback to the last good result, of which there is none. */
  | { kind: "nothing_cached" };

/** `once`: a reply that violates the contract is tried only once more. */
export type RetryRule = "yes" | "once" | "no";

const RETRIED_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const UNAVAILABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** The stage's error for a failure, and whether another try may follow. */
export function classify(failure: CallFailure): { error: StageError; retry: RetryRule } {
  const { error, retry } = classified(failure);
  return { error: failure.url === undefined ? error : { ...error, url: failure.url }, retry };
}

function classified(failure: CallFailure): { error: StageError; retry: RetryRule } {
  const agent = failure.url === undefined ? "the agent" : `the agent at ${failure.url}`;
  switch (failure.kind) {
    case "unregistered":
      return verdict("AGENT_UNAVAILABLE", `no agent is registered as ${failure.agent_type}`, "no");
    case "not_callable":
      return verdict("AGENT_UNAVAILABLE", failure.detail, "no");
    case "rejected": {
      const why = rejectionMessage(failure.cause, failure.words ?? null);
      return verdict("AGENT_UNAVAILABLE", `${agent} could not be reached${why}`, "yes");
    }
    case "timeout":
      return verdict(
        "STAGE_TIMEOUT",
        failure.idle
          ? `${agent} was silent for ${failure.timeout_ms} ms`
          : `${agent} did not answer within ${failure.timeout_ms} ms`,
        "yes",
      );
    case "truncated": {
      const detail = `the agent's answer was truncated: ${withExcerpt(failure)}`;
      return verdict("AGENT_PROCESSING_ERROR", detail, "yes");
    }
    case "status":
      return verdict(
        UNAVAILABLE_STATUS.has(failure.status) ? "AGENT_UNAVAILABLE" : "AGENT_PROCESSING_ERROR",
        failure.detail ?? statusMessage(failure),
        retryOfStatus(failure.status, failure.retryable),
        failure.status,
      );
    case "stream_error":
      return verdict(
        failure.status !== null && UNAVAILABLE_STATUS.has(failure.status)
          ? "AGENT_UNAVAILABLE"
          : "AGENT_PROCESSING_ERROR",
        failure.detail ?? "the agent reported an error",
        // An agent that names no status has failed in a way of its own: as a 500.
        retryOfStatus(failure.status ?? 500, failure.retryable),
        failure.status ?? undefined,
      );
    case "contract":
      return verdict(
        "AGENT_PROCESSING_ERROR",
        `the agent's answer violates the contract: ${withExcerpt(failure)}`,
        "once",
        failure.status,
      );
    case "accepted":
      return verdict(
        "AGENT_PROCESSING_ERROR",
        `${agent} answered 202, which only a stage with callback_timeout_seconds takes`,
        "no",
        202,
      );
    case "body_too_large":
      return verdict(
        "AGENT_PROCESSING_ERROR",
        `the agent's answer is larger than ${failure.limit_bytes} bytes`,
        "no",
      );
    case "result_too_large":
      return verdict(
        "RESOURCE_EXHAUSTED",
        `the stage's data is ${failure.bytes} bytes, the limit is ${failure.limit_bytes}`,
        "no",
      );
    case "context_too_large":
      return verdict(
        "RESOURCE_EXHAUSTED",
        `the execution's context would be ${failure.bytes} bytes, memory_limit_mb allows ${failure.limit_bytes}`,
        "no",
      );
    case "isolate_full":
      return verdict(
        "RESOURCE_EXHAUSTED",
        `not enough memory for an answer of ${failure.bytes} bytes beside the runs in memory`,
        "no",
      );
    case "refused": {
      const again = new Date(failure.retry_at).toISOString();
      const open = `the circuit breaker of ${failure.agent_type} is open: the next call is allowed at ${again}`;
      const why = failure.last_failure === undefined ? "" : `; its last failure: ${failure.last_failure}`;
      return verdict("AGENT_UNAVAILABLE", open + why, "no");
    }
    case "execution":
      return verdict(failure.code, failure.message, "no");
    case "input":
      return verdict("INVALID_PIPELINE_CONFIG", failure.detail, "no");
    case "nothing_cached":
      return verdict("AGENT_UNAVAILABLE", "no cached result is available", "no");
  }
}

function rejectionMessage(cause: RejectionCause | undefined, words: string | null): string {
  switch (cause) {
    case "connection":
      return ": the connection was refused (no server listens there), or it was reset or closed before an answer";
    case "dns":
      return ": its name could not be resolved (DNS)";
    case "tls":
      return ": the TLS handshake failed (a certificate that is not trusted, or no TLS at this port)";
    case "dns_or_tls":
      return (
        ": its name could not be resolved (DNS), or the TLS handshake failed (a certificate that is not trusted, " +
        "or no TLS at this port)"
      );
    case undefined:
      return words === null ? "" : `: ${words}`;
  }
}

function statusMessage(failure: Extract<CallFailure, { kind: "status" }>): string {
  const { status, words = null, location = null } = failure;
  const answered = `the agent answered ${status}`;
  if (location !== null) {
    return `${answered} with Location: ${location}; redirects are not followed, so register that URL if it is the agent's`;
  }
  return words === null ? answered : `${answered}: ${words}`;
}

function withExcerpt({ detail, excerpt }: { detail: string; excerpt?: string | undefined }): string {
  return excerpt === undefined ? detail : `${detail}: ${excerpt}`;
}

/** The Retry-After that counts, in ms: only 429 and 503 may ask for one. */
export function retryAfter(failure: CallFailure): number | null {
  if (failure.kind !== "status" || (failure.status !== 429 && failure.status !== 503)) return null;
  return failure.retry_after_ms;
}

function retryOfStatus(status: number, retryable: boolean | null): RetryRule {
  return RETRIED_STATUS.has(status) && retryable !== false ? "yes" : "no";
}

function verdict(
  code: StageError["code"],
  message: string,
  retry: RetryRule,
  status?: number,
): { error: StageError; retry: RetryRule } {
  return {
    error: { code, message, ...(status === undefined ? {} : { status }), retryable: retry !== "no" },
    retry,
  };
}
