// Deletes all that is kept of a conversation, execution by execution: each takes its turn, its questions to people and
// what it has put into the result cache with it. The index keeps an execution's entry until its object is empty, so a
// deletion that fails in between is completed by the next one.
import type { Services } from "../../compose.ts";
import { EXECUTION_STATUSES } from "../../contract/names.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { isTerminal } from "../../core/execution/state.ts";
import type { Listed, Place } from "../../engine/worker-ports.ts";

/** Executions that one request deletes: each is a call of its object. */
const MOST = 300;
/** At the same time: each opens and deletes a database. */
const AT_ONCE = 20;
const PAGE = 100;
const OPEN = EXECUTION_STATUSES.filter((status) => !isTerminal(status));

/** @param cancels executions that have not ended are cancelled; else the conversation is busy */
export async function forgetConversation(
  services: Services,
  tenant: string,
  conversation_id: string,
  cancels: boolean,
): Promise<Result<{ deleted: number; has_more: boolean }>> {
  const deletion = new Deletion(services, tenant, conversation_id, cancels);
  const running = await deletion.running();
  if (running.length > 0) return err({ code: "CONVERSATION_BUSY", conversation_id, running });
  let deleted = 0;
  for (;;) {
    const page = await deletion.page();
    if (page.length === 0) break;
    if (deleted >= MOST) return ok({ deleted, has_more: true });
    const fault = await deletion.forgetAll(page);
    if (fault !== null) return err(fault);
    deleted += page.length;
  }
  const { executionIndex, conversations, clock } = services;
  // Versions before the present layout of the index kept turns in objects of their own.
  if ((await executionIndex.earlierUntil(tenant)) > clock.now())
    await conversations.clear(tenant, conversation_id);
  return ok({ deleted, has_more: false });
}

class Deletion {
  private readonly services: Services;
  private readonly tenant: string;
  private readonly conversation_id: string;
  private readonly cancels: boolean;

  constructor(services: Services, tenant: string, conversation_id: string, cancels: boolean) {
    this.services = services;
    this.tenant = tenant;
    this.conversation_id = conversation_id;
    this.cancels = cancels;
  }

  /** The executions that have not ended; none where they are to be cancelled. */
  async running(): Promise<string[]> {
    if (this.cancels) return [];
    const lists = await Promise.all(OPEN.map((status) => this.list({ status })));
    const asked = lists.flat().map(async ({ id }) => {
      // The index follows: the execution may have ended, or never begun.
      const found = await this.rpc(id).read();
      if (!found.ok) return [];
      if (typeof found.value.json !== "string") await found.value.json.cancel();
      return isTerminal(found.value.status) ? [] : [id];
    });
    return (await Promise.all(asked)).flat();
  }

  page(): Promise<Listed[]> {
    return this.list({});
  }

  /** Why some cannot be deleted; null where all are. */
  async forgetAll(page: readonly Listed[]): Promise<CoordinatorError | null> {
    const left = [...page];
    const faults: CoordinatorError[] = [];
    const work = async () => {
      for (let next = left.pop(); next !== undefined && faults.length === 0; next = left.pop()) {
        const fault = await this.forget(next);
        if (fault !== null) faults.push(fault);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return faults[0] ?? null;
  }

  private async forget(place: Listed): Promise<CoordinatorError | null> {
    const { conversation_id } = this;
    const rpc = this.rpc(place.id);
    // One that has ended is not cancelled, and is deleted all the same.
    if (this.cancels && !isTerminal(place.summary.status)) {
      await rpc.control({ type: "cancel", reason: "its conversation is deleted" });
    }
    const forgotten = await rpc.forget();
    if (forgotten.ok) return null;
    const { code } = forgotten.error;
    if (code === "EXECUTION_CONFLICT")
      return { code: "CONVERSATION_BUSY", conversation_id, running: [place.id] };
    // Without room now its object would never be emptied once its entry is gone.
    if (code === "RESOURCE_EXHAUSTED") return forgotten.error;
    await this.services.executionIndex.forgetOf(this.tenant, conversation_id, place);
    return null;
  }

  private async list(filter: { status?: (typeof OPEN)[number] }): Promise<Listed[]> {
    const { tenant, conversation_id } = this;
    let before: Place | null = null;
    for (;;) {
      const query = { ...filter, conversation_id, before, limit: PAGE };
      const { listed, next } = await this.services.executionIndex.list(tenant, query);
      // A page may be empty and have a next one.
      if (listed.length > 0 || next === null) return listed;
      before = next;
    }
  }

  private rpc(execution_id: string) {
    return this.services.executions.rpc(this.tenant, execution_id);
  }
}
