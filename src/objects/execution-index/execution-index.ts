// The Durable Object of a shard of a tenant's execution index: the executions of the conversations that hash to it, with
// the turns that those remember, and the metrics of the executions that have ended. One request before a run reads its
// conversation's history and notes its start; one after it writes entry, turn and metrics in one transaction. Expired
// rows are not listed; the object's alarm deletes them, and the objects of their executions.
//
// Nothing keeps the object awake between requests: a report is written at once, or where they are many, with those of
// the next moment; alerts are evaluated by the tenant's monitor, and only where they have a receiver.
// I13: executions report at least once. An end is counted with the write that brings it into its row, and no later
// report gets past that row, which outlives the execution by a day.
import type {
  Beginning,
  IndexMetrics,
  IndexQuery,
  MetricsQuery,
  Place,
  StandingQuestion,
  WaitsQuery,
} from "../../engine/worker-ports.ts";
import type { TurnsBefore, TurnsQuery } from "../../engine/conversation-turns.ts";
import type { ReplacedTurn } from "../../core/execution/run-spec.ts";
import { DurableObject } from "cloudflare:workers";
import type {
  FormerPlaces,
  FormerTurns,
  IndexReport,
  ExecutionIndexRpc,
  ListedPart,
  WaitsPart,
} from "../../adapters/durable/execution-index-client.ts";
import { monitorOf } from "../../adapters/durable/monitor-client.ts";
import { hasMetricsReceivers } from "../../adapters/outbound/outbound.ts";
import { composeServices } from "../../compose.ts";
import type { Env } from "../../settings.ts";
import { TIMINGS } from "../../core/timings.ts";
import { LazyTables } from "../migrations.ts";
import { ShardSplits } from "../shard-splits.ts";
import { Entrance } from "./admission/entrance.ts";
import { PlaceRows } from "./admission/places.ts";
import { EarlierRows } from "./earlier/earlier-rows.ts";
import { EarlierVersion } from "./earlier/earlier-version.ts";
import { FormerHomes, KnownConversations } from "./former-homes.ts";
import { Janitor } from "./janitor.ts";
import { MetricsStore } from "./metrics-store.ts";
import { RecentShapes } from "./recent-shapes.ts";
import { comparePlaces } from "./list-page.ts";
import { REMEMBERED_MS } from "./row-sweep.ts";
import { ReportBuffer } from "./report-buffer.ts";
import { reportIn, RunRows } from "./run-rows.ts";
import { hasNoTables, SCHEMAS } from "./schemas.ts";
import { StartNotes } from "./start-notes.ts";
import { ConversationHistory } from "./turns/history.ts";
import { WaitRows } from "./wait-rows.ts";

