// Problem documents: every CoordinatorError mapped to its status and message, in one exhaustive switch. Nothing
// else writes an error response. Every text and every list in it is bounded.
import { LIMITS } from "../contract/limits.ts";
import type { CoordinatorError, ErrorCode, Problem } from "../contract/problem.ts";

interface Description {
  /** Where it is not the code's own. */
  status?: number;
  title: string;
  detail: string;
  headers?: Record<string, string>;
  errors?: { pointer: string; detail: string }[];
  /** The executions that have not ended. */
  running?: string[];
}

/** An error as it leaves the coordinator. */
export interface ProblemAnswer {
  status: number;
  headers: Record<string, string>;
  problem: Problem;
}

/** The problem document for an error. @param instance the request's path */
export function problemOf(error: CoordinatorError, instance: string): ProblemAnswer {
  const { status = STATUS[error.code], title, headers, errors, running, ...fields } = describe(error);
  const detail = clip(fields.detail);
  const problem: Problem = {
    type: `urn:agent-coordinator:problem:${error.code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status,
    detail,
    instance,
    error: detail,
    code: error.code satisfies ErrorCode,
    ...(errors === undefined ? {} : { errors: first(errors), error_count: errors.length }),
    ...(running === undefined ? {} : { running }),
  };
  const sent = { "content-type": "application/problem+json", "cache-control": "no-store", ...headers };
  return { status, headers: sent, problem };
}

/** The same as a response. */
export function problemResponse({ status, headers, problem }: ProblemAnswer): Response {
  return new Response(JSON.stringify(problem), { status, headers });
}

/** The status of each code; a body, and definitions, that are too large have their own (413). */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  EXECUTION_NOT_FOUND: 404,
  PIPELINE_NOT_FOUND: 404,
  STAGE_NOT_FOUND: 404,
  AGENT_NOT_FOUND: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  EXECUTION_CONFLICT: 409,
  CONVERSATION_BUSY: 409,
  PRECONDITION_FAILED: 412,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INVALID_PIPELINE_CONFIG: 422,
  CIRCULAR_DEPENDENCY: 422,
  MISSING_DEPENDENCY: 422,
  IDEMPOTENCY_MISMATCH: 422,
  SCHEMA_MISMATCH: 422,
  RATE_LIMITED: 429,
  BUDGET_EXCEEDED: 429,
  CONTEXT_CORRUPTED: 500,
  INTERNAL_ERROR: 500,
  AGENT_PROCESSING_ERROR: 502,
  AGENT_UNAVAILABLE: 503,
  RESOURCE_EXHAUSTED: 503,
  COORDINATOR_DISABLED: 503,
  STAGE_TIMEOUT: 504,
  PIPELINE_TIMEOUT: 504,
};

function describe(error: CoordinatorError): Description {
  switch (error.code) {
    case "INVALID_REQUEST": {
      const first = error.errors[0];
      const detail =
        first === undefined ? "the request is invalid" : `${first.pointer || "the body"} ${first.detail}`;
      return { title: "Invalid request", detail, errors: error.errors };
    }
    case "UNAUTHORIZED":
      return {
        title: "Unauthorized",
        detail: UNAUTHORIZED[error.reason],
        headers: { "www-authenticate": 'Bearer realm="agent-coordinator"' },
      };
    case "FORBIDDEN":
      return { title: "Forbidden", detail: forbiddenDetail(error) };
    case "EXECUTION_NOT_FOUND":
      return {
        title: "Execution not found",
        detail: `there is no execution ${error.execution_id}`,
      };
    case "PIPELINE_NOT_FOUND": {
      const { pipeline, version } = error;
      const detail =
        version === undefined
          ? `there is no pipeline ${pipeline}`
          : `the pipeline ${pipeline} is at version ${version.latest}, but version ${version.wanted} was requested`;
      return { title: "Pipeline not found", detail };
    }
    case "STAGE_NOT_FOUND":
      return {
        title: "Stage not found",
        detail:
          "pipeline" in error
            ? `the pipeline ${error.pipeline} has no stage ${error.stage}`
            : `the execution ${error.execution_id} has no stage ${error.stage}`,
      };
    case "AGENT_NOT_FOUND":
      return {
        title: "Agent not found",
        detail: `no agent is registered as ${error.agent_type}`,
      };
    case "NOT_FOUND":
      return { title: "Not found", detail: "there is no resource at this path" };
    case "METHOD_NOT_ALLOWED":
      return {
        title: "Method not allowed",
        detail: `${error.method} is not allowed here; allowed: ${error.allow.join(", ")}`,
        headers: { allow: error.allow.join(", ") },
      };
    case "NOT_ACCEPTABLE":
      return { title: "Not acceptable", detail: `offered here: ${error.offered.join(", ")}` };
    case "UNSUPPORTED_MEDIA_TYPE": {
      const received = error.received === "" ? "a body without a content type" : error.received;
      return {
        title: "Unsupported media type",
        detail: `the body must be application/json, not ${received}`,
      };
    }
    case "EXECUTION_CONFLICT":
      return {
        title: "Conflict",
        detail:
          "stage" in error
            ? `the stage ${error.stage} takes no answer: ${error.why}`
            : "why" in error
              ? error.why
              : `cannot ${error.verb} the execution ${error.execution_id}, which is ${error.status}`,
      };
    case "CONVERSATION_BUSY": {
      const { conversation_id, running, limit } = error;
      const detail =
        limit === undefined
          ? `an execution of the conversation ${conversation_id} has not ended: ${running.join(", ")}`
          : `${limit} executions of the conversation ${conversation_id} wait already, which is the limit`;
      return { title: "Conversation busy", detail, running };
    }
    case "PRECONDITION_FAILED":
      return {
        title: "Precondition failed",
        detail: `${error.resource} does not match the precondition`,
      };
    case "INVALID_PIPELINE_CONFIG":
    case "CIRCULAR_DEPENDENCY":
    case "MISSING_DEPENDENCY":
      return {
        title: DEFINITION_TITLES[error.code],
        detail: summary(error.errors.slice(0, LIMITS.ERRORS).map(definitionLine), error.errors.length),
        errors: error.errors.map((fault) => ({
          pointer: fault.pointer ?? "/stages",
          detail: definitionLine(fault),
        })),
      };
    case "IDEMPOTENCY_MISMATCH":
      return {
        title: "Idempotency mismatch",
        detail: "the same key or execution_id was used with another request",
      };
    case "SCHEMA_MISMATCH":
      return {
        title: "Schema mismatch",
        detail: summary(
          error.errors
            .slice(0, LIMITS.ERRORS)
            .map(({ pointer, detail }) => `${pointer || "the data"} ${detail}`),
          error.errors.length,
        ),
        errors: error.errors,
      };
    case "BUDGET_EXCEEDED": {
      const { scope, spent_usd, limit_usd, window_seconds, retry_after_seconds } = error;
      return {
        title: "Budget exceeded",
        detail:
          `the budget of ${scope} is spent: ${spent_usd.toFixed(4)} of ${limit_usd} USD in ${window_seconds} s; ` +
          `try again in ${retry_after_seconds} s`,
        headers: { "retry-after": String(retry_after_seconds) },
      };
    }
    case "RATE_LIMITED":
      return {
        title: "Too many requests",
        detail: `try again in ${error.retry_after_seconds} s`,
        headers: { "retry-after": String(error.retry_after_seconds) },
      };
    case "AGENT_UNAVAILABLE":
      return { title: "Agent unavailable", detail: error.detail };
    case "STAGE_TIMEOUT":
    case "PIPELINE_TIMEOUT":
      return { title: "Timeout", detail: error.detail };
    case "AGENT_PROCESSING_ERROR":
      return { title: "Agent processing error", detail: error.detail };
    case "CONTEXT_CORRUPTED":
      return {
        title: "Context corrupted",
        detail: `the log of the execution ${error.execution_id} cannot be read: ${error.evidence}`,
      };
    case "RESOURCE_EXHAUSTED":
      return exhausted(error);
    case "COORDINATOR_DISABLED":
      return {
        title: "Coordinator disabled",
        detail: "AGENT_COORDINATOR_ENABLED is false: no execution is started",
      };
    case "INTERNAL_ERROR":
      return { title: "Internal error", detail: internalDetail(error.misconfigured) };
  }
}

function exhausted(error: Extract<CoordinatorError, { code: "RESOURCE_EXHAUSTED" }>): Description {
  switch (error.what) {
    case "storage":
      return { title: "Resource exhausted", detail: "the execution's storage is full" };
    case "memory":
      return {
        title: "Resource exhausted",
        detail: `not enough memory for this run beside those in memory; try again in ${error.retry_after_seconds} s`,
        headers: { "retry-after": String(error.retry_after_seconds) },
      };
    case "index":
      return {
        title: "Resource exhausted",
        detail: `it is not known whether the conversation is busy; try again in ${error.retry_after_seconds} s`,
        headers: { "retry-after": String(error.retry_after_seconds) },
      };
    case "body": {
      const detail = `the body is larger than ${error.limit_bytes} bytes`;
      return { status: 413, title: "Body too large", detail };
    }
    case "pipelines":
    case "agents": {
      const detail = `a tenant has at most ${error.limit} ${error.what}, and this would be number ${error.size}`;
      return { status: 413, title: `Too many ${error.what}`, detail };
    }
    case "config":
    case "catalog": {
      const what = error.what === "config" ? "changed config" : "pipelines, agents and config together";
      const detail = `a tenant's ${what} may take ${error.limit} bytes as JSON, and this would make it ${error.size}`;
      return { status: 413, title: "Definitions too large", detail };
    }
  }
}

