// A request to the MCP endpoint: JSON-RPC, the revision that it is of, and the headers that the modern one repeats its body
// in, so that a proxy need not read it (revision 2026-07-28; those before begin with a handshake).
import type { JsonObject } from "../../../contract/json.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import { isObject } from "../../../core/json/json.ts";
import type { RpcId } from "../../../core/dialects/mcp.ts";

const MODERN = "2026-07-28";
/** Those before, the newest first. */
export const LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"] as const;
export const SUPPORTED: readonly string[] = [MODERN, ...LEGACY];

const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";

export interface RpcError {
  id: RpcId | null;
  /** Of HTTP. */
  status: number;
  code: number;
  message: string;
  data?: JsonObject;
}

export interface McpRequest {
  /** Absent for a notification, which has no answer. */
  id?: RpcId;
  method: string;
  params: JsonObject;
  isModern: boolean;
}

const INVALID = -32_600;
const HEADER_MISMATCH = -32_020;
const UNSUPPORTED_VERSION = -32_022;

/** @param header of the HTTP request, by name */
export function readMcpRequest(
  body: unknown,
  header: (name: string) => string | undefined,
): Result<McpRequest, RpcError> {
  if (!isObject(body) || body["jsonrpc"] !== "2.0" || typeof body["method"] !== "string") {
    return err({
      id: null,
      status: 400,
      code: INVALID,
      message: "the body must be one request of JSON-RPC 2.0",
    });
  }
  const { id, method, params = {} } = body;
  if (id !== undefined && typeof id !== "string" && typeof id !== "number") {
    return err({ id: null, status: 400, code: INVALID, message: "/id must be a string or a number" });
  }
  const known = id === undefined ? {} : { id };
  if (!isObject(params)) {
    return err({ id: id ?? null, status: 400, code: -32_602, message: "/params must be an object" });
  }
  const meta = isObject(params["_meta"]) ? params["_meta"] : {};
  const own = meta[VERSION_KEY];
  const said = header("mcp-protocol-version");
  const isLegacyHeader = said === undefined || (LEGACY as readonly string[]).includes(said);
  const isModern = own !== undefined || (!isLegacyHeader && method !== "initialize");
  const request = { ...known, method, params, isModern };
  if (!isModern) return ok(request);
  const requested = own ?? said;
  if (requested !== MODERN) {
    return err({
      id: id ?? null,
      status: 400,
      code: UNSUPPORTED_VERSION,
      message: "Unsupported protocol version",
      data: {
        supported: [...SUPPORTED],
        requested: typeof requested === "string" ? requested.slice(0, 40) : null,
      },
    });
  }
  const fault = headerFault(method, params, own, header);
  return fault === null
    ? ok(request)
    : err({ id: id ?? null, status: 400, code: HEADER_MISMATCH, message: fault });
}

function headerFault(
  method: string,
  params: JsonObject,
  own: unknown,
  header: (name: string) => string | undefined,
): string | null {
  const version = header("mcp-protocol-version");
  if (version !== own) return `MCP-Protocol-Version must be that of the body, ${show(own)}`;
  if (header("mcp-method") !== method) return `Mcp-Method must be that of the body, ${show(method)}`;
  if (method !== "tools/call") return null;
  const { name } = params;
  return decoded(header("mcp-name")) === name ? null : `Mcp-Name must be that of the body, ${show(name)}`;
}

/** A header that is not plain ASCII comes as `=?base64?…?=`. */
function decoded(value: string | undefined): string | undefined {
  const coded = /^=\?base64\?([A-Za-z0-9+/=]*)\?=$/.exec(value ?? "")?.[1];
  if (coded === undefined) return value;
  try {
    const bytes = Uint8Array.from(atob(coded), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : "which is absent";
}
