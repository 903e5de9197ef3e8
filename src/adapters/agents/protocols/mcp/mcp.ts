// The protocol `mcp`: a tool of an MCP server, by the revision of 2026, which has no handshake, or by those of 2025,
// which have one. Which of them a server speaks is asked once: a call that is not understood might have been run.
// src/contract/README.md section 15.
import type { McpOptions } from "../../../../contract/agent-options.ts";
import { ok, type Result } from "../../../../contract/problem.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import { TIMINGS } from "../../../../core/timings.ts";
import type { CallHooks } from "../../../../engine/ports.ts";
import { readErrorBody } from "../../parse.ts";
import type { AnswerRead, ConversingProtocol, Exchange, ProtocolCall } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { rpcBody, rpcFailure } from "../json-rpc.ts";
import { listOf, wordOf } from "../members.ts";
import { filledObject } from "../template.ts";
import { answeredBy } from "./questions.ts";
import { toolAnswer } from "./result.ts";
import { headerValue, LEGACY, MODERN, readRpc, RPC_HEADERS, type RpcAnswer } from "./rpc.ts";

type Era = "modern" | "legacy";

/** What servers were found to speak, by place. */
const eras = new Map<string, Era>();
const MOST_ERAS = 1_000;
/** Statuses by which a server refuses what it does not understand. */
const NOT_UNDERSTOOD: ReadonlySet<number> = new Set([400, 404, 405, 406, 415, 501]);

/** Its version is that of what is sent here. */
const CLIENT = { name: "agent-coordinator", version: "1" };
const CALL = 2;
const INTERNAL_ERROR = -32_603;

export const mcp: ConversingProtocol = {
  form: "a result of JSON-RPC",
  readError: readErrorBody,
  converse: async (asked, exchange, hooks) => {
    const known = eras.get(exchange.place);
    const era = known === undefined ? await eraOf(exchange) : ok(known);
    if (!era.ok) return era;
    const called = await callBy(era.value, asked, exchange, hooks);
    // A server of another version now: it is asked again at the next call.
    if (isNotUnderstood(called)) eras.delete(exchange.place);
    return called;
  },
};

function callBy(era: Era, asked: ProtocolCall, exchange: Exchange, hooks: CallHooks): Promise<AnswerRead> {
  return era === "modern" ? callModern(asked, exchange, hooks) : callLegacy(asked, exchange, hooks);
}

function isNotUnderstood(read: AnswerRead): boolean {
  return read.ok === false && read.error.kind === "status" && NOT_UNDERSTOOD.has(read.error.status);
}

/** Asks what the server speaks. */
async function eraOf(exchange: Exchange): Promise<Result<Era, CallFailure>> {
  const response = await exchange.send({
    headers: { ...RPC_HEADERS, "mcp-protocol-version": MODERN, "mcp-method": "server/discover" },
    body: rpcBody(1, "server/discover", { _meta: META }),
  });
  let era: Era = "legacy";
  if (response.ok) {
    const read = await readRpc(response.value, 1, { progress: () => {} });
    if (!read.ok) return read;
    const versions = read.value.ok ? listOf(read.value.value["supportedVersions"]) : [];
    if (versions.includes(MODERN)) era = "modern";
    // A server with a fault of its own may answer otherwise later, so nothing is kept. A handshake runs no tool.
    else if (!read.value.ok && read.value.error.code === INTERNAL_ERROR) return ok("legacy");
  } else if (response.error.kind !== "status" || !NOT_UNDERSTOOD.has(response.error.status)) return response;
  if (eras.size >= MOST_ERAS) eras.clear();
  eras.set(exchange.place, era);
  return ok(era);
}

const META = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": {},
};
/** A server asks only the client that says it can be asked. */
const ASKABLE = { ...META, "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };

async function callModern(asked: ProtocolCall, exchange: Exchange, hooks: CallHooks): Promise<AnswerRead> {
  const { tool } = asked.options as McpOptions;
  const response = await exchange.send({
    headers: {
      ...RPC_HEADERS,
      "mcp-protocol-version": MODERN,
      "mcp-method": "tools/call",
      "mcp-name": headerValue(tool),
    },
    body: rpcBody(CALL, "tools/call", toolCall(asked, asked.may_ask === true ? ASKABLE : META)),
  });
  return response.ok ? readTool(response.value, asked, hooks) : response;
}

/** A handshake, the call, and the end of the session where the server keeps one. */
async function callLegacy(asked: ProtocolCall, exchange: Exchange, hooks: CallHooks): Promise<AnswerRead> {
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
  const greeted = await exchange.send({ headers: RPC_HEADERS, body: rpcBody(1, "initialize", params) });
  if (!greeted.ok) return greeted;
  const session = greeted.value.headers.get("mcp-session-id");
  const greeting = await readRpc(greeted.value, 1, hooks);
  if (!greeting.ok) return greeting;
  if (!greeting.value.ok) {
    eras.delete(exchange.place);
    return rpcFailure(greeting.value.error);
  }
  const headers = {
    ...RPC_HEADERS,
    "mcp-protocol-version": wordOf(greeting.value.value["protocolVersion"]) ?? LEGACY,
    ...(session === null ? {} : { "mcp-session-id": session }),
  };
  /** What is sent although the call may be over: nothing waits for it. */
  const farewell = (method: "POST" | "DELETE", body?: string) =>
    void exchange
      .send({
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(TIMINGS.ABANDON_MS),
      })
      .then((response) => response.ok && response.value.discard());
  const cancel = () => farewell("POST", rpcBody(null, "notifications/cancelled", { requestId: CALL }));
  try {
    const begun = await exchange.send({ headers, body: rpcBody(null, "notifications/initialized", {}) });
    if (!begun.ok) return begun;
    begun.value.discard();
    hooks.signal.addEventListener("abort", cancel);
    const response = await exchange.send({ headers, body: rpcBody(CALL, "tools/call", toolCall(asked, {})) });
    return response.ok ? await readTool(response.value, asked, hooks) : response;
  } finally {
    hooks.signal.removeEventListener("abort", cancel);
    if (session !== null) farewell("DELETE");
  }
}

function toolCall({ call, options, answer }: ProtocolCall, meta: object): object {
  const { tool, arguments: given } = options as McpOptions;
  const filled = given === undefined ? { query: call.query } : filledObject(given, call);
  return {
    name: tool,
    arguments: filled,
    ...(answer === undefined ? {} : answeredBy(answer)),
    _meta: { ...meta, progressToken: CALL },
  };
}

async function readTool(
  response: AgentResponse,
  { options }: ProtocolCall,
  hooks: CallHooks,
): Promise<AnswerRead> {
  const read = await readRpc(response, CALL, hooks);
  if (!read.ok) return read;
  const answer: RpcAnswer = read.value;
  if (!answer.ok) return rpcFailure(answer.error);
  return toolAnswer(answer.value, (options as McpOptions).retry_tool_errors);
}
