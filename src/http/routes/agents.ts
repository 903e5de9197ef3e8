// /v1/agents: the registry. A URL that may not be called is refused at registration.
import { AgentRegistration, type RegisteredAgent } from "../../contract/agent.ts";
import { AGENT_OPTIONS } from "../../contract/agent-options.ts";
import type { BreakerState } from "../../contract/management.ts";
import { cutName, Name } from "../../contract/names.ts";
import { type CoordinatorError, err, ok } from "../../contract/problem.ts";
import { isLoopbackHost } from "../../core/security/local-access.ts";
import { type AllowedHosts, agentUrl } from "../../core/security/agent-target.ts";
import { shownState, type BreakerSnapshot } from "../../core/resilience/breaker.ts";
import type { CatalogSnapshot } from "../../engine/worker-ports.ts";
import { REFERENCE_AGENTS } from "../../pipelines/rag.ts";
import type { Call } from "../context.ts";
import * as z from "../../contract/zod.ts";
import { endpoint } from "../endpoint.ts";
import { invalid, parseWith } from "../request/body.ts";
import { registrationOf } from "../runs/run-spec.ts";

const PATH = "/v1/agents/:agent_type";

export const agents = [
  endpoint({
    id: "list_agents",
    method: "get",
    path: "/v1/agents",
    permission: "read",
    answers: { 200: "AgentList" },
    describe: () => ({
      summary: "List agents with their circuit breakers",
      answers: { 200: "All agents, sorted by type" },
    }),
    handle: async ({ call }) => ({ status: 200, json: { data: await list(call) } }),
  }),
  endpoint({
    id: "get_agent",
    method: "get",
    path: PATH,
    permission: "read",
    params: { agent_type: ok },
    answers: { 200: "Agent" },
    describe: () => ({
      summary: "Get an agent with its circuit breaker",
      answers: { 200: "The agent" },
      errors: ["AGENT_NOT_FOUND"],
    }),
    handle: async ({ call, params: { agent_type } }) => {
      const registration = registered(call, await catalogNow(call), agent_type);
      if (registration === null) return err(notFound(agent_type));
      return { status: 200, json: await shownNow(call, agent_type, registration) };
    },
  }),
  endpoint({
    id: "register_agent",
    method: "put",
    path: PATH,
    permission: "admin",
    params: { agent_type: (text) => parseWith(Name, text) },
    body: { name: "AgentRegistration", schema: AgentRegistration },
    answers: { 200: "Agent", 201: "Agent" },
    describe: () => ({
      summary: "Register an agent by URL or by service binding",
      answers: { 200: "Replaced", 201: "Created" },
    }),
    handle: async ({ call, services, tenant, params: { agent_type }, body }) => {
      if ("url" in body) {
        const url = agentUrl(body.url, hostsFor(call));
        if (!url.ok) return err(invalid([{ pointer: "/url", detail: url.error }]));
      }
      const { protocol, options = {} } = body;
      const known = parseWith(z.object({ options: AGENT_OPTIONS[protocol] }), { options });
      if (!known.ok) return known;
      const before = registered(call, await catalogNow(call), agent_type);
      const { outcome } = await services.catalogs.write(tenant, (rpc) => rpc.setAgent(agent_type, body));
      if (!outcome.ok) return outcome;
      // Earlier failures belong to the replaced registration.
      const snapshot = await services.agentHealth(tenant, agent_type).reset();
      return { status: before === null ? 201 : 200, json: shown(call, agent_type, body, snapshot) };
    },
  }),
  endpoint({
    id: "remove_agent",
    method: "delete",
    path: PATH,
    permission: "admin",
    params: { agent_type: ok },
    answers: { 204: null },
    describe: () => ({
      summary: "Delete an agent from the registry",
      answers: { 204: "Deleted" },
      errors: ["AGENT_NOT_FOUND"],
    }),
    handle: async ({ call, services, tenant, params: { agent_type } }) => {
      if (registered(call, await catalogNow(call), agent_type) === null) return err(notFound(agent_type));
      const { outcome } = await services.catalogs.write(tenant, (rpc) => rpc.setAgent(agent_type, null));
      return outcome.ok ? { status: 204 } : outcome;
    },
  }),
];

async function list(call: Call) {
  const catalog = await catalogNow(call);
  const types = new Set([...REFERENCE_AGENTS, ...Object.keys(catalog.agents)]);
  const data = [...types].toSorted().flatMap((agent_type) => {
    const registration = registered(call, catalog, agent_type);
    return registration === null ? [] : [{ agent_type, registration }];
  });
  return Promise.all(
    data.map(async ({ agent_type, registration }) =>
      // The catalog knows every agent with recorded failures.
      Object.hasOwn(catalog.health.agents, agent_type)
        ? shownNow(call, agent_type, registration)
        : shown(call, agent_type, registration, HEALTHY),
    ),
  );
}

/** The hosts that this request may name: the machine's own only where the coordinator is reached there itself. */
function hostsFor(call: Call): AllowedHosts {
  const { allowedHosts } = call.var.services.settings;
  return allowedHosts === "loopback" && !isLoopbackHost(call.req.header("host") ?? null)
    ? null
    : allowedHosts;
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
  const hasLimits = registration.limits !== undefined;
  const { load, ...snapshot } = await services.agentHealth(tenant, agent_type).snapshot(hasLimits);
  const agent = shown(call, agent_type, registration, snapshot);
  return load === undefined ? agent : { ...agent, load };
}

function breakerOf(snapshot: BreakerSnapshot, now: number): BreakerState {
  const time = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return {
    state: shownState(snapshot, now),
    failures: snapshot.failures,
    opened_at: time(snapshot.opened_at),
    retry_at: time(snapshot.retry_at),
    ...(snapshot.held_until === undefined ? {} : { held_until: time(snapshot.held_until) }),
    ...(snapshot.last_failure === undefined ? {} : { last_failure: snapshot.last_failure }),
  };
}

function notFound(agent_type: string): CoordinatorError {
  return { code: "AGENT_NOT_FOUND", agent_type: cutName(agent_type) };
}