function forbiddenDetail(error: Extract<CoordinatorError, { code: "FORBIDDEN" }>): string {
  if ("scope" in error) return `the key lacks the scope ${error.scope}`;
  if ("host" in error) {
    return (
      `the host ${JSON.stringify(error.host.slice(0, MOST_SHOWN))} is not served: with AGENT_COORDINATOR_AUTH=none ` +
      "only loopback names, IP addresses and the names in AGENT_COORDINATOR_HOSTS are"
    );
  }
  return (
    `a page of ${JSON.stringify(error.origin.slice(0, MOST_SHOWN))} may not change anything here: with ` +
    "AGENT_COORDINATOR_AUTH=none only this coordinator's own pages and the origins in " +
    "AGENT_COORDINATOR_CORS_ORIGINS may"
  );
}

/** Of a header that was refused. */
const MOST_SHOWN = 100;

function internalDetail(bad: Extract<CoordinatorError, { code: "INTERNAL_ERROR" }>["misconfigured"]): string {
  if (bad === undefined) return "an internal error occurred and was logged";
  const value =
    bad.shown === undefined ? "a value that cannot be used" : `the value ${JSON.stringify(bad.shown)}`;
  return `the variable ${bad.variable} has ${value}; expected: ${bad.expected}`;
}

const DEFINITION_TITLES = {
  INVALID_PIPELINE_CONFIG: "Invalid pipeline",
  CIRCULAR_DEPENDENCY: "Circular dependency",
  MISSING_DEPENDENCY: "Missing dependency",
} as const;

