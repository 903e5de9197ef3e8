// The Worker's entry for tests that hurt it: the house's own, with an execution's object that can be made to crash
// from outside, and that crashes in each recovery where its id begins with `poison-`. What a promise rejects with
// and nobody catches is written where tests look for it.
import type { Env } from "../../src/compose.ts";
import type { Parcel } from "../../src/adapters/objects/courier-api.ts";
import type { LedgerReport } from "../../src/adapters/objects/ledger-api.ts";
import type { KeptTurn } from "../../src/core/conversation.ts";
import { ConversationObject as RealConversation } from "../../src/objects/conversation.ts";
import { CourierObject as RealCourier } from "../../src/objects/courier.ts";
import { ExecutionObject as RealExecution } from "../../src/objects/execution.ts";
import { LedgerObject as RealLedger } from "../../src/objects/ledger.ts";

// The class below stands before the one of the same name here.
export * from "../../src/index.ts";
export { default } from "../../src/index.ts";

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

/** A line for each report, for tests that count them: TEST_COUNTS_REPORTS. TEST_REFUSES names one who takes none. */
function note(env: Env, receiver: string, line: string): void {
  if (env["TEST_COUNTS_REPORTS"] !== undefined) console.log(`REPORT ${receiver} ${line}`);
  if (env["TEST_REFUSES"] === receiver) throw new Error("refused by a test");
}

export class LedgerObject extends RealLedger {
  override async report(entry: LedgerReport): Promise<void> {
    note(this.env, "index", `${entry.execution_id} ${entry.status}`);
    return super.report(entry);
  }
}

export class ConversationObject extends RealConversation {
  override async add(turn: KeptTurn): Promise<void> {
    note(this.env, "conversation", turn.execution_id);
    return super.add(turn);
  }
}

export class CourierObject extends RealCourier {
  override async take(parcels: readonly Parcel[]): Promise<void> {
    for (const { id } of parcels) note(this.env, "courier", id);
    return super.take(parcels);
  }
}

/** Another instance has been here before this one. */
function hasLog(ctx: DurableObjectState): boolean {
  for (const _ of ctx.storage.kv.list({ prefix: "log/", limit: 1 })) return true;
  return false;
}
