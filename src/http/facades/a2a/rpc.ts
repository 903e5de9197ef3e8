// JSON-RPC as A2A has it: requests, results, and errors that carry a reason by which its clients make typed ones.
import type { JsonObject } from "../../../contract/json.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import { jsonText } from "../../context.ts";

export type RpcId = string | number;

export interface A2aError {
  code: number;
  message: string;
  reason?: string;
}

export interface A2aRequest {
  id: RpcId;
  method: string;
  params: JsonObject;
}

export const ERRORS = {
  notFound: (task: string): A2aError => ({
    code: -32_001,
    message: `Task not found: ${task.slice(0, 80)}`,
    reason: "TASK_NOT_FOUND",
  }),
  notCancelable: (task: string): A2aError => ({
    code: -32_002,
    message: `Task not cancelable: ${task}`,
    reason: "TASK_NOT_CANCELABLE",
  }),
  noPush: {
    code: -32_003,
    message: "Push notifications are not supported",
    reason: "PUSH_NOTIFICATION_NOT_SUPPORTED",
  },
  unsupported: (why: string): A2aError => ({ code: -32_004, message: why, reason: "UNSUPPORTED_OPERATION" }),
  version: (said: string | undefined): A2aError => ({
    code: -32_009,
    message: `A2A-Version ${said ?? "0.3 (none was sent)"} is not supported: 1.0 is`,
    reason: "VERSION_NOT_SUPPORTED",
  }),
  invalid: (message: string): A2aError => ({ code: -32_602, message }),
} as const;

const Request = z.lazy(() =>
  z.looseObject({
    jsonrpc: z.literal("2.0"),
    id: z.union([z.string(), z.number()]),
    method: z.string(),
    params: z.optional(z.looseObject({})),
  }),
);

export function readA2aRequest(body: unknown): Result<A2aRequest, A2aError> {
  const read = Request.safeParse(body);
  if (!read.success) return err({ code: -32_600, message: "the body must be one request of JSON-RPC 2.0" });
  const { id, method, params = {} } = read.data;
  return ok({ id, method, params });
}

/** What is wrong with the params of a request, with its place. */
export function faultOf({ issues: [issue] }: Pick<z.core.$ZodError, "issues">): string {
  return `/params/${issue?.path.join("/") ?? ""} ${issue?.message ?? "is not valid"}`;
}

export function rpcResult(id: RpcId, result: unknown): Response {
  return jsonText(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

export function rpcFailure(id: RpcId | null, { code, message, reason }: A2aError): Response {
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "a2a-protocol.org" };
  const error = { code, message, ...(reason === undefined ? {} : { data: [info] }) };
  return jsonText(JSON.stringify({ jsonrpc: "2.0", id, error }));
}
