// Errors in the form that clients of other protocols read, made of the problem document: OpenAI's error object, and an
// error of JSON-RPC. The status and the headers stay.
import type { CoordinatorError, ErrorCode } from "../../contract/problem.ts";
import type { ProblemAnswer } from "../problem.ts";
import type { Dialect } from "../route.ts";

/** Paths that are a protocol's also where there is no route: its clients ask for what only others have. */
const PATHS: readonly (readonly [RegExp, Dialect])[] = [
  [
    /^\/v1\/(?:chat\/completions|completions|models|responses|embeddings|files|images|audio)(?:\/|$)/,
    "openai",
  ],
  [/^\/(?:mcp|a2a|v1\/pipelines\/[^/]+\/a2a)\/?$/, "json-rpc"],
];

/** The protocol whose clients call this path; null for the product's own. */
export function dialectAt(path: string): Dialect | null {
  return PATHS.find(([paths]) => paths.test(path))?.[1] ?? null;
}

/** @param answer the same error as a problem document */
export function dialectError(
  dialect: Dialect,
  error: CoordinatorError,
  { status, headers, problem }: ProblemAnswer,
): Response {
  const message = problem.detail;
  const body =
    dialect === "openai"
      ? { error: { message, ...openAiError(error, status) } }
      : {
          jsonrpc: "2.0",
          id: null,
          error: { code: rpcCode(error, status), message, data: { code: error.code } },
        };
  const sent = { ...headers, "content-type": "application/json" };
  return new Response(JSON.stringify(body), { status, headers: sent });
}

interface OpenAiError {
  type: string;
  /** The member of the body that is wrong. */
  param: string | null;
  code: string;
}

function openAiError(error: CoordinatorError, status: number): OpenAiError {
  const type = OPENAI_TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error");
  const code = OPENAI_CODES[error.code] ?? error.code;
  if (error.code === "PIPELINE_NOT_FOUND") return { type, param: "model", code };
  const pointer = error.code === "INVALID_REQUEST" ? (error.errors[0]?.pointer ?? "") : "";
  return { type, param: pointer === "" ? null : pointer.slice(1).replaceAll("/", "."), code };
}

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  429: "rate_limit_error",
};

/** Codes that the clients know; of others the product's own. */
const OPENAI_CODES: Readonly<Partial<Record<ErrorCode, string>>> = {
  PIPELINE_NOT_FOUND: "model_not_found",
  UNAUTHORIZED: "invalid_api_key",
  RATE_LIMITED: "rate_limit_exceeded",
  BUDGET_EXCEEDED: "insufficient_quota",
};

function rpcCode(error: CoordinatorError, status: number): number {
  // A fault of the whole body: it is no JSON. One that is too large has not been read.
  if (error.code === "INVALID_REQUEST" && error.errors[0]?.pointer === "" && status !== 413) return -32_700;
  return JSON_RPC_CODES[error.code] ?? (status < 500 ? INVALID_CALL : INTERNAL);
}

const INVALID_CALL = -32_600;
const INTERNAL = -32_603;
const JSON_RPC_CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_REQUEST: -32_602,
  PIPELINE_NOT_FOUND: -32_602,
  NOT_FOUND: -32_601,
};
