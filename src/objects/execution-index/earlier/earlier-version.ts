// What a shard of the execution index knows of an earlier version, which kept the turns of each conversation in an
// object of its own and the entries in the shard of the execution's id: whether the tenant may still have any of it.
// Only the tenant's monitor can say so for all shards. It is asked once in a shard's life; a tenant that began with
// this version reads no second place after that.
import type { Conversations } from "../../../engine/worker-ports.ts";
import { conversationsOver } from "../../../adapters/durable/conversation-client.ts";
import { monitorOf } from "../../../adapters/durable/monitor-client.ts";
import { within } from "../../../adapters/platform/time-limit.ts";
import type { ConversationTurn } from "../../../contract/execution.ts";
import { systemClock } from "../../../adapters/platform/system.ts";
import type { Env } from "../../../settings.ts";

const UNTIL = "earlier_until";
/** Time limit of the monitor, which asks all shards where there is an earlier version's data. */
const ASKED_MS = 1_000;

export class EarlierVersion {
  private readonly kv: SyncKvStorage;
  private readonly env: Env;
  private readonly tenant: string;
  private readonly conversations: Conversations;
  private until: number | null = null;
  private asked: Promise<number | null> | null = null;

  constructor(kv: SyncKvStorage, env: Env, tenant: string) {
    this.kv = kv;
    this.env = env;
    this.tenant = tenant;
    this.conversations = conversationsOver(env.CONVERSATIONS, systemClock);
  }

  /** Turns that the conversation's own object still keeps, oldest first; all of them ended before those in the index. */
  async turns(conversation_id: string, count: number): Promise<ConversationTurn[]> {
    if (count === 0 || !(await this.mayHaveData())) return [];
    return this.conversations.history(this.tenant, conversation_id, count);
  }

  /** Whether other places may still have entries or turns. */
  async mayHaveData(): Promise<boolean> {
    this.until ??= this.kv.get<number>(UNTIL) ?? (await this.ask());
    // Where the monitor does not answer, the other places are asked.
    return this.until === null || this.until > Date.now();
  }

  private ask(): Promise<number | null> {
    this.asked ??= this.askOnce();
    return this.asked;
  }

  private async askOnce(): Promise<number | null> {
    const until = await within(ASKED_MS, monitorOf(this.env.MONITOR, this.tenant).earlierUntil(), null);
    if (until !== null) this.kv.put(UNTIL, until);
    this.asked = null;
    return until;
  }
}
