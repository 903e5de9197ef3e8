// The coordinator and the floor in one Worker, with the rows that their objects write counted: `/rows` gives what was
// written since it was last asked, by class.
import coordinator, * as objects from "../../../src/index.ts";
import type { Env } from "../../../src/settings.ts";
import floor, { type FloorEnv, FloorObject as Floor } from "./floor-worker.ts";
import { counted, takeRows } from "./rows.ts";

export const AgentHealthObject = counted("AgentHealthObject", objects.AgentHealthObject);
export const CacheObject = counted("CacheObject", objects.CacheObject);
export const CatalogObject = counted("CatalogObject", objects.CatalogObject);
export const ConversationObject = counted("ConversationObject", objects.ConversationObject);
export const CourierObject = counted("CourierObject", objects.CourierObject);
export const ExecutionObject = counted("ExecutionObject", objects.ExecutionObject);
export const LedgerObject = counted("LedgerObject", objects.LedgerObject);
export const MonitorObject = counted("MonitorObject", objects.MonitorObject);
export const RateLimitObject = counted("RateLimitObject", objects.RateLimitObject);
export const FloorObject = counted("FloorObject", Floor);

export default {
  async fetch(request: Request, env: Env & FloorEnv, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/rows") return Response.json(takeRows());
    if (pathname === "/durable") return floor.fetch(request, env);
    return coordinator.fetch(request, env, ctx);
  },
};