const UNAUTHORIZED = {
  missing: "this call needs Authorization: Bearer KEY",
  unknown: "this key is unknown",
  expired: "this key has expired",
  bad_token: "this stream token is not valid for this execution, or has expired",
  not_configured:
    "no keys are configured: set the secret AGENT_COORDINATOR_API_KEYS to a JSON array of " +
    '{"tenant","key_sha256","scopes"} (wrangler secret put AGENT_COORDINATOR_API_KEYS), ' +
    "or AGENT_COORDINATOR_AUTH=none for local development",
} as const;

/** The entries that a document lists. */
function first(errors: NonNullable<Description["errors"]>): NonNullable<Description["errors"]> {
  return errors
    .slice(0, LIMITS.ERRORS)
    .map(({ pointer, detail }) => ({ pointer: clip(pointer), detail: clip(detail) }));
}

/** The lines as one text, which says how many there are where it cannot hold them all. */
function summary(lines: readonly string[], count: number): string {
  const text = lines.join("; ");
  if (lines.length === count && text.length <= LIMITS.ERROR_CHARS) return text;
  const ending = ` (${count} errors in total)`;
  return `${clip(text, LIMITS.ERROR_CHARS - ending.length)}${ending}`;
}

function clip(text: string, most: number = LIMITS.ERROR_CHARS): string {
  if (text.length <= most) return text;
  // Half a surrogate pair at the cut goes, too.
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function definitionLine(fault: { message: string; stage?: string | undefined }): string {
  return fault.stage === undefined ? fault.message : `${fault.stage}: ${fault.message}`;
}
