// The Durable Object of a shard of a tenant's result cache: its results, the runs that are at a question, and the calls
// in flight that several of them are to make. A run asks it once and reports to it once; where a second run comes to
// the same question, the first one's object is asked for its calls, and from then on both ask for each stage.
//
// Runs and flights are only in memory: if they are lost, two calls are made instead of one. No timer runs without a
// follower, and what is reported is written at once: nothing keeps an idle shard awake.
import { DurableObject } from "cloudflare:workers";
import type { HashedKey } from "../../adapters/platform/cache-key-hash.ts";
import type { Asked, Made, ResultCacheRpc, RunAt } from "../../adapters/durable/result-cache-rpc.ts";
import { callIsRunning, callsOf } from "../../adapters/durable/execution-client.ts";
import { BROUGHT_CHARS } from "../../adapters/platform/kept-entries.ts";
import { within } from "../../adapters/platform/time-limit.ts";
import type { Env } from "../../settings.ts";
import { isFresh, KEPT_SECONDS, readEntry } from "../../core/caching/cached-result.ts";
import { RunsAtQuestion } from "../../core/caching/runs-at-question.ts";
import { TIMINGS } from "../../core/timings.ts";
import {
  type FlightCaller,
  type Probe,
  type Released,
  SingleFlight,
} from "../../core/caching/single-flight.ts";
import { ShardSplits } from "../shard-splits.ts";
import { ResultRows } from "./result-rows.ts";

/** A result may arrive this much after its execution was deleted, ms. */
const LATE_MS = 60_000;

type Found = { entry: string } | "miss";

/** A run that is being asked for its calls. */
interface Joining {
  /** Calls that have ended meanwhile, by the exact hash: they are not in flight, even if the run says so. */
  ended: Set<string>;
  joined: Promise<void>;
}

