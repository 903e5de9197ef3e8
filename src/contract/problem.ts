// The errors that callers may receive (src/contract/README.md section 8): the codes, the problem document, and
// CoordinatorError, the value that carries an error with its evidence internally. The status and message of a code
// are decided only in http/problem.ts.
import { LIMITS } from "./limits.ts";
import * as z from "./zod.ts";

export const ErrorCode = z.enum([
  "INVALID_REQUEST",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "EXECUTION_NOT_FOUND",
  "PIPELINE_NOT_FOUND",
  "STAGE_NOT_FOUND",
  "AGENT_NOT_FOUND",
  "NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "NOT_ACCEPTABLE",
  "UNSUPPORTED_MEDIA_TYPE",
  "EXECUTION_CONFLICT",
  "CONVERSATION_BUSY",
  "PRECONDITION_FAILED",
  "INVALID_PIPELINE_CONFIG",
  "CIRCULAR_DEPENDENCY",
  "MISSING_DEPENDENCY",
  "IDEMPOTENCY_MISMATCH",
  "SCHEMA_MISMATCH",
  "RATE_LIMITED",
  "BUDGET_EXCEEDED",
  "AGENT_UNAVAILABLE",
  "STAGE_TIMEOUT",
  "AGENT_PROCESSING_ERROR",
  "PIPELINE_TIMEOUT",
  "CONTEXT_CORRUPTED",
  "RESOURCE_EXHAUSTED",
  "COORDINATOR_DISABLED",
  "INTERNAL_ERROR",
]);
export type ErrorCode = z.infer<typeof ErrorCode>;

/** One thing wrong with an input: where (a JSON pointer) and what. */
export const InputError = z.object({ pointer: z.string(), detail: z.string() });
export type InputError = z.infer<typeof InputError>;

/** One thing wrong with a pipeline's definition. */
export const DefinitionError = z.object({
  code: z.enum(["INVALID_PIPELINE_CONFIG", "CIRCULAR_DEPENDENCY", "MISSING_DEPENDENCY"]),
  message: z.string(),
  stage: z.optional(z.string()),
  /** JSON pointer of the faulty value in the definition (`/stages/0/when`). */
  pointer: z.optional(z.string()),
});
export type DefinitionError = z.infer<typeof DefinitionError>;

/** RFC 9457 with the specification's `error` and `code`. */
export const Problem = z.lazy(() =>
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number().check(z.int()),
    detail: z.string(),
    instance: z.string(),
    error: z.string(),
    code: ErrorCode,
    /** The first of them. */
    errors: z.optional(z.array(InputError).check(z.maxLength(LIMITS.ERRORS))),
    /** How many there are in all. */
    error_count: z.optional(z.number().check(z.int())),
    /** Of CONVERSATION_BUSY: the executions that have not ended. */
    running: z.optional(z.array(z.string())),
  }),
);
export type Problem = z.infer<typeof Problem>;

export type CoordinatorError =
  | { code: "INVALID_REQUEST"; errors: InputError[] }
  | { code: "UNAUTHORIZED"; reason: "missing" | "unknown" | "expired" | "not_configured" | "bad_token" }
  | { code: "FORBIDDEN"; scope: string }
  /** Without keys: a request to a host, or of a page, that is not this coordinator's. */
  | { code: "FORBIDDEN"; host: string }
  | { code: "FORBIDDEN"; origin: string }
  | { code: "EXECUTION_NOT_FOUND"; execution_id: string }
  | { code: "PIPELINE_NOT_FOUND"; pipeline: string; version?: { wanted: number; latest: number } }
  | { code: "STAGE_NOT_FOUND"; pipeline: string; stage: string }
  | { code: "AGENT_NOT_FOUND"; agent_type: string }
  | { code: "NOT_FOUND" }
  | { code: "METHOD_NOT_ALLOWED"; method: string; allow: string[] }
  | { code: "NOT_ACCEPTABLE"; offered: string[] }
  | { code: "UNSUPPORTED_MEDIA_TYPE"; received: string }
  | { code: "EXECUTION_CONFLICT"; execution_id: string; verb: string; status: string }
  /** An answer to a stage that does not take it (any more). */
  | { code: "EXECUTION_CONFLICT"; execution_id: string; stage: string; why: string }
  /** A turn that cannot be replaced; a run that has spent more than it may. */
  | { code: "EXECUTION_CONFLICT"; execution_id: string; why: string }
  /** The stage of an execution. */
  | { code: "STAGE_NOT_FOUND"; execution_id: string; stage: string }
  /** An answer's data that the stage's schema refuses. */
  | { code: "SCHEMA_MISMATCH"; stage: string; errors: InputError[] }
  /** `limit`: so many wait already, where that is the reason. */
  | { code: "CONVERSATION_BUSY"; conversation_id: string; running: string[]; limit?: number }
  | { code: "PRECONDITION_FAILED"; resource: string }
  | {
      code: "INVALID_PIPELINE_CONFIG" | "CIRCULAR_DEPENDENCY" | "MISSING_DEPENDENCY";
      errors: DefinitionError[];
    }
  | { code: "IDEMPOTENCY_MISMATCH" }
  | { code: "RATE_LIMITED"; retry_after_seconds: number }
  /** `scope` of the config's budgets: what its runs have spent in the period, and may spend. */
  | {
      code: "BUDGET_EXCEEDED";
      scope: string;
      spent_usd: number;
      limit_usd: number;
      window_seconds: number;
      retry_after_seconds: number;
    }
  | {
      code: "AGENT_UNAVAILABLE" | "STAGE_TIMEOUT" | "AGENT_PROCESSING_ERROR" | "PIPELINE_TIMEOUT";
      detail: string;
    }
  | { code: "CONTEXT_CORRUPTED"; execution_id: string; evidence: string }
  | { code: "RESOURCE_EXHAUSTED"; what: "body"; limit_bytes: number }
  | { code: "RESOURCE_EXHAUSTED"; what: "storage" }
  /** A write of definitions: `catalog` is all of them together. Numbers of pipelines and agents, else bytes. */
  | {
      code: "RESOURCE_EXHAUSTED";
      what: "pipelines" | "agents" | "config" | "catalog";
      limit: number;
      size: number;
    }
  /** The execution index does not say whether the conversation is busy. */
  | { code: "RESOURCE_EXHAUSTED"; what: "memory" | "index"; retry_after_seconds: number }
  | { code: "COORDINATOR_DISABLED" }
  /** @see core/config/bad-variable.ts for what may be shown of a value */
  | { code: "INTERNAL_ERROR"; misconfigured?: { variable: string; expected: string; shown?: string } };

/** A value or an error. */
export type Result<T, E = CoordinatorError> = { ok: true; value: T } | { ok: false; error: E };

export const ok = <T>(value: T): { ok: true; value: T } => ({ ok: true, value });
export const err = <E>(error: E): { ok: false; error: E } => ({ ok: false, error });
