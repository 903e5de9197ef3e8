// /v1/agents: the registry. A URL that may not be called is refused here already.
import { Hono } from "hono";
import { AgentRegistration } from "../../contract/agent.ts";
import { Name } from "../../contract/names.ts";
import { agentUrl } from "../../core/agent-target.ts";
import { invalid, parseWith, readBody } from "../body.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { registrationOf } from "../plan-run.ts";

export const agents = new Hono<AppEnv>().get("/:agent_type", read).put("/:agent_type", put);

async function read(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const agent_type = call.req.param("agent_type") ?? "";
  const catalog = await services.catalogs.read(tenant, 0);
  const registration = registrationOf(catalog, services.settings, agent_type);
  if (registration === null)
    return problem(call, { code: "AGENT_NOT_FOUND", agent_type: agent_type.slice(0, 64) });
  return call.json({ agent_type, ...registration });
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
  const { created } = await services.catalogs.write(tenant, (rpc) =>
    rpc.putAgent(agent_type.value, registration.value),
  );
  return call.json({ agent_type: agent_type.value, ...registration.value }, created ? 201 : 200);
}
