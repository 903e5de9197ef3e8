// /v1/alerts: thresholds, values, and which alerts fire.
import { Hono } from "hono/tiny";
import type { AppEnv, Call } from "../context.ts";

export const alerts = new Hono<AppEnv>().get("/", list);

async function list(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  return call.json({ data: await services.monitor(tenant).alerts() });
}
