// The Durable Object of a shard of a tenant's execution index: the executions of the conversations that hash to it, with
// the turns that those remember, and the metrics of the executions that have ended. One request before a run reads its
// conversation's history and notes its start; one after it writes entry, turn and metrics in one transaction. Expired
// rows are not listed, and the object's alarm deletes them.
//
// Reports are buffered briefly and written together, since no caller waits for them; reads include them.
// I13: executions report at least once. An end is counted with the write that brings it into its row, and no later
// report gets past that row, which outlives the execution by a day.
import { DurableObject } from "cloudflare:workers";
import type {
  Beginning,
  Counted,
  MetricsQuery,
  IndexMetrics,
  IndexQuery,
  IndexReport,
  ExecutionIndexRpc,
  ListedPart,
  Place,
} from "../../adapters/durable/execution-index-client.ts";
import { monitorOf } from "../../adapters/durable/monitor-client.ts";
import type { Env } from "../../settings.ts";
import { TIMINGS } from "../../core/timings.ts";
import { migrate } from "../migrations.ts";
import { EarlierRows } from "./earlier-rows.ts";
import { EarlierVersion } from "./earlier-version.ts";
import { MetricsStore } from "./metrics-store.ts";
import { RecentShapes } from "./recent-shapes.ts";
import { comparePlaces, REMEMBERED_MS, RunRows } from "./run-rows.ts";
import { SCHEMAS } from "./schemas.ts";
import { StartNotes } from "./start-notes.ts";

