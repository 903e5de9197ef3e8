// /v1/agents: the registry. A URL that may not be called is refused at registration.
import { Hono } from "hono/tiny";
import type { CatalogSnapshot } from "../../adapters/durable/catalog-client.ts";
import { AgentRegistration, type RegisteredAgent } from "../../contract/agent.ts";
import type { BreakerState } from "../../contract/management.ts";
import { cutName, Name } from "../../contract/names.ts";
import { isLoopbackHost } from "../../core/security/local-access.ts";
import { type AllowedHosts, agentUrl } from "../../core/security/agent-target.ts";
import { shownState, type BreakerSnapshot } from "../../core/resilience/breaker.ts";
import { REFERENCE_AGENTS } from "../../pipelines/rag.ts";
import { invalid, parseWith, readBody } from "../request/body.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { registrationOf } from "../runs/run-spec.ts";

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
    return registration === null ? [] : [{ agent_type, registration }];
  });
  return call.json({
    data: await Promise.all(
      data.map(async ({ agent_type, registration }) =>
        // The catalog knows every agent with recorded failures.
        Object.hasOwn(catalog.health.agents, agent_type)
          ? shownNow(call, agent_type, registration)
          : shown(call, agent_type, registration, HEALTHY),
      ),
    ),
  });
}

async function read(call: Call): Promise<Response> {
  const agent_type = call.req.param("agent_type") ?? "";
  const registration = registered(call, await catalogNow(call), agent_type);
  if (registration === null) return notFound(call, agent_type);
  return call.json(await shownNow(call, agent_type, registration));
}

async function put(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const agent_type = parseWith(Name, call.req.param("agent_type"));
  if (!agent_type.ok) return problem(call, agent_type.error);
  const registration = await readBody(call.req.raw, AgentRegistration);
  if (!registration.ok) return problem(call, registration.error);
  if ("url" in registration.value) {
    const url = agentUrl(registration.value.url, hostsFor(call));
    if (!url.ok) return problem(call, invalid([{ pointer: "/url", detail: url.error }]));
  }
  const before = registered(call, await catalogNow(call), agent_type.value);
  const { outcome } = await services.catalogs.write(tenant, (rpc) =>
    rpc.setAgent(agent_type.value, registration.value),
  );
  if (!outcome.ok) return problem(call, outcome.error);
  // Earlier failures belong to the replaced registration.
  const snapshot = await services.agentHealth(tenant, agent_type.value).reset();
  const body = shown(call, agent_type.value, registration.value, snapshot);
  return call.json(body, before === null ? 201 : 200);
}

/** The hosts that this request may name: the machine's own only where the coordinator is reached there itself. */
function hostsFor(call: Call): AllowedHosts {
  const { allowedHosts } = call.var.services.settings;
  return allowedHosts === "loopback" && !isLoopbackHost(call.req.header("host") ?? null)
    ? null
    : allowedHosts;
}

async function remove(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const agent_type = call.req.param("agent_type") ?? "";
  if (registered(call, await catalogNow(call), agent_type) === null) return notFound(call, agent_type);
  const { outcome } = await services.catalogs.write(tenant, (rpc) => rpc.setAgent(agent_type, null));
  return outcome.ok ? new Response(null, { status: 204 }) : problem(call, outcome.error);
}

function catalogNow(call: Call): Promise<CatalogSnapshot> {
  return call.var.services.catalogs.read(call.var.tenant, 0);
}

function registered(call: Call, catalog: CatalogSnapshot, agent_type: string): RegisteredAgent | null {
  return registrationOf(catalog, call.var.services.settings, agent_type);
}

const HEALTHY: BreakerSnapshot = {
  state: "closed",
  failures: 0,
  opened_at: null,
  retry_at: null,
  changed_at: 0,
};

function shown(call: Call, agent_type: string, registered: RegisteredAgent, snapshot: BreakerSnapshot) {
  const { generation: _, ...registration } = registered;
  return { agent_type, ...registration, breaker: breakerOf(snapshot, call.var.services.clock.now()) };
}

async function shownNow(call: Call, agent_type: string, registration: RegisteredAgent) {
  const { services, tenant } = call.var;
  return shown(call, agent_type, registration, await services.agentHealth(tenant, agent_type).snapshot());
}

function breakerOf(snapshot: BreakerSnapshot, now: number): BreakerState {
  const time = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return {
    state: shownState(snapshot, now),
    failures: snapshot.failures,
    opened_at: time(snapshot.opened_at),
    retry_at: time(snapshot.retry_at),
    ...(snapshot.last_failure === undefined ? {} : { last_failure: snapshot.last_failure }),
  };
}

function notFound(call: Call, agent_type: string): Response {
  return problem(call, { code: "AGENT_NOT_FOUND", agent_type: cutName(agent_type) });
}