export class LedgerObject extends DurableObject<Env> implements ExecutionIndexRpc {
  private readonly rows: RunRows;
  private readonly earlierRows: EarlierRows;
  private readonly earlier: EarlierVersion;
  private readonly notes = new StartNotes();
  private readonly waitRows: WaitRows;
  private readonly former: FormerHomes;
  private readonly known: KnownConversations;
  private readonly places: PlaceRows;
  private readonly history: ConversationHistory;
  private readonly entrance: Entrance;
  private readonly splits: ShardSplits;
  private readonly tables: LazyTables;
  private readonly janitor: Janitor;
  private readonly store: MetricsStore;
  private readonly recent: RecentShapes;
  private readonly reports = new ReportBuffer((entries) => this.writeAll(entries));
  private hasAlarm = false;
  /** Ms since the epoch. */
  private notifiedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    this.tables = new LazyTables(storage, SCHEMAS, hasNoTables);
    this.rows = new RunRows(this.tables.sql);
    this.waitRows = new WaitRows(this.tables.sql);
    this.former = new FormerHomes(env.LEDGER, this.tenant);
    this.known = new KnownConversations(this.tables.sql, () => storage.sql.databaseSize);
    this.places = new PlaceRows(this.tables);
    const parts = {
      places: this.places,
      rows: this.rows,
      notes: this.notes,
      former: this.former,
      executions: env.EXECUTIONS,
      tenant: this.tenant,
    };
    this.earlier = new EarlierVersion(storage.kv, env, this.tenant);
    this.history = new ConversationHistory({
      ...parts,
      earlier: this.earlier,
      // Buffered reports of the conversation are written now.
      gathered: async (conversation_id) => {
        if (this.reports.has(conversation_id)) await this.reports.written();
      },
    });
    this.entrance = new Entrance({ ...parts, history: this.history });
    this.splits = new ShardSplits(storage, env, "index");
    this.earlierRows = new EarlierRows(storage.sql);
    this.janitor = new Janitor(env.EXECUTIONS, this.tenant);
    this.store = new MetricsStore(storage.kv, (since, batch) => this.rows.uncounted(since, batch));
    this.recent = new RecentShapes(storage.kv);
  }

  async begin(message: string): Promise<string> {
    // A Worker of an earlier version knows of no generations.
    const beginning = JSON.parse(message) as Partial<Beginning> &
      Pick<Beginning, "conversation_id" | "turns" | "note">;
    const { conversation_id, turns, note, shards, former = [], entrant } = beginning;
    this.splits.note(this.tenant, shards);
    if (entrant !== undefined && note !== null) {
      this.notifyMonitor();
      const [entered] = await Promise.all([
        this.entrance.enter({ ...beginning, shards: shards ?? 0, former, note, entrant }),
        this.haveSweep(),
      ]);
      return entered;
    }
    const named = note?.is_named === true ? note.summary.execution_id : null;
    const hasBegun = named !== null && this.rows.has(conversation_id, named, Date.now());
    // Where it has no former shard its note is there before anything is waited for.
    const asksFormer = former.length > 0;
    if (note !== null && !hasBegun && !(asksFormer && named !== null)) this.note(note);
    this.notifyMonitor();
    await this.history.ends(conversation_id, note?.summary.execution_id);
    return this.history.read(conversation_id, turns, former, named, ({ hasExecution }) => {
      if (note !== null && named !== null && !hasBegun && !hasExecution) this.note(note);
    });
  }

  async standing(message: string): Promise<string> {
    this.splits.note(this.tenant);
    await this.reports.written();
    return this.entrance.standing(JSON.parse(message) as StandingQuestion);
  }

  async formerPlaces(conversation_id: string, execution_id: string, until: number): Promise<FormerPlaces> {
    this.splits.note(this.tenant);
    await this.history.ends(conversation_id, execution_id);
    return this.entrance.formerPlaces(conversation_id, execution_id, until);
  }

  async formerTurns(
    conversation_id: string,
    turns: number,
    execution_id: string | null,
    before?: ReplacedTurn,
  ): Promise<FormerTurns> {
    this.splits.note(this.tenant);
    await this.history.ends(conversation_id, execution_id ?? undefined);
    const now = Date.now();
    const hasExecution =
      execution_id !== null &&
      (this.notes.has(execution_id, now) || this.rows.has(conversation_id, execution_id, now));
    return {
      turns: this.rows.turns.history(conversation_id, turns, now, before?.at),
      hasExecution,
      holder: before === undefined ? null : this.rows.turns.holder(conversation_id, before.execution_id, now),
    };
  }

  turnsBefore(message: string): Promise<string> {
    return this.history.before(JSON.parse(message) as TurnsBefore);
  }

  turns(query: TurnsQuery): ReturnType<ExecutionIndexRpc["turns"]> {
    return this.history.page(query);
  }

  async conversations(since: number): Promise<Uint8Array | null> {
    this.splits.note(this.tenant);
    await this.reports.written();
    return this.known.since(since, [...this.notes.conversations, ...this.places.conversations]);
  }

  async isUnused(): Promise<boolean> {
    return this.tables.areMissing && this.notes.conversations.length === 0;
  }

  async withdraw(execution_id: string, start: number, conversation_id?: string): Promise<void> {
    this.notes.withdraw(execution_id, start);
    if (conversation_id !== undefined)
      await this.entrance.admissions.withdraw({ execution_id, start, conversation_id });
  }

  async report(entry: IndexReport): Promise<void> {
    const now = Date.now();
    this.splits.note(this.tenant);
    // It would be neither listed, nor counted, nor remembered any more.
    const until = Math.max(entry.expires, entry.turn_expires ?? 0, (entry.end ?? 0) + REMEMBERED_MS);
    if (until <= now) {
      if (entry.end !== null) this.entrance.admissions.leave(entry.conversation_id, entry.execution_id);
      return;
    }
    if (this.tables.areMissing) this.splits.noteFirst(this.ctx.id.name ?? "");
    await this.reports.add(entry, this.history.awaits(entry.conversation_id), now);
    this.notifyMonitor();
    await this.haveSweep();
  }

  private async haveSweep(): Promise<void> {
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.armSweep();
  }

  async list(query: IndexQuery): Promise<ListedPart> {
    this.splits.note(this.tenant);
    await this.reports.written();
    const elsewhere = query.conversation_id !== undefined && (await this.earlier.mayHaveData());
    const now = Date.now();
    const { listed, floor } = this.rows.list(query, now);
    const others = [...this.earlierRows.list(query, now), ...this.notes.list(query, now)];
    const found = [...listed, ...others.filter(({ start }) => floor === null || start >= floor)];
    return { listed: found.toSorted(comparePlaces).toReversed().slice(0, query.limit), floor, elsewhere };
  }

  async waits(query: WaitsQuery): Promise<WaitsPart> {
    this.splits.note(this.tenant);
    await this.reports.written();
    return this.waitRows.list(query, Date.now());
  }

  async ended(until: number, limit: number): Promise<Place[]> {
    await this.reports.written();
    const now = Date.now();
    const found = [...this.rows.ended(until, now, limit), ...this.earlierRows.ended(until, now, limit)];
    return found.toSorted(comparePlaces).slice(0, limit);
  }

  async forget(place: Place): Promise<void> {
    await this.reports.written();
    const conversation_id = this.rows.conversationOf(place);
    this.rows.forget(place);
    if (conversation_id !== null) this.entrance.admissions.leave(conversation_id, place.id);
    this.waitRows.forget(place);
    this.earlierRows.forget(place);
    // Of a run that never began there is its note alone.
    this.notes.withdraw(place.id, place.start);
  }

  async metrics({ period, pipeline, shapes, hour }: MetricsQuery): Promise<IndexMetrics> {
    this.splits.note(this.tenant);
    await this.reports.written();
    const now = Date.now();
    return {
      by_pipeline: this.store.read(period, now, pipeline),
      open: this.open(now, pipeline),
      waits: this.waitRows.open(now, pipeline),
      shapes:
        shapes === 0 || period === "ever"
          ? []
          : [
              ...this.earlierRows.shapes(now - period.window_seconds * 1_000, pipeline, shapes),
              ...this.recent.read(now - period.window_seconds * 1_000, pipeline, shapes),
            ].slice(-shapes),
      ...(hour === true ? { hour: this.store.spent(now - TIMINGS.ALERT_COST_MS) } : {}),
    };
  }

  async earlierUntil(): Promise<number> {
    return this.earlierRows.until;
  }

  override async alarm(): Promise<void> {
    await this.reports.written();
    const now = Date.now();
    const swept = this.rows.look(now);
    const gone = await this.janitor.empty(swept.objects);
    let hasMore = false;
    let hasMetrics = false;
    this.transaction(() => {
      hasMetrics = this.store.sweep(now);
      this.recent.write();
      this.places.sweep(now);
      this.waitRows.sweep(now);
      hasMore = [this.rows.drop(swept, gone), this.earlierRows.sweep(now)].includes(true);
    });
    const { firstDue } = this.rows;
    const hasEarlier = !this.earlierRows.isEmpty;
    const hasPlaces = this.places.conversations.length > 0;
    this.hasAlarm = hasMetrics || firstDue !== null || hasEarlier || hasPlaces;
    if (!this.hasAlarm) return;
    if (hasMore) await this.armSweep(TIMINGS.INDEX_SWEEP_GAP_MS);
    else await this.armSweep(hasEarlier ? TIMINGS.INDEX_SWEEP_MS : (firstDue ?? now) - now);
  }

  private get tenant(): string {
    return (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
  }

  private note({ summary, start }: NonNullable<Beginning["note"]>): void {
    this.notes.add(summary, start, Date.now());
  }

  private writeAll(entries: readonly IndexReport[]): void {
    this.transaction(() => {
      const now = Date.now();
      for (const entry of entries) this.write(entry, now);
      if (this.store.writeIfDue(now)) this.recent.write();
    });
    for (const { execution_id } of entries) this.notes.remove(execution_id);
    for (const { conversation_id } of entries) this.entrance.admissions.wakeNext(conversation_id);
  }

  /** What is counted in memory is what is written. */
  private transaction(task: () => void): void {
    this.tables.make();
    try {
      this.ctx.storage.transactionSync(task);
    } catch (cause) {
      this.store.forget();
      this.recent.forget();
      this.places.forget();
      throw cause;
    }
  }

  private write(entry: IndexReport, now: number): void {
    const { batch } = this.store;
    const isLatest = this.earlierRows.replace(entry) && this.rows.write(entry, batch);
    if (isLatest || entry.end !== null) this.entrance.admissions.reported(entry);
    if (!isLatest) return;
    this.waitRows.write(entry);
    const report = reportIn(entry);
    const { end, shape, pipeline, start } = entry;
    if (report !== null && end !== null) this.store.count(report, start, end, now);
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

  /**
   * Alerts follow the metrics, where they have a receiver: the monitor looks again after this has been quiet, so that
   * no report needs a timer here.
   */
  private notifyMonitor(): void {
    const now = Date.now();
    if (now - this.notifiedAt < TIMINGS.ALERT_NOTIFY_MS || !this.hasReceivers) return;
    this.notifiedAt = now;
    void monitorOf(this.env.MONITOR, this.tenant)
      .metricsChanged()
      .catch(() => {});
  }

  private get hasReceivers(): boolean {
    const services = composeServices(this.env);
    return services.ok && hasMetricsReceivers(services.value.outbound);
  }

  /** @param ms the wanted delay, which is kept within bounds */
  private async armSweep(ms: number = TIMINGS.INDEX_SWEEP_MS): Promise<void> {
    const { INDEX_SWEEP_GAP_MS, INDEX_SWEEP_MS, INDEX_SWEEP_MOST_MS } = TIMINGS;
    const bounded =
      ms === INDEX_SWEEP_GAP_MS ? ms : Math.min(Math.max(ms, INDEX_SWEEP_MS), INDEX_SWEEP_MOST_MS);
    await this.ctx.storage.setAlarm(Date.now() + bounded);
  }
}
