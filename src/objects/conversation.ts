// The Durable Object of one conversation: its last turns, one row each, in the order in which they ended. A turn goes
// with its execution: when that is deleted, or when its retention is over.
import { DurableObject } from "cloudflare:workers";
import type { ConversationRpc } from "../adapters/objects/conversation-api.ts";
import type { Env } from "../compose.ts";
import { LIMITS } from "../contract/limits.ts";
import type { KeptTurn } from "../core/conversation.ts";

const TURN = "turn/";

export class ConversationObject extends DurableObject<Env> implements ConversationRpc {
  async turns(): Promise<KeptTurn[]> {
    return this.all().map(([, turn]) => turn);
  }

  async add(turn: KeptTurn): Promise<void> {
    const { kv } = this.ctx.storage;
    const key = `${TURN}${String(turn.ended_at).padStart(16, "0")}/${turn.execution_id}`;
    if (turn.expires <= Date.now() || kv.get(key) !== undefined) return;
    kv.put(key, turn);
    const before = this.all();
    for (const [old] of before.slice(0, Math.max(0, before.length - LIMITS.HISTORY_TURNS))) kv.delete(old);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(turn.expires);
  }

  async forget(execution_id: string): Promise<void> {
    this.drop((turn) => turn.execution_id === execution_id);
  }

  override async alarm(): Promise<void> {
    this.drop((turn) => turn.expires <= Date.now());
    const expiries = this.all().map(([, turn]) => turn.expires);
    if (expiries.length > 0) await this.ctx.storage.setAlarm(Math.min(...expiries));
    else await this.ctx.storage.deleteAll();
  }

  private all(): [string, KeptTurn][] {
    return Array.from(this.ctx.storage.kv.list<KeptTurn>({ prefix: TURN }));
  }

  private drop(which: (turn: KeptTurn) => boolean): void {
    for (const [key, turn] of this.all()) if (which(turn)) this.ctx.storage.kv.delete(key);
  }
}
