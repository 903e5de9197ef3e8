// POST /mcp: an MCP server without sessions, of which each pipeline is a tool.
import type { JsonObject } from "../../../contract/json.ts";
import { cutName } from "../../../contract/names.ts";
import * as z from "../../../contract/zod.ts";
import {
  McpEncoder,
  response,
  type RpcId,
  toolError,
  toolOf,
  toolResult,
} from "../../../core/dialects/mcp.ts";
import { isObject } from "../../../core/json/json.ts";
import { VERSION } from "../../../version.ts";
import { type Call, jsonText, problem } from "../../context.ts";
import { endpoint } from "../../endpoint.ts";
import { takeWork } from "../../middleware/rate-limit.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS } from "../../openapi/description.ts";
import { JSON_TYPE, SSE_TYPE } from "../../route.ts";
import { MESSAGES, planFacadeRun, RPC_POST, streamStart, watchedAnswer } from "../facade.ts";
import { LEGACY, type McpRequest, readMcpRequest, type RpcError, SUPPORTED } from "./request.ts";

const SERVER_INFO = { name: "agent-coordinator", title: "Agent Coordinator", version: VERSION };
const INSTRUCTIONS = "Each tool runs one pipeline of agents and answers with its result.";
const CAPABILITIES = { tools: {} };
/** How long a client may take a list for the present one, in ms. */
const TTL = { ttlMs: 60_000, cacheScope: "private" };
const MODERN_FRAME = {
  resultType: "complete",
  _meta: { "io.modelcontextprotocol/serverInfo": SERVER_INFO },
};

const PLACES = {
  query: "/arguments/query",
  conversation_id: "/arguments/conversation_id",
  context: "/arguments/context",
};

export const mcp = [
  endpoint({
    id: "mcp",
    path: "/mcp",
    ...RPC_POST,
    body: { name: "McpRequest", schema: z.unknown(), ...MESSAGES },
    answers: { 200: { media: JSON_TYPE }, 202: null },
    describe: () => ({
      summary: "Call pipelines as the tools of an MCP server",
      answers: { 200: "The result, or its event stream", 202: "A notification was received" },
      errors: ["PIPELINE_NOT_FOUND", "FORBIDDEN", ...OBJECT_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: async ({ call, body }) => {
      if (!isOwnOrigin(call)) return { stream: forbidden() };
      const read = readMcpRequest(body, (name) => call.req.header(name));
      if (!read.ok) return { stream: rpcError(read.error) };
      const request = read.value;
      if (request.id === undefined) return { status: 202 };
      return { stream: await answer(call, request, request.id) };
    },
  }),
];

/** Pages of other origins may not reach a server that is only local: MCP asks it of every server. */
function isOwnOrigin({ req, var: { services } }: Call): boolean {
  const origin = req.header("origin");
  return (
    origin === undefined || services.settings.corsOrigins.has(origin) || origin === new URL(req.url).origin
  );
}

function forbidden(): Response {
  return rpcError({
    id: null,
    status: 403,
    code: -32_600,
    message: "pages of this origin may not call this server",
  });
}

function rpcError({ id, status, code, message, data }: RpcError): Response {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  return jsonText(JSON.stringify({ jsonrpc: "2.0", id, error }), status);
}

async function answer(call: Call, request: McpRequest, id: RpcId): Promise<Response> {
  const { method, params, isModern } = request;
  const frame: JsonObject = isModern ? MODERN_FRAME : {};
  const result = (value: JsonObject) => jsonText(JSON.stringify(response(id, { ...frame, ...value })));
  switch (method) {
    case "server/discover":
      return result({
        supportedVersions: [...SUPPORTED],
        capabilities: CAPABILITIES,
        instructions: INSTRUCTIONS,
        ...TTL,
      });
    case "initialize": {
      const asked = params["protocolVersion"];
      const protocolVersion = LEGACY.find((version) => version === asked) ?? LEGACY[0];
      return result({
        protocolVersion,
        capabilities: CAPABILITIES,
        serverInfo: SERVER_INFO,
        instructions: INSTRUCTIONS,
      });
    }
    case "ping":
      return result({});
    case "tools/list": {
      const { services, tenant } = call.var;
      const { pipelines } = await services.catalogs.readAll(tenant);
      const tools = Object.values(pipelines)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(toolOf);
      return result({ tools, ...(isModern ? TTL : {}) });
    }
    case "tools/call":
      return callTool(call, request, id, frame);
    default: {
      const message = `there is no method ${cutName(method)}`;
      return rpcError({ id, status: isModern ? 404 : 200, code: -32_601, message });
    }
  }
}

async function callTool(call: Call, { params }: McpRequest, id: RpcId, frame: JsonObject): Promise<Response> {
  const limited = await takeWork(call);
  if (limited !== null) return problem(call, limited);
  const { name, arguments: given = {}, _meta: meta } = params;
  const failed = (text: string) => jsonText(JSON.stringify(response(id, toolError(text, frame))));
  if (typeof name !== "string") {
    return rpcError({ id, status: 200, code: -32_602, message: "/params/name must be a string" });
  }
  if (!isObject(given) || typeof given["query"] !== "string") {
    return failed("/arguments/query is required, and must be a string");
  }
  const { query, conversation_id, context } = given;
  const streams = (call.req.header("accept") ?? "").includes(SSE_TYPE);
  const run = {
    query,
    pipeline: name,
    conversation_id: conversation_id ?? `conv_${call.var.services.platform.randomExecutionId()}`,
    on_disconnect: "cancel",
    // A caller of JSON is answered where the run rests.
    ...(streams ? {} : { rests_alone: "for_good" as const }),
    ...(context === undefined ? {} : { context }),
    // No caller knows the conversation that is drawn for this call: nothing is remembered of it.
    ...(conversation_id === undefined ? { history: [] } : {}),
  };
  const planned = await planFacadeRun(call, run, null, true, PLACES);
  if (!planned.ok) {
    if (planned.error.code === "PIPELINE_NOT_FOUND") {
      return rpcError({ id, status: 200, code: -32_602, message: `there is no tool ${cutName(name)}` });
    }
    // What a model can mend is a result that it reads; what it cannot is an error of the call.
    return isMended(planned.error.code)
      ? failed(await wordsOf(call, planned.error))
      : problem(call, planned.error);
  }
  if (streams) {
    const token = isObject(meta) ? meta["progressToken"] : undefined;
    const progressToken = typeof token === "string" || typeof token === "number" ? token : null;
    const encoder = new McpEncoder({ id, frame, progressToken });
    const streamed = await streamStart(call, planned.value, encoder);
    return streamed.ok ? streamed.value : problem(call, streamed.error);
  }
  const answered = await watchedAnswer(call, planned.value, (execution) =>
    response(id, toolResult(execution, frame)),
  );
  return answered.ok ? answered.value : problem(call, answered.error);
}

function isMended(code: string): boolean {
  return (
    code === "INVALID_REQUEST" ||
    code === "CONVERSATION_BUSY" ||
    DEFINITION_ERRORS.some((known) => known === code)
  );
}

async function wordsOf(call: Call, error: Parameters<typeof problem>[1]): Promise<string> {
  const { error: read } = (await problem(call, error).json()) as { error: { message: string } };
  return read.message;
}
