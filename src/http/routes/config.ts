// /v1/config: the effective CoordinatorConfig, and RFC 7396 patches of it.
import { Hono } from "hono/tiny";
import { ConfigPatch } from "../../contract/config.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import { readBody } from "../request/body.ts";
import { type AppEnv, type Call, problem } from "../context.ts";

export const config = new Hono<AppEnv>().get("/", read).patch("/", patch);

async function read(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const catalog = await services.catalogs.read(tenant, 0);
  return call.json(effectiveConfig(services.settings.config, catalog.config));
}

async function patch(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const body = await readBody(call.req.raw, ConfigPatch, ["application/merge-patch+json"]);
  if (!body.ok) return problem(call, body.error);
  const environment = services.settings.config;
  const { outcome, snapshot } = await services.catalogs.write(tenant, (rpc) =>
    rpc.patchConfig(body.value, environment),
  );
  if (!outcome.ok) return problem(call, outcome.error);
  return call.json(effectiveConfig(environment, snapshot.config));
}
