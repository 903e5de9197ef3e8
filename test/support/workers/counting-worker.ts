// The coordinator with everything counted that its objects cost. `/counts` gives what was counted since it was last
// asked, `/stored` the bytes of each class, `/later/SECONDS` lets time pass and the alarms ring that are due by then.
import coordinator, * as objects from "../../../src/index.ts";
import type { Env } from "../../../src/settings.ts";
import { counted, passTime, storedBytes } from "../counting/classes.ts";
import { countingEnv } from "../counting/platform.ts";
import { takeCounts } from "../counting/tally.ts";

export { BrotliBody } from "../../../src/index.ts";
export const AgentHealthObject = counted("AgentHealthObject", objects.AgentHealthObject);
export const CacheObject = counted("CacheObject", objects.CacheObject);
export const CatalogObject = counted("CatalogObject", objects.CatalogObject);
export const ConversationObject = counted("ConversationObject", objects.ConversationObject);
export const CourierObject = counted("CourierObject", objects.CourierObject);
export const ExecutionObject = counted("ExecutionObject", objects.ExecutionObject);
export const LedgerObject = counted("LedgerObject", objects.LedgerObject);
export const MonitorObject = counted("MonitorObject", objects.MonitorObject);
export const RateLimitObject = counted("RateLimitObject", objects.RateLimitObject);
export const SpendingObject = counted("SpendingObject", objects.SpendingObject);

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const [, door, seconds] = new URL(request.url).pathname.split("/");
    if (door === "counts") return Response.json(takeCounts());
    if (door === "stored") return Response.json(await storedBytes());
    if (door === "later") return Response.json(await passTime(Number(seconds) * 1_000));
    return coordinator.fetch(request, countingEnv(env), ctx);
  },
};
