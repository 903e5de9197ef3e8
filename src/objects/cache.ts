// The Durable Object of a part of a tenant's result cache: one row a result, written once, found by (family, exact).
// Results are written together, a little later: an answer of this object then seldom waits for the disk, and what a
// crash loses is called for again. Who is at a call stands in memory alone: where it is lost, two call instead of one.
import { DurableObject } from "cloudflare:workers";
import type { HashedKey } from "../adapters/embedded/hashed-key.ts";
import type { Made, ResultCacheRpc } from "../adapters/embedded/result-cache.ts";
import type { Env } from "../compose.ts";
import { isFresh, KEPT_SECONDS, readEntry } from "../core/cached-result.ts";
import { PACE } from "../core/pace.ts";

/** What waits for company is bounded: a result may be half a megabyte. */
const WRITTEN_TOGETHER = 32;

/** A call under way, and who waits for it. */
interface Flight {
  owner: string;
  /** From then on, ms since the epoch, its owner counts as gone. */
  until: number;
  waiting: { owner: string; lease_ms: number; tell: (found: { entry: string } | "miss") => void }[];
}

export class CacheObject extends DurableObject<Env> implements ResultCacheRpc {
  private readonly sql: SqlStorage;
  private readonly flights = new Map<string, Flight>();
  /** Results that are not on the disk yet, by their exact hash, the oldest first. */
  private readonly unwritten = new Map<string, { family: string; at: number; entry: string }>();
  private isSwept = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS results (
        family TEXT NOT NULL, exact TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL,
        PRIMARY KEY (family, exact)
      ) WITHOUT ROWID`,
    );
  }

  async take(
    { family, exact }: HashedKey,
    owner: string,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ) {
    await this.put(owner, made);
    const text = this.unwritten.get(exact)?.entry ?? this.written(family, exact);
    const entry = readEntry(text);
    if (text !== null && entry !== null && isFresh(entry, ttl_seconds, Date.now())) return { entry: text };
    const flight = this.flights.get(exact);
    // A run that was cut short and goes on asks again for what it was at itself.
    if (flight !== undefined && flight.owner !== owner && Date.now() < flight.until) return "busy" as const;
    this.flights.set(exact, { owner, until: Date.now() + lease_ms, waiting: flight?.waiting ?? [] });
    return "miss" as const;
  }

  async wait({ exact }: HashedKey, owner: string, lease_ms: number, ms: number) {
    const flight = this.flights.get(exact);
    if (flight === undefined) return "miss" as const;
    return new Promise<{ entry: string } | "miss">((resolve) => {
      const tell = (found: { entry: string } | "miss") => {
        clearTimeout(timer);
        flight.waiting = flight.waiting.filter((other) => other.tell !== tell);
        resolve(found);
      };
      const timer = setTimeout(() => tell("miss"), Math.min(ms, Math.max(0, flight.until - Date.now())));
      flight.waiting.push({ owner, lease_ms, tell });
    });
  }

  async put(owner: string, made: readonly Made[]): Promise<void> {
    for (const { key, entry } of made) {
      this.land(key.exact, owner, entry);
      if (entry !== null) this.keep(key, entry);
    }
    if (this.unwritten.size >= WRITTEN_TOGETHER) await this.write();
  }

  async last(family: string): Promise<string | null> {
    const young = [...this.unwritten.values()].findLast((result) => result.family === family);
    if (young !== undefined) return young.entry;
    const [row] = this.sql.exec<{ entry: string }>(
      "SELECT entry FROM results WHERE family = ? ORDER BY at DESC LIMIT 1",
      family,
    );
    return row?.entry ?? null;
  }

  override async alarm(): Promise<void> {
    this.sql.exec("DELETE FROM results WHERE at <= ?", Date.now() - KEPT_SECONDS * 1_000);
    this.isSwept = false;
    if (this.sql.exec("SELECT 1 FROM results LIMIT 1").toArray().length > 0) await this.sweepLater();
  }

  private keep({ family, exact }: HashedKey, entry: string): void {
    if (this.unwritten.size === 0) setTimeout(() => void this.write(), PACE.CACHE_WRITE_MS);
    this.unwritten.delete(exact);
    this.unwritten.set(exact, { family, at: Date.now(), entry });
  }

  /** A call has ended: all who wait get its result; where there is none, the first of them is to call. */
  private land(exact: string, owner: string, entry: string | null): void {
    const flight = this.flights.get(exact);
    if (flight === undefined || (entry === null && flight.owner !== owner)) return;
    if (entry !== null) {
      this.flights.delete(exact);
      for (const { tell } of flight.waiting) tell({ entry });
      return;
    }
    const next = flight.waiting[0];
    if (next === undefined) {
      this.flights.delete(exact);
      return;
    }
    flight.owner = next.owner;
    flight.until = Date.now() + next.lease_ms;
    next.tell("miss");
  }

  private written(family: string, exact: string): string | null {
    const [row] = this.sql.exec<{ entry: string }>(
      "SELECT entry FROM results WHERE family = ? AND exact = ?",
      family,
      exact,
    );
    return row?.entry ?? null;
  }

  private async write(): Promise<void> {
    for (const [exact, { family, at, entry }] of this.unwritten) {
      this.sql.exec(
        `INSERT INTO results VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, entry = excluded.entry`,
        family,
        exact,
        at,
        entry,
      );
    }
    this.unwritten.clear();
    await this.sweepLater();
  }

  private async sweepLater(): Promise<void> {
    if (this.isSwept) return;
    this.isSwept = true;
    if ((await this.ctx.storage.getAlarm()) !== null) return;
    await this.ctx.storage.setAlarm(Date.now() + PACE.CACHE_SWEEP_MS);
  }
}
