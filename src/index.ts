// The Worker's entry: the app, and the Durable Object classes that wrangler.toml names, and what it calls of itself.
import { createApp } from "./http/app.ts";

export { AgentHealthObject } from "./objects/agent-health/agent-health.ts";
export { BrotliBody } from "./objects/brotli.ts";
export { CacheObject } from "./objects/result-cache/result-cache.ts";
export { CatalogObject } from "./objects/catalog.ts";
export { ConversationObject } from "./objects/conversation.ts";
export { CourierObject } from "./objects/delivery-queue.ts";
export { ExecutionObject } from "./objects/execution/execution.ts";
export { LedgerObject } from "./objects/execution-index/execution-index.ts";
export { MonitorObject } from "./objects/monitor.ts";
export { RateLimitObject } from "./objects/rate-limit.ts";
export { SpendingObject } from "./objects/spending.ts";

export default createApp();
