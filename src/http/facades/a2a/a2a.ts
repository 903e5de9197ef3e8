// A2A 1.0 over JSON-RPC: /v1/pipelines/:name/a2a has one pipeline as an agent, /a2a all of them; each has its card.
import type { JsonObject } from "../../../contract/json.ts";
import { err } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import type { Call } from "../../context.ts";
import { endpoint } from "../../endpoint.ts";
import { OBJECT_ERRORS } from "../../openapi/description.ts";
import { JSON_TYPE } from "../../route.ts";
import { MESSAGES, pipelineName, RPC_POST } from "../facade.ts";
import { agentCard } from "./card.ts";
import { ERRORS, readA2aRequest, rpcFailure } from "./rpc.ts";
import { serveA2a } from "./tasks.ts";

const CALL = {
  ...RPC_POST,
  body: { name: "A2aRequest", schema: z.unknown(), ...MESSAGES },
  answers: { 200: { media: JSON_TYPE } },
  describe: () => ({
    summary: "Call pipelines as agents of A2A",
    answers: { 200: "The result, or its event stream" },
    errors: ["PIPELINE_NOT_FOUND", ...OBJECT_ERRORS] as const,
  }),
} as const;

const CARD = {
  method: "get",
  permission: "read",
  any_accept: true,
  any_query: true,
  answers: { 200: { media: JSON_TYPE } },
} as const;

export const a2a = [
  endpoint({
    id: "a2a",
    path: "/a2a",
    ...CALL,
    handle: ({ call, body }) => serve(call, body, null),
  }),
  endpoint({
    id: "a2a_with_pipeline",
    path: "/v1/pipelines/:name/a2a",
    ...CALL,
    params: { name: pipelineName },
    handle: ({ call, body, params }) => serve(call, body, params.name),
  }),
  endpoint({
    id: "get_agent_card",
    path: "/.well-known/agent-card.json",
    ...CARD,
    describe: () => ({ summary: "The card of all pipelines as one agent", answers: { 200: "The card" } }),
    handle: async ({ call, services, tenant }) => {
      const { pipelines } = await services.catalogs.readAll(tenant);
      const all = Object.values(pipelines).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return card(agentCard("Agent Coordinator", "Runs pipelines of agents.", urlOf(call, "/a2a"), all));
    },
  }),
  endpoint({
    id: "get_agent_card_of_pipeline",
    path: "/v1/pipelines/:name/a2a/.well-known/agent-card.json",
    ...CARD,
    params: { name: pipelineName },
    describe: () => ({
      summary: "The card of a pipeline as an agent",
      answers: { 200: "The card" },
      errors: ["PIPELINE_NOT_FOUND"],
    }),
    handle: async ({ call, services, tenant, params: { name } }) => {
      const { pipelines } = await services.catalogs.readFor(tenant, name);
      const pipeline = Object.hasOwn(pipelines, name) ? pipelines[name] : undefined;
      if (pipeline === undefined) return err({ code: "PIPELINE_NOT_FOUND", pipeline: name });
      const description = pipeline.description ?? `Runs the pipeline ${name}.`;
      return card(agentCard(name, description, urlOf(call, `/v1/pipelines/${name}/a2a`), [pipeline]));
    },
  }),
];

function card(value: JsonObject) {
  return { status: 200 as const, media: JSON.stringify(value), type: JSON_TYPE };
}

function urlOf({ req, var: { services } }: Call, path: string): string {
  return `${services.settings.publicOrigin ?? new URL(req.url).origin}${path}`;
}

async function serve(call: Call, body: unknown, pipeline: string | null): Promise<{ stream: Response }> {
  const request = readA2aRequest(body);
  if (!request.ok) return { stream: rpcFailure(null, request.error) };
  const version = call.req.header("a2a-version");
  // A request without a version is of 0.3.
  if (version === undefined || !/^1(\.\d+)?$/.test(version)) {
    return { stream: rpcFailure(request.value.id, ERRORS.version(version)) };
  }
  return { stream: await serveA2a(call, request.value, pipeline) };
}
