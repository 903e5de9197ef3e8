// The Worker's entry: the app, and the Durable Object classes that wrangler.toml names.
import { createApp } from "./http/app.ts";

export { CatalogObject } from "./objects/catalog.ts";
export { ExecutionObject } from "./objects/execution.ts";
export { LedgerObject } from "./objects/ledger.ts";

export default createApp();
