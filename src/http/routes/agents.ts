// /v1/agents: the registry. A URL that may not be called is refused here already.
import { Hono } from "hono";
import type { CatalogSnapshot } from "../../adapters/objects/catalog-api.ts";
import { AgentRegistration } from "../../contract/agent.ts";
import type { BreakerState } from "../../contract/management.ts";
import { Name } from "../../contract/names.ts";
import { agentUrl } from "../../core/agent-target.ts";
import { REFERENCE_AGENTS } from "../../pipelines/rag.ts";
import { invalid, parseWith, readBody } from "../body.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { registrationOf } from "../plan-run.ts";

export const agents = new Hono<AppEnv>()
  .get("/", list)
  .get("/:agent_type", read)
  .put("/:agent_type", put)
  .delete("/:agent_type", remove);

async function list(call: Call): Promise<Response> {
  const catalog = await catalogNow(call);
  const types = new Set([...REFERENCE_AGENTS, ...Object.keys(catalog.agents)]);
  const data = [...types].toSorted().flatMap((agent_type) => {
    const registration = registered(call, catalog, agent_type);
    return registration === null ? [] : [shown(agent_type, registration)];
  });
  return call.json({ data });
}

async function read(call: Call): Promise<Response> {
  const agent_type = call.req.param("agent_type") ?? "";
  const registration = registered(call, await catalogNow(call), agent_type);
  return registration === null ? notFound(call, agent_type) : call.json(shown(agent_type, registration));
}

async function put(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const agent_type = parseWith(Name, call.req.param("agent_type"));
  if (!agent_type.ok) return problem(call, agent_type.error);
  const registration = await readBody(call.req.raw, AgentRegistration);
  if (!registration.ok) return problem(call, registration.error);
  if ("url" in registration.value) {
    const url = agentUrl(registration.value.url, services.settings.allowedHosts);
    if (!url.ok) return problem(call, invalid([{ pointer: "/url", detail: url.error }]));
  }
  const before = registered(call, await catalogNow(call), agent_type.value);
  await services.catalogs.write(tenant, (rpc) => rpc.setAgent(agent_type.value, registration.value));
  return call.json(shown(agent_type.value, registration.value), before === null ? 201 : 200);
}

async function remove(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const agent_type = call.req.param("agent_type") ?? "";
  if (registered(call, await catalogNow(call), agent_type) === null) return notFound(call, agent_type);
  await services.catalogs.write(tenant, (rpc) => rpc.setAgent(agent_type, null));
  return new Response(null, { status: 204 });
}

function catalogNow(call: Call): Promise<CatalogSnapshot> {
  return call.var.services.catalogs.read(call.var.tenant, 0);
}

function registered(call: Call, catalog: CatalogSnapshot, agent_type: string): AgentRegistration | null {
  return registrationOf(catalog, call.var.services.settings, agent_type);
}

function shown(agent_type: string, registration: AgentRegistration) {
  return { agent_type, ...registration, breaker: breakerOf() };
}

/** The state of an agent's breaker: nothing opens one yet. */
function breakerOf(): BreakerState {
  return { state: "closed", failures: 0, opened_at: null, retry_at: null };
}

function notFound(call: Call, agent_type: string): Response {
  return problem(call, { code: "AGENT_NOT_FOUND", agent_type: agent_type.slice(0, 64) });
}
