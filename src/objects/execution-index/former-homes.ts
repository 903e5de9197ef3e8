// A conversation after a split, where it has another shard than before: the turns of runs that began before are in its
// former shard until they expire, and nothing is copied. Its new shard asks there where it has fewer turns of its own
// than a run wants, as it has of each conversation that is new. So that those do not ask for ever, a shard that has asked
// some times takes a filter of all conversations that the former one may have, once in its life in memory.
//
// A run that begins under a former generation after the filter was made, because its isolate has had no answer of the
// catalog for SPLIT_SETTLED_MS, is listed, but its turn may be missing in the history of its conversation.
import type {
  ExecutionIndexRpc,
  FormerPlaces,
  FormerTurns,
} from "../../adapters/durable/execution-index-client.ts";
import { within } from "../../adapters/platform/time-limit.ts";
import { ConversationFilter } from "../../core/monitoring/conversation-filter.ts";
import type { FormerHome } from "../../core/monitoring/shards.ts";
import type { ReplacedTurn } from "../../core/execution/run-spec.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type EndedTurn, mergeTurns } from "../../core/monitoring/ended-turns.ts";

/** Questions to a former shard before its filter is taken: a shard that gets few questions is evicted in between. */
const QUESTIONS = 3;
/** Bytes of a row, at least: as many conversations may a shard have. */
const ROW_BYTES = 1_000;
/** Conversations that are read at once, in some milliseconds. */
const CONVERSATIONS = 5_000;

interface Former {
  questions: number;
  filter: ConversationFilter | null;
  /** When its filter was asked for, ms since the epoch. */
  askedAt: number;
}

export class FormerHomes {
  private readonly index: DurableObjectNamespace;
  private readonly tenant: string;
  private readonly homes = new Map<number, Former>();
  private readonly now: () => number;

  /** @param now ms since the epoch */
  constructor(index: DurableObjectNamespace, tenant: string, now = () => Date.now()) {
    this.index = index;
    this.tenant = tenant;
    this.now = now;
  }

  /** What former shards have of a conversation; nothing of one that does not answer in time. */
  async ask(
    conversation_id: string,
    former: readonly FormerHome[],
    turns: number,
    execution_id: string | null,
    before?: ReplacedTurn,
  ): Promise<FormerTurns> {
    const asked = former.filter((home) => this.mayHave(home, conversation_id));
    const found = await Promise.all(
      asked.map(({ shard }) => {
        const answer = this.shard(shard).formerTurns(conversation_id, turns, execution_id, before);
        return within(TIMINGS.SHARD_WAIT_MS, answer, null);
      }),
    );
    return {
      turns: found.flatMap((of) => of?.turns ?? []),
      hasExecution: found.some((of) => of?.hasExecution === true),
      holder: found.map((of) => of?.holder ?? null).find((holder) => holder !== null) ?? null,
    };
  }

  /**
   * What runs or waits there; null where one does not answer in time, for it may have something.
   * @param execution_id that asks
   */
  async places(
    conversation_id: string,
    former: readonly FormerHome[],
    execution_id: string,
  ): Promise<FormerPlaces | null> {
    const asked = former.filter((home) => this.mayHave(home, conversation_id));
    const found = await Promise.all(
      asked.map(({ shard, until }) => {
        const settled = until + TIMINGS.SPLIT_SETTLED_MS;
        const answer = this.shard(shard).formerPlaces(conversation_id, execution_id, settled);
        return within(TIMINGS.SHARD_WAIT_MS, answer, null);
      }),
    );
    const known = found.filter((of) => of !== null);
    if (known.length < found.length) return null;
    const places = known.flatMap((of) => of.places);
    return { places, hasEnded: known.some(({ hasEnded }) => hasEnded) };
  }

  private mayHave({ shard, until }: FormerHome, conversation_id: string): boolean {
    const home = this.homes.get(shard) ?? { questions: 0, filter: null, askedAt: 0 };
    this.homes.set(shard, home);
    if (home.filter !== null) return home.filter.mayHave(conversation_id);
    home.questions += 1;
    const now = this.now();
    const settled = until + TIMINGS.SPLIT_SETTLED_MS;
    if (home.questions >= QUESTIONS && now >= settled && now - home.askedAt >= TIMINGS.SPLIT_SETTLED_MS) {
      home.askedAt = now;
      void this.take(shard, settled, home).catch(() => {});
    }
    return true;
  }

  /** No run waits for it. */
  private async take(shard: number, settled: number, home: Former): Promise<void> {
    const bits = await this.shard(shard).conversations(settled);
    if (bits !== null) home.filter = new ConversationFilter(bits);
  }

  private shard(number: number): ExecutionIndexRpc {
    const id = this.index.idFromName(`${this.tenant}/${number}`);
    return this.index.get(id) as unknown as ExecutionIndexRpc;
  }
}

/** The filter of a shard's own conversations: made once for all that ask. */
export class KnownConversations {
  private readonly sql: Pick<SqlStorage, "exec">;
  private readonly size: () => number;
  private made: { at: number; bits: Promise<Uint8Array> } | null = null;

  constructor(sql: Pick<SqlStorage, "exec">, size: () => number) {
    this.sql = sql;
    this.size = size;
  }

  /** @param noted those that have no row yet */
  async since(since: number, noted: readonly string[]): Promise<Uint8Array | null> {
    const now = Date.now();
    if (now < since) return null;
    if (this.made === null || this.made.at < since) {
      const made = { at: now, bits: this.make(noted) };
      this.made = made;
      made.bits.catch(() => {
        if (this.made === made) this.made = null;
      });
    }
    return this.made.bits;
  }

  private async make(noted: readonly string[]): Promise<Uint8Array> {
    const filter = ConversationFilter.of(this.size() / ROW_BYTES + noted.length);
    for (const id of noted) filter.add(id);
    let page = this.after("");
    while (page.length > 0) {
      for (const id of page) filter.add(id);
      // Requests come in between.
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      page = this.after(page.at(-1) ?? "");
    }
    return filter.bits;
  }

  /** The next conversations after one, in their order; none where it was the last one. */
  private after(conversation_id: string): string[] {
    const rows = this.sql.exec<{ conversation_id: string }>(
      `SELECT DISTINCT conversation_id FROM runs INDEXED BY runs_of_conversation
       WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?`,
      conversation_id,
      CONVERSATIONS,
    );
    return Array.from(rows, (row) => row.conversation_id);
  }
}

/** The last turns, oldest first. */
export function lastOf(turns: readonly EndedTurn[], count: number): EndedTurn[] {
  return count === 0 ? [] : mergeTurns(turns).slice(-count);
}
