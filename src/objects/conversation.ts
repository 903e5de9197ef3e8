// The Durable Object of one conversation: its last turns, one row each. A turn goes with its execution: when that is
// deleted, or when its retention is over. Once read, the turns are known in memory too, in the order in which they
// ended: a question costs no read, and an answer one write, also where it takes the place of the oldest.
import { DurableObject } from "cloudflare:workers";
import type { ConversationRpc } from "../adapters/durable/conversation-client.ts";
import type { Env } from "../settings.ts";
import { LIMITS } from "../contract/limits.ts";
import { type KeptTurn, lastTurns } from "../core/monitoring/conversation-turn.ts";

const TURN = "turn/";

export class ConversationObject extends DurableObject<Env> implements ConversationRpc {
  /** The stored turns by their keys, in the order in which they ended. */
  private known: Map<string, KeptTurn> | null = null;
  private hasAlarm = false;

  async turns(count: number): Promise<string> {
    return JSON.stringify(lastTurns([...this.all().values()], count, Date.now()));
  }

  async add(turn: KeptTurn): Promise<void> {
    const all = this.all();
    const turns = [...all.values()];
    if (turn.expires <= Date.now() || turns.some((other) => isSame(other, turn))) return;
    const isFull = all.size >= LIMITS.HISTORY_TURNS;
    const [oldest] = all;
    if (isFull && oldest !== undefined && order(turn, oldest[1]) < 0) return;
    const key = isFull && oldest !== undefined ? oldest[0] : freeKey(all);
    this.ctx.storage.kv.put(key, turn);
    all.delete(key);
    all.set(key, turn);
    const last = turns.at(-1);
    // Rare: a run that ended before another one is reported after it.
    if (last !== undefined && order(turn, last) < 0) this.known = inOrder(all);
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(turn.expires);
  }

  async forget(execution_id: string): Promise<void> {
    this.drop((turn) => turn.execution_id === execution_id);
  }

  async clear(): Promise<void> {
    this.known = null;
    this.hasAlarm = false;
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    this.drop((turn) => turn.expires <= Date.now());
    const expiries = [...this.all().values()].map((turn) => turn.expires);
    this.hasAlarm = expiries.length > 0;
    if (this.hasAlarm) await this.ctx.storage.setAlarm(Math.min(...expiries));
    else await this.ctx.storage.deleteAll();
  }

  private all(): Map<string, KeptTurn> {
    this.known ??= inOrder(this.ctx.storage.kv.list<KeptTurn>({ prefix: TURN }));
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

function inOrder(turns: Iterable<[string, KeptTurn]>): Map<string, KeptTurn> {
  return new Map([...turns].toSorted(([, a], [, b]) => order(a, b)));
}

function order(a: KeptTurn, b: KeptTurn): number {
  return a.ended_at - b.ended_at || (a.execution_id < b.execution_id ? -1 : 1);
}

function isSame(a: KeptTurn, b: KeptTurn): boolean {
  return a.execution_id === b.execution_id && a.ended_at === b.ended_at;
}

/** A key says nothing of its turn: it is the first that is free. */
function freeKey(taken: ReadonlyMap<string, KeptTurn>): string {
  let place = 0;
  while (taken.has(`${TURN}${place}`)) place += 1;
  return `${TURN}${place}`;
}
