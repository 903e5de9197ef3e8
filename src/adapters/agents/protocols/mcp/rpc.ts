// JSON-RPC as MCP speaks it over HTTP: a request, and the answer to it in a JSON body or in an event stream, between
// notifications of progress.
import { err, ok, type Result } from "../../../../contract/problem.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import { bodyless, clip } from "../../parse.ts";
import type { AnswerHooks } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { type Members, membersOf, parsed, wordOf } from "../members.ts";

/** The revision without a handshake, and the newest one with it. */
export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";

export interface RpcError {
  code: number | null;
  message: string;
}

/** What a server has answered to a request. */
export type RpcAnswer = Result<Members, RpcError>;

const ACCEPT = "application/json, text/event-stream";

export const RPC_HEADERS = { "content-type": "application/json", accept: ACCEPT };

/** @param id null for a notification, which has no answer */
export function rpcBody(id: number | null, method: string, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", ...(id === null ? {} : { id }), method, params });
}

/**
 * Reads the answer to the request of this id, and passes progress on.
 * @throws what AgentResponse throws
 */
export async function readRpc(
  response: AgentResponse,
  id: number,
  hooks: Pick<AnswerHooks, "progress">,
): Promise<Result<RpcAnswer, CallFailure>> {
  const { status } = response;
  if (!response.hasBody) return err(bodyless(status, "JSON-RPC"));
  if (response.isStream) {
    const answer = await response.events(({ data }) => take(membersOf(parsed(data)), id, hooks));
    return answer === null
      ? err({ kind: "truncated", detail: "the stream ended without an answer" })
      : ok(answer);
  }
  if (!response.isJson) return err(await response.unexpected(ACCEPT));
  const answer = take(membersOf(parsed(await response.text())), id, hooks);
  if (answer !== null) return ok(answer);
  return err({ kind: "contract", detail: "it is no JSON-RPC answer to the request", status });
}

/** Null for any other message than the answer. */
function take(message: Members, id: number, hooks: Pick<AnswerHooks, "progress">): RpcAnswer | null {
  if (message["method"] === "notifications/progress") {
    progress(membersOf(message["params"]), hooks);
    return null;
  }
  // An error before the request could be read has no id.
  const isAnswer = message["id"] === id || (message["id"] === null && message["error"] !== undefined);
  if (message["method"] !== undefined || !isAnswer) return null;
  const { error } = message as { error?: unknown };
  if (error === undefined) return ok(membersOf(message["result"]));
  const { code, message: words } = membersOf(error);
  const text = wordOf(words) ?? "it answered with an error";
  return err({ code: Number.isInteger(code) ? (code as number) : null, message: text });
}

function progress({ progress: done, total, message }: Members, hooks: Pick<AnswerHooks, "progress">): void {
  const part = typeof done === "number" && typeof total === "number" && total > 0 ? done / total : null;
  const words = wordOf(message) ?? (part === null ? null : `${String(done)} of ${String(total)}`);
  if (words === null) return;
  hooks.progress({ message: words, ...(part !== null && part >= 0 && part <= 1 ? { fraction: part } : {}) });
}

const NOT_RETRIED: ReadonlySet<number> = new Set([-32_600, -32_601, -32_602]);

/** The failure of a request that the server refused. */
export function rpcFailure({ code, message }: RpcError): CallFailure {
  const isRefused = code !== null && NOT_RETRIED.has(code);
  const status = isRefused ? 400 : 500;
  return { kind: "stream_error", status, detail: clip(message), retryable: isRefused ? false : null };
}

/** A value of a header: one that is not plain ASCII is in base64. */
export function headerValue(text: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith("=?")) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?base64?${btoa(String.fromCharCode(...bytes))}?=`;
}