export class LedgerObject extends DurableObject<Env> implements ExecutionIndexRpc {
  private readonly rows: RunRows;
  private readonly earlierRows: EarlierRows;
  private readonly earlier: EarlierVersion;
  private readonly notes = new StartNotes();
  private readonly store: MetricsStore;
  private readonly recent: RecentShapes;
  private waiting: IndexReport[] = [];
  /** The writing of those that wait. */
  private gathering: { now: () => void; written: Promise<void> } | null = null;
  private hasAlarm = false;
  private notificationIsDue = false;
  /** Ms since the epoch. */
  private notifiedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    migrate(storage, SCHEMAS);
    this.rows = new RunRows(storage.sql);
    this.earlierRows = new EarlierRows(storage.sql);
    this.earlier = new EarlierVersion(storage.kv, env, this.tenant);
    this.store = new MetricsStore(storage.kv);
    this.recent = new RecentShapes(storage.kv);
  }

  async begin(message: string): Promise<string> {
    const { conversation_id, turns, note } = JSON.parse(message) as Beginning;
    if (note !== null && !(note.is_named && this.rows.has(conversation_id, note.summary.execution_id))) {
      this.notes.add(note.summary, note.start, Date.now());
    }
    // The answer to the turn before may have been faster than its report's write.
    if (this.waiting.some((entry) => entry.conversation_id === conversation_id)) await this.gathered();
    const history = this.rows.history(conversation_id, turns, Date.now());
    const earlier = await this.earlier.turns(conversation_id, turns - history.length);
    return `[${[...earlier.map((turn) => JSON.stringify(turn)), ...history].join(",")}]`;
  }

  async withdraw(execution_id: string, start: number): Promise<void> {
    this.notes.withdraw(execution_id, start);
  }

  async report(entry: IndexReport): Promise<void> {
    const now = Date.now();
    // It would be neither listed, nor counted, nor remembered any more.
    const until = Math.max(entry.expires, entry.turn_expires ?? 0, (entry.end ?? 0) + REMEMBERED_MS);
    if (until <= now) return;
    this.waiting.push(entry);
    this.gathering ??= this.gather();
    await this.gathering.written;
    this.notifyMonitor();
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.armSweep();
  }

  async list(query: IndexQuery): Promise<ListedPart> {
    await this.gathered();
    const elsewhere = query.conversation_id !== undefined && (await this.earlier.mayHaveData());
    const now = Date.now();
    const found = [
      ...this.rows.list(query, now),
      ...this.earlierRows.list(query, now),
      ...this.notes.list(query, now),
    ];
    return { listed: found.toSorted(comparePlaces).toReversed().slice(0, query.limit), elsewhere };
  }

  async ended(until: number, limit: number): Promise<Place[]> {
    await this.gathered();
    const now = Date.now();
    const found = [...this.rows.ended(until, now, limit), ...this.earlierRows.ended(until, now, limit)];
    return found.toSorted(comparePlaces).slice(0, limit);
  }

  async forget(place: Place): Promise<void> {
    await this.gathered();
    this.rows.forget(place);
    this.earlierRows.forget(place);
  }

  async metrics({ period, pipeline, shapes }: MetricsQuery): Promise<IndexMetrics> {
    await this.gathered();
    const now = Date.now();
    return {
      by_pipeline: this.store.read(period, now, pipeline),
      open: this.open(now, pipeline),
      shapes:
        shapes === 0 || period === "ever"
          ? []
          : [
              ...this.earlierRows.shapes(now - period.window_seconds * 1_000, pipeline, shapes),
              ...this.recent.read(now - period.window_seconds * 1_000, pipeline, shapes),
            ].slice(-shapes),
    };
  }

  async earlierUntil(): Promise<number> {
    return this.earlierRows.until;
  }

  override async alarm(): Promise<void> {
    await this.gathered();
    const now = Date.now();
    const hasMore = [this.rows.sweep(now), this.earlierRows.sweep(now)].includes(true);
    const metrics = this.store.sweep(now);
    this.hasAlarm = metrics || !this.rows.isEmpty || !this.earlierRows.isEmpty;
    if (this.hasAlarm) await this.armSweep(hasMore ? TIMINGS.LEDGER_SWEEP_GAP_MS : TIMINGS.INDEX_SWEEP_MS);
  }

  private get tenant(): string {
    return (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
  }

  private gather(): NonNullable<LedgerObject["gathering"]> {
    const { promise, resolve: now } = Promise.withResolvers<void>();
    setTimeout(now, TIMINGS.INDEX_BUFFER_MS);
    const written = promise.then(() => {
      this.gathering = null;
      this.flush();
    });
    return { now, written };
  }

  /** Makes reads include every report received. */
  private async gathered(): Promise<void> {
    this.gathering?.now();
    // The reporter gets the failure.
    await this.gathering?.written.catch(() => {});
  }

  /** Writes the buffered reports. On failure all waiting reporters get it and retry. */
  private flush(): void {
    const entries = this.waiting;
    this.waiting = [];
    try {
      this.ctx.storage.transactionSync(() => {
        const now = Date.now();
        for (const entry of entries) this.write(entry, now);
        this.store.write();
        this.recent.write();
      });
    } catch (cause) {
      this.store.forget();
      this.recent.forget();
      throw cause;
    }
    for (const { execution_id } of entries) this.notes.remove(execution_id);
  }

  private write(entry: IndexReport, now: number): void {
    if (!this.earlierRows.replace(entry) || !this.rows.write(entry)) return;
    const { counted, end, shape, pipeline, start } = entry;
    if (counted !== null && end !== null) this.store.count(JSON.parse(counted) as Counted, end, now);
    if (shape !== null) this.recent.add({ pipeline, start, shape });
  }

  private open(now: number, pipeline: string | undefined): number {
    // A start that was never followed by an end stops counting at its deadline.
    const since = now + TIMINGS.INDEX_GRACE_MS;
    return (
      this.rows.open(since, pipeline) +
      this.earlierRows.open(since, pipeline) +
      this.notes.count(now, pipeline)
    );
  }

  /** Alerts follow the figures, at most so often; what is lost with this instance, the next report makes up for. */
  private notifyMonitor(): void {
    if (this.notificationIsDue) return;
    this.notificationIsDue = true;
    setTimeout(
      () => {
        this.notificationIsDue = false;
        this.notifiedAt = Date.now();
        void monitorOf(this.env.MONITOR, this.tenant)
          .metricsChanged()
          .catch(() => {});
      },
      Math.max(0, this.notifiedAt + TIMINGS.ALERT_NOTIFY_MS - Date.now()),
    );
  }

  private async armSweep(ms: number = TIMINGS.INDEX_SWEEP_MS): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + ms);
  }
}
