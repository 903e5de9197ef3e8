// The Durable Object of a shard of a tenant's result cache: its results, and the calls in flight that are to make more.
// Results are written together, a little later: an answer of this object then seldom waits for the disk, and what a
// crash loses is called for again. Flights are only in memory: if they are lost, two calls are made instead of one.
import { DurableObject } from "cloudflare:workers";
import type { HashedKey } from "../../adapters/platform/cache-key-hash.ts";
import type { Made, ResultCacheRpc } from "../../adapters/durable/result-cache-client.ts";
import { callIsRunning } from "../../adapters/durable/execution-client.ts";
import type { Env } from "../../settings.ts";
import { isFresh, KEPT_SECONDS, madeBy, readEntry } from "../../core/caching/cached-result.ts";
import { TIMINGS } from "../../core/timings.ts";
import {
  type FlightCaller,
  type Probe,
  type Released,
  SingleFlight,
} from "../../core/caching/single-flight.ts";
import { ResultRows } from "./result-rows.ts";

/** What waits for company is bounded: a result may be half a megabyte. */
const WRITTEN_TOGETHER = 32;
/** A result may arrive this much after its execution was deleted, ms. */
const LATE_MS = 60_000;

type Found = { entry: string } | "miss";

export class CacheObject extends DurableObject<Env> implements ResultCacheRpc {
  private readonly rows: ResultRows;
  private readonly flights = new SingleFlight();
  /** The answers that followers wait for. */
  private readonly answers = new Map<string, (found: Found) => void>();
  private flightTimer: { at: number; id: ReturnType<typeof setTimeout> } | null = null;
  /** Results that are not on the disk yet, by their exact hash, the oldest first. */
  private readonly unwritten = new Map<string, { family: string; at: number; entry: string }>();
  /** Executions deleted a short while ago, with the time, ms since the epoch; the oldest first. */
  private readonly forgotten = new Map<string, number>();
  /** Whose results these are: leaders are found by it. */
  private tenant = "";
  private isSwept = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.rows = new ResultRows(ctx.storage);
  }

  async take(
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ) {
    await this.put(made);
    const now = Date.now();
    const entry = this.fresh(key, ttl_seconds, now);
    if (entry !== null) return { entry };
    this.tenant = key.tenant;
    this.advanceFlights();
    return this.flights.take(key.exact, caller, lease_ms, now) === "lead"
      ? ("miss" as const)
      : ("busy" as const);
  }

  async follow(key: HashedKey, caller: FlightCaller, ttl_seconds: number, ms: number): Promise<Found> {
    const now = Date.now();
    // The call that was followed may have ended since.
    const entry = this.fresh(key, ttl_seconds, now);
    if (entry !== null) return { entry };
    if (!this.flights.follow(key.exact, caller, ms, now)) return "miss";
    return new Promise((resolve) => {
      const name = answerName(key.exact, caller.execution_id);
      // An earlier instance of the same run, which is gone.
      this.answers.get(name)?.("miss");
      this.answers.set(name, resolve);
      this.advanceFlights();
    });
  }

  async put(made: readonly Made[]): Promise<void> {
    for (const { key, caller, entry, at } of made) {
      if (entry === null) {
        this.release(this.flights.leave(key.exact, caller), "miss");
        continue;
      }
      this.release(this.flights.settleFlight(key.exact), { entry });
      if (at > (this.forgotten.get(caller.execution_id) ?? 0)) this.keep(key, entry);
    }
    if (this.unwritten.size >= WRITTEN_TOGETHER) await this.write();
  }

  async last(family: string): Promise<string | null> {
    const pending = [...this.unwritten.values()].findLast((result) => result.family === family);
    return pending?.entry ?? this.rows.last(family);
  }

  async forget(execution_id: string, families: readonly string[], at: number): Promise<void> {
    const now = Date.now();
    for (const [id, since] of this.forgotten) if (now - since > LATE_MS) this.forgotten.delete(id);
    this.forgotten.set(execution_id, at);
    const begins = madeBy(execution_id);
    for (const [exact, { family, entry }] of this.unwritten) {
      if (families.includes(family) && entry.startsWith(begins)) this.unwritten.delete(exact);
    }
    this.rows.forget(execution_id, families);
  }

  override async alarm(): Promise<void> {
    this.isSwept = false;
    if (this.rows.sweep(Date.now() - KEPT_SECONDS * 1_000)) await this.sweepLater();
  }

  private fresh({ family, exact }: HashedKey, ttl_seconds: number, now: number): string | null {
    const text = this.unwritten.get(exact)?.entry ?? this.rows.find(family, exact);
    const entry = readEntry(text);
    return entry !== null && isFresh(entry, ttl_seconds, now) ? text : null;
  }

  private keep({ family, exact }: HashedKey, entry: string): void {
    if (this.unwritten.size === 0) setTimeout(() => void this.write(), TIMINGS.CACHE_WRITE_MS);
    this.unwritten.delete(exact);
    this.unwritten.set(exact, { family, at: Date.now(), entry });
  }

  /** Does what is due for followers, and sets the timer of what is due next; there is none without followers. */
  private advanceFlights(): void {
    const { released, probes } = this.flights.advance(Date.now());
    for (const probe of probes) void this.probe(probe);
    this.release(released, "miss");
  }

  private release(released: readonly Released[], found: Found): void {
    for (const { key, execution_id } of released) {
      const name = answerName(key, execution_id);
      const answer = this.answers.get(name);
      this.answers.delete(name);
      answer?.(found);
    }
    const { dueAt } = this.flights;
    if (dueAt === (this.flightTimer?.at ?? null)) return;
    if (this.flightTimer !== null) clearTimeout(this.flightTimer.id);
    this.flightTimer = null;
    if (dueAt === null) return;
    const due = () => {
      this.flightTimer = null;
      this.advanceFlights();
    };
    this.flightTimer = { at: dueAt, id: setTimeout(due, Math.max(0, dueAt - Date.now())) };
  }

  /** Asks a leader's object whether its call runs. Without an answer nothing is proved, and the lease ends. */
  private async probe(probe: Probe): Promise<void> {
    const runs = await callIsRunning(this.env.EXECUTIONS, this.tenant, probe.leader).catch(() => null);
    if (runs === null) return;
    this.flights.probed(probe, runs, Date.now());
    this.advanceFlights();
  }

  private async write(): Promise<void> {
    for (const [exact, result] of this.unwritten) this.rows.write({ exact, ...result });
    this.unwritten.clear();
    await this.sweepLater();
  }

  private async sweepLater(): Promise<void> {
    if (this.isSwept) return;
    this.isSwept = true;
    if ((await this.ctx.storage.getAlarm()) !== null) return;
    await this.ctx.storage.setAlarm(Date.now() + TIMINGS.CACHE_SWEEP_MS);
  }
}

function answerName(key: string, execution_id: string): string {
  return `${key}/${execution_id}`;
}