export class CacheObject extends DurableObject<Env> implements ResultCacheRpc {
  private readonly rows: ResultRows;
  private readonly runs = new RunsAtQuestion();
  private readonly joining = new Map<string, Joining>();
  private readonly flights = new SingleFlight();
  /** The answers that followers wait for. */
  private readonly answers = new Map<string, (found: Found) => void>();
  private flightTimer: { at: number; id: ReturnType<typeof setTimeout> } | null = null;
  /** Executions deleted a short while ago, with the time, ms since the epoch; the oldest first. */
  private readonly forgotten = new Map<string, number>();
  /** Whose results these are: runs' objects are found by it. */
  private tenant = "";
  private readonly splits: ShardSplits;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.rows = new ResultRows(ctx.storage);
    this.splits = new ShardSplits(ctx.storage, env, "cache");
  }

  async ask(run: RunAt, ttl_seconds: number, isMissing: boolean): Promise<Asked> {
    this.splits.note(run.tenant, run.shards);
    for (let silent = this.silent(run); silent.length > 0; ) {
      await this.join(run, silent);
      silent = this.silent(run);
    }
    // No other run comes in between: of two that ask at once, the second finds the first.
    const isShared = this.others(run).length > 0;
    const { kept, isOfStart } = this.rows.kept(
      run.place,
      writtenAfter(ttl_seconds, Date.now()),
      BROUGHT_CHARS,
    );
    const asksEach = isShared || this.rows.earlier !== null;
    // All its stages may be answered, and then no other run need know of it.
    if (isOfStart && !isMissing && !asksEach) return { kept, asksEach, isNoted: false };
    this.note(run, asksEach);
    return { kept, asksEach, isNoted: true };
  }

  async take(
    run: RunAt,
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ) {
    this.splits.note(run.tenant);
    this.settleFlight(run, made);
    const silent = this.silent(run);
    if (silent.length > 0) await this.join(run, silent);
    const entry = this.fresh(run, key, ttl_seconds, Date.now());
    if (entry !== null) return { entry };
    this.note(run, true);
    this.advanceFlights();
    return this.flights.take(key.exact, caller, lease_ms, Date.now()) === "lead"
      ? ("miss" as const)
      : ("busy" as const);
  }

  async follow(
    run: RunAt,
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<Found> {
    const now = Date.now();
    // The call that was followed may have ended since.
    const entry = this.fresh(run, key, ttl_seconds, now);
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

  async report(run: RunAt, made: readonly Made[], isOver: boolean): Promise<void> {
    this.splits.note(run.tenant);
    this.settleFlight(run, made);
    if (isOver) this.runs.over(run.place, run.execution_id);
  }

  async last(place: number, family: string): Promise<string | null> {
    return this.rows.last(place, family) ?? this.rows.earlier?.last(family) ?? null;
  }

  async forget(place: number, execution_id: string, families: readonly string[], at: number): Promise<void> {
    const now = Date.now();
    for (const [id, since] of this.forgotten) if (now - since > LATE_MS) this.forgotten.delete(id);
    this.forgotten.set(execution_id, at);
    this.rows.forget(place, execution_id, families);
  }

  async ping(): Promise<void> {}

  override async alarm(): Promise<void> {
    const due = this.rows.sweep(Date.now());
    if (due !== null) await this.ctx.storage.setAlarm(due);
  }

  private note({ place, execution_id, until }: RunAt, isSharing: boolean): void {
    this.runs.note(place, execution_id, until, isSharing);
  }

  private others({ tenant, place, execution_id }: RunAt): { execution_id: string; isSharing: boolean }[] {
    this.tenant = tenant;
    return this.runs.others(place, execution_id, Date.now());
  }

  /** Other runs at a run's question that ask for no stage: their calls are not known. */
  private silent(run: RunAt): string[] {
    return this.others(run).flatMap(({ execution_id, isSharing }) => (isSharing ? [] : [execution_id]));
  }

  /** The runs' calls can be followed from now on; or they are not at the question any more. */
  private async join({ place }: RunAt, runs: readonly string[]): Promise<void> {
    await Promise.all(
      runs.map((execution_id) => {
        const name = answerName(String(place), execution_id);
        const known = this.joining.get(name);
        if (known !== undefined) return known.joined;
        const joining: Joining = { ended: new Set(), joined: Promise.resolve() };
        this.joining.set(name, joining);
        joining.joined = this.joined(place, execution_id, joining.ended).finally(() => {
          this.joining.delete(name);
        });
        return joining.joined;
      }),
    );
  }

  private async joined(place: number, execution_id: string, ended: ReadonlySet<string>): Promise<void> {
    const asked = callsOf(this.env.EXECUTIONS, this.tenant, execution_id);
    const calls = await within(TIMINGS.SHARE_WAIT_MS, asked, null);
    if (calls === null) return this.runs.over(place, execution_id);
    this.runs.shares(place, execution_id);
    this.advanceFlights();
    for (const { key, caller, lease_ms } of calls) {
      if (!ended.has(key.exact)) this.flights.take(key.exact, caller, lease_ms, Date.now());
    }
  }

  /** Keeps results, and lets those know that wait for them. */
  private settleFlight(run: RunAt, made: readonly Made[]): void {
    const ended = this.joining.get(answerName(String(run.place), run.execution_id))?.ended;
    const rows = [];
    for (const { key, caller, entry, at } of made) {
      ended?.add(key.exact);
      if (entry === null) {
        this.release(this.flights.leave(key.exact, caller), "miss");
        continue;
      }
      this.release(this.flights.settleFlight(key.exact), { entry });
      if (at > (this.forgotten.get(run.execution_id) ?? 0)) rows.push({ ...key, entry });
    }
    if (rows.length === 0) return;
    const due = this.rows.write(run.place, run.execution_id, Date.now(), rows);
    // In the same commit as its first row. Each alarm sets the next, so there is one as long as there are tables.
    if (due !== null) void this.ctx.storage.setAlarm(due).catch(() => {});
  }

  private fresh(run: RunAt, { family, exact }: HashedKey, ttl_seconds: number, now: number): string | null {
    const text =
      this.rows.find(run.place, exact, writtenAfter(ttl_seconds, now)) ??
      this.rows.earlier?.find(family, exact) ??
      null;
    const entry = readEntry(text);
    return entry !== null && isFresh(entry, ttl_seconds, now) ? text : null;
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
}

/** Since when results were written that may be used, ms since the epoch. */
function writtenAfter(ttl_seconds: number, now: number): number {
  return now - Math.min(ttl_seconds, KEPT_SECONDS) * 1_000;
}

function answerName(key: string, execution_id: string): string {
  return `${key}/${execution_id}`;
}
