// The Durable Object of one conversation: its last turns, one row each, in the order in which they ended. A turn goes
// with its execution: when that is deleted, or when its retention is over. Once read, the turns are known in memory
// too, by the keys under which they stand: a question costs no read, and an answer one write.
import { DurableObject } from "cloudflare:workers";
import type { ConversationRpc } from "../adapters/objects/conversation-api.ts";
import type { Env } from "../compose.ts";
import { LIMITS } from "../contract/limits.ts";
import { type KeptTurn, lastTurns } from "../core/conversation.ts";

const TURN = "turn/";

export class ConversationObject extends DurableObject<Env> implements ConversationRpc {
  /** What stands on the disk, in the order of its keys. */
  private known: Map<string, KeptTurn> | null = null;
  private hasAlarm = false;

  async turns(count: number): Promise<string> {
    return JSON.stringify(lastTurns([...this.all().values()], count, Date.now()));
  }

  async add(turn: KeptTurn): Promise<void> {
    const all = this.all();
    const key = `${TURN}${String(turn.ended_at).padStart(16, "0")}/${turn.execution_id}`;
    if (turn.expires <= Date.now() || all.has(key)) return;
    this.ctx.storage.kv.put(key, turn);
    const last = [...all.keys()].at(-1) ?? "";
    all.set(key, turn);
    // Seldom: a run that ended before another one is told of after it.
    if (key < last) this.known = new Map([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    for (const old of [...this.all().keys()].slice(0, -LIMITS.HISTORY_TURNS)) this.forgetTurn(old);
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(turn.expires);
  }

  async forget(execution_id: string): Promise<void> {
    this.drop((turn) => turn.execution_id === execution_id);
  }

  override async alarm(): Promise<void> {
    this.drop((turn) => turn.expires <= Date.now());
    const expiries = [...this.all().values()].map((turn) => turn.expires);
    this.hasAlarm = expiries.length > 0;
    if (this.hasAlarm) await this.ctx.storage.setAlarm(Math.min(...expiries));
    else await this.ctx.storage.deleteAll();
  }

  private all(): Map<string, KeptTurn> {
    this.known ??= new Map(this.ctx.storage.kv.list<KeptTurn>({ prefix: TURN }));
    return this.known;
  }

  private drop(which: (turn: KeptTurn) => boolean): void {
    for (const [key, turn] of this.all()) if (which(turn)) this.forgetTurn(key);
  }

  private forgetTurn(key: string): void {
    this.ctx.storage.kv.delete(key);
    this.all().delete(key);
  }
}
