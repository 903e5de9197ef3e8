// JSON-RPC 2.0 over HTTP, as A2A and MCP have it: a request, and messages in a JSON body or in an event stream.
import { err, ok, type Result } from "../../../contract/problem.ts";
import type { CallFailure } from "../../../core/resilience/classify.ts";
import { bodyless } from "../parse.ts";
import type { AgentResponse } from "../response.ts";
import { type Members, membersOf, parsed, wordOf } from "./members.ts";
import { broken, cutOff, refused } from "./outcomes.ts";

export interface RpcError {
  code: number | null;
  message: string;
}

/** @param id null for a notification, which has no answer */
export function rpcBody(id: number | null, method: string, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", ...(id === null ? {} : { id }), method, params });
}

/**
 * Reads the messages of a response up to the first for which `take` has a value.
 * @param cut what is said of a stream that ends without one
 * @throws what AgentResponse throws
 */
export async function readMessages<T>(
  response: AgentResponse,
  take: (message: Members) => T | null,
  cut: string,
): Promise<Result<T, CallFailure>> {
  const { status } = response;
  if (!response.hasBody) return err(bodyless(status, "JSON-RPC"));
  if (response.isStream) {
    const taken = await response.events(({ data }) => take(membersOf(parsed(data))));
    return taken === null ? cutOff(cut) : ok(taken);
  }
  if (!response.isJson) return err(await response.unexpected("application/json, text/event-stream"));
  const taken = take(membersOf(parsed(await response.text())));
  return taken === null ? noAnswer(status) : ok(taken);
}

export function noAnswer(status: number): Result<never, CallFailure> {
  return broken("it is no JSON-RPC answer to the request", status);
}

export function rpcError(error: unknown): RpcError {
  const { code, message } = membersOf(error);
  return {
    code: Number.isInteger(code) ? (code as number) : null,
    message: wordOf(message) ?? "it answered with an error",
  };
}

/** What no other try of the same would change, in every protocol. */
const FINAL: readonly (number | null)[] = [-32_600, -32_601, -32_602];

/** The failure of a request that was refused. @param others codes that no other try would change */
export function rpcFailure(
  { code, message }: RpcError,
  others: readonly number[] = [],
): Result<never, CallFailure> {
  const isFinal = [...FINAL, ...others].includes(code);
  return refused(isFinal ? 400 : 500, message, isFinal ? false : null);
}
