// JSON-RPC as MCP has it: the answer to a request comes between notifications of progress.
import { err, ok, type Result } from "../../../../contract/problem.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import type { AnswerHooks } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { readMessages, type RpcError, rpcError } from "../json-rpc.ts";
import { type Members, membersOf, wordOf } from "../members.ts";

/** The revision without a handshake, and the newest one with it. */
export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";

/** What a server has answered to a request. */
export type RpcAnswer = Result<Members, RpcError>;

export const RPC_HEADERS = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};

/**
 * Reads the answer to the request of this id, and passes progress on.
 * @throws what AgentResponse throws
 */
export function readRpc(
  response: AgentResponse,
  id: number,
  hooks: Pick<AnswerHooks, "progress">,
): Promise<Result<RpcAnswer, CallFailure>> {
  return readMessages(response, (message) => take(message, id, hooks), "the stream ended without an answer");
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
  return error === undefined ? ok(membersOf(message["result"])) : err(rpcError(error));
}

function progress({ progress: done, total, message }: Members, hooks: Pick<AnswerHooks, "progress">): void {
  const part = typeof done === "number" && typeof total === "number" && total > 0 ? done / total : null;
  const words = wordOf(message) ?? (part === null ? null : `${String(done)} of ${String(total)}`);
  if (words === null) return;
  hooks.progress({ message: words, ...(part !== null && part >= 0 && part <= 1 ? { fraction: part } : {}) });
}

/** A value of a header: one that is not plain ASCII is in base64. */
export function headerValue(text: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith("=?")) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?base64?${btoa(String.fromCharCode(...bytes))}?=`;
}
