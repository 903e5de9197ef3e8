// The Worker's entry for tests that hurt it: the house's own, with an execution's object that can be made to crash
// from outside, and that crashes in each recovery where its id begins with `poison-`, and a catalog that can be made
// to fail for a while. What a promise rejects with and nobody catches is written where tests look for it.
import type { DeliveryJob } from "../../../src/engine/worker-ports.ts";
import type { Env } from "../../../src/settings.ts";
import type { IndexReport } from "../../../src/adapters/durable/execution-index-client.ts";
import { CatalogObject as RealCatalog } from "../../../src/objects/catalog.ts";
import { CourierObject as RealCourier } from "../../../src/objects/delivery-queue.ts";
import { ExecutionObject as RealExecution } from "../../../src/objects/execution/execution.ts";
import { LedgerObject as RealLedger } from "../../../src/objects/execution-index/execution-index.ts";

// The classes below stand before those of the same names here.
export * from "../../../src/index.ts";
export { default } from "../../../src/index.ts";

addEventListener("unhandledrejection", (event) => {
  console.error(`UNHANDLED ${String(event.reason)}`);
});

/** Objects that are to crash in the moment in which their recovery makes its first call. */
const fragile = new Map<string, () => void>();

const realFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const body = typeof init?.body === "string" ? init.body : "";
  for (const [name, crash] of fragile) if (body.includes(`"execution_id":"${name}"`)) crash();
  return realFetch(input, init);
};

export class ExecutionObject extends RealExecution {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const name = (ctx.id.name ?? "").split("/").at(-1) ?? "";
    if (!name.startsWith("poison-") || !hasLog(ctx)) return;
    // `poison-late`: once the recovery stands in the log. `poison-early`: before it can be committed.
    if (name.startsWith("poison-late")) setTimeout(() => this.crash(), 30);
    else fragile.set(name, () => this.crash());
  }

  /** What a full memory or a fault of the platform does to an object. */
  crash(): void {
    this.ctx.abort("crashed by a test");
  }
}

/** An agent of this name is registered to make the catalog fail from the next call on, or hang in what isolates read. */
const BREAKING_AGENT = "breaks-the-catalog";
const HANGING_AGENT = "hangs-the-catalog";
const BROKEN_MS = 4_000;
const HANGING_MS = 12_000;

export class CatalogObject extends RealCatalog {
  private brokenUntil = 0;
  private hangsUntil = 0;

  override async snapshot(...args: Parameters<RealCatalog["snapshot"]>) {
    this.failWhereBroken();
    await this.hangs();
    return super.snapshot(...args);
  }

  override async health() {
    await this.hangs();
    return super.health();
  }

  override async changePipeline(...args: Parameters<RealCatalog["changePipeline"]>) {
    this.failWhereBroken();
    return super.changePipeline(...args);
  }

  override async patchConfig(...args: Parameters<RealCatalog["patchConfig"]>) {
    this.failWhereBroken();
    return super.patchConfig(...args);
  }

  override async setAgent(...[agent_type, registration]: Parameters<RealCatalog["setAgent"]>) {
    this.failWhereBroken();
    const written = await super.setAgent(agent_type, registration);
    if (agent_type === BREAKING_AGENT) this.brokenUntil = Date.now() + BROKEN_MS;
    if (agent_type === HANGING_AGENT) this.hangsUntil = Date.now() + HANGING_MS;
    return written;
  }

  private async hangs(): Promise<void> {
    const ms = this.hangsUntil - Date.now();
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  }

  private failWhereBroken(): void {
    if (Date.now() < this.brokenUntil) throw new Error("the catalog was broken by a test");
  }
}

/** A line for each report, for tests that count them: TEST_COUNTS_REPORTS. TEST_REFUSES names one who takes none. */
function note(env: Env, receiver: string, line: string): void {
  if (env["TEST_COUNTS_REPORTS"] !== undefined) console.log(`REPORT ${receiver} ${line}`);
  if (env["TEST_REFUSES"] === receiver) throw new Error("refused by a test");
}

export class LedgerObject extends RealLedger {
  override async report(entry: IndexReport): Promise<void> {
    note(this.env, "index", `${entry.execution_id} ${entry.status}`);
    return super.report(entry);
  }
}

export class CourierObject extends RealCourier {
  override async take(parcels: readonly DeliveryJob[]): Promise<void> {
    for (const { id } of parcels) note(this.env, "courier", id);
    return super.take(parcels);
  }
}

/** Another instance has been here before this one. */
function hasLog(ctx: DurableObjectState): boolean {
  for (const _ of ctx.storage.kv.list({ prefix: "log/", limit: 1 })) return true;
  return false;
}
