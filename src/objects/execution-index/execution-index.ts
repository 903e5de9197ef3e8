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
  TurnPlace,
  TurnsBefore,
  TurnsQuery,
  WaitsQuery,
} from "../../engine/worker-ports.ts";
import type { ReplacedTurn } from "../../core/execution/run-spec.ts";
import { DurableObject } from "cloudflare:workers";
import type {
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
import { within } from "../../adapters/platform/time-limit.ts";
import { reportEndOf } from "../../adapters/durable/execution-client.ts";
import { TIMINGS } from "../../core/timings.ts";
import { LazyTables } from "../migrations.ts";
import { ShardSplits } from "../shard-splits.ts";
import { EarlierRows } from "./earlier/earlier-rows.ts";
import { EarlierVersion } from "./earlier/earlier-version.ts";
import { FormerHomes, KnownConversations, lastOf } from "./former-homes.ts";
import { Janitor } from "./janitor.ts";
import { MetricsStore } from "./metrics-store.ts";
import { RecentShapes } from "./recent-shapes.ts";
import { comparePlaces } from "./list-page.ts";
import { REMEMBERED_MS } from "./row-sweep.ts";
import { reportIn, RunRows } from "./run-rows.ts";
import { hasNoTables, SCHEMAS } from "./schemas.ts";
import { StartNotes } from "./start-notes.ts";
import { WaitRows } from "./wait-rows.ts";

/** Time limit of runs that are asked whether they have ended: an object that has one in memory answers in a few ms. */
const END_WAIT_MS = 100;
/** Where more of a conversation's runs are running none is asked: its questions do not wait for one another. */
const MOST_ASKED = 3;

/** Before every turn. */
const FIRST: TurnPlace = { at: -1, id: "" };

export class LedgerObject extends DurableObject<Env> implements ExecutionIndexRpc {
  private readonly rows: RunRows;
  private readonly earlierRows: EarlierRows;
  private readonly earlier: EarlierVersion;
  private readonly notes = new StartNotes();
  private readonly waitRows: WaitRows;
  private readonly former: FormerHomes;
  private readonly known: KnownConversations;
  private readonly splits: ShardSplits;
  private readonly tables: LazyTables;
  private readonly janitor: Janitor;
  private readonly store: MetricsStore;
  private readonly recent: RecentShapes;
  private waiting: IndexReport[] = [];
  /** Conversations whose next question waits for the reports of their runs. */
  private readonly awaited = new Set<string>();
  /** The writing of those that wait. */
  private gathering: { now: () => void; written: Promise<void> } | null = null;
  private hasAlarm = false;
  /** When the last reports came, ms since the epoch. */
  private reportTimes: number[] = [];
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
    this.splits = new ShardSplits(storage, env, "index");
    this.earlierRows = new EarlierRows(storage.sql);
    this.janitor = new Janitor(env.EXECUTIONS, this.tenant);
    this.earlier = new EarlierVersion(storage.kv, env, this.tenant);
    this.store = new MetricsStore(storage.kv, (since, batch) => this.rows.uncounted(since, batch));
    this.recent = new RecentShapes(storage.kv);
  }

  async begin(message: string): Promise<string> {
    // A Worker of an earlier version knows of no generations.
    const { conversation_id, turns, note, shards, former } = JSON.parse(message) as Partial<Beginning> &
      Pick<Beginning, "conversation_id" | "turns" | "note">;
    this.splits.note(this.tenant, shards);
    const named = note?.is_named === true ? note.summary.execution_id : null;
    const hasBegun = named !== null && this.rows.has(conversation_id, named, Date.now());
    // Where it has no former shard its note is there before anything is waited for.
    const asksFormer = former !== undefined && former.length > 0;
    if (note !== null && !hasBegun && !(asksFormer && named !== null)) this.note(note);
    this.notifyMonitor();
    await this.ends(conversation_id, note?.summary.execution_id);
    let history = this.rows.turns.history(conversation_id, turns, Date.now());
    if (asksFormer && (history.length < turns || named !== null)) {
      const found = await this.former.ask(conversation_id, former, turns, named);
      if (note !== null && named !== null && !hasBegun && !found.hasExecution) this.note(note);
      history = lastOf([...found.turns, ...history], turns);
    }
    const earlier = await this.earlier.turns(conversation_id, turns - history.length);
    return `[${[...earlier.map((turn) => JSON.stringify(turn)), ...history.map(({ turn }) => turn)].join(",")}]`;
  }

  /**
   * Resolves once the ends of the conversation's runs are written, as far as there are any: the answer to a question may
   * have been faster than the report of its run. Runs that are not known to have ended are asked, within a time limit.
   * @param own the run that begins now
   */
  private async ends(conversation_id: string, own: string | undefined): Promise<void> {
    if (this.waiting.some((entry) => entry.conversation_id === conversation_id)) await this.gathered();
    const open = [...this.rows.running(conversation_id), ...this.notes.of(conversation_id, Date.now())];
    const others = open.filter((id) => id !== own);
    if (others.length > 0 && others.length <= MOST_ASKED) {
      // Their reports are written as they come, also where others are gathered.
      this.awaited.add(conversation_id);
      const reported = others.map((id) => reportEndOf(this.env.EXECUTIONS, this.tenant, id));
      await within(END_WAIT_MS, Promise.allSettled(reported), []);
      this.awaited.delete(conversation_id);
    }
  }

  async formerTurns(
    conversation_id: string,
    turns: number,
    execution_id: string | null,
    before?: ReplacedTurn,
  ): Promise<FormerTurns> {
    this.splits.note(this.tenant);
    await this.ends(conversation_id, execution_id ?? undefined);
    const now = Date.now();
    const hasExecution =
      execution_id !== null &&
      (this.notes.has(execution_id, now) || this.rows.has(conversation_id, execution_id, now));
    return {
      turns: this.rows.turns.history(conversation_id, turns, now, before?.at),
      hasExecution,
      holder: this.holder(conversation_id, before, now),
    };
  }

  async turnsBefore(message: string): Promise<string> {
    const { conversation_id, turn, turns, former } = JSON.parse(message) as TurnsBefore;
    await this.ends(conversation_id, undefined);
    const now = Date.now();
    const found = await this.former.ask(conversation_id, former, turns, null, turn);
    const own = this.rows.turns.history(conversation_id, turns, now, turn.at);
    const history = lastOf([...found.turns, ...own], turns).map((each) => each.turn);
    const holder = this.holder(conversation_id, turn, now) ?? found.holder;
    return `{"history":[${history.join(",")}],"holder":${JSON.stringify(holder)}}`;
  }

  async turns({ conversation_id, after, limit }: TurnsQuery): ReturnType<ExecutionIndexRpc["turns"]> {
    await this.ends(conversation_id, undefined);
    return this.rows.turns.page(conversation_id, after ?? FIRST, limit, Date.now());
  }

  private holder(conversation_id: string, turn: ReplacedTurn | undefined, now: number): string | null {
    return turn === undefined ? null : this.rows.turns.holder(conversation_id, turn.execution_id, now);
  }

  async conversations(since: number): Promise<Uint8Array | null> {
    this.splits.note(this.tenant);
    await this.gathered();
    return this.known.since(since, this.notes.conversations);
  }

  async isUnused(): Promise<boolean> {
    return this.tables.areMissing && this.notes.conversations.length === 0;
  }

  async withdraw(execution_id: string, start: number): Promise<void> {
    this.notes.withdraw(execution_id, start);
  }

  async report(entry: IndexReport): Promise<void> {
    const now = Date.now();
    this.splits.note(this.tenant);
    // It would be neither listed, nor counted, nor remembered any more.
    const until = Math.max(entry.expires, entry.turn_expires ?? 0, (entry.end ?? 0) + REMEMBERED_MS);
    if (until <= now) return;
    if (this.tables.areMissing) this.splits.noteFirst(this.ctx.id.name ?? "");
    this.waiting.push(entry);
    if (this.awaited.has(entry.conversation_id)) this.gathering?.now();
    else if (this.isBusy(now)) this.gathering ??= this.gather();
    if (this.gathering === null) this.flush();
    else await this.gathering.written;
    this.notifyMonitor();
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.armSweep();
  }

  async list(query: IndexQuery): Promise<ListedPart> {
    this.splits.note(this.tenant);
    await this.gathered();
    const elsewhere = query.conversation_id !== undefined && (await this.earlier.mayHaveData());
    const now = Date.now();
    const { listed, floor } = this.rows.list(query, now);
    const others = [...this.earlierRows.list(query, now), ...this.notes.list(query, now)];
    const found = [...listed, ...others.filter(({ start }) => floor === null || start >= floor)];
    return { listed: found.toSorted(comparePlaces).toReversed().slice(0, query.limit), floor, elsewhere };
  }

  async waits(query: WaitsQuery): Promise<WaitsPart> {
    this.splits.note(this.tenant);
    await this.gathered();
    return this.waitRows.list(query, Date.now());
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
    this.waitRows.forget(place);
    this.earlierRows.forget(place);
    // Of a run that never began there is its note alone.
    this.notes.withdraw(place.id, place.start);
  }

  async metrics({ period, pipeline, shapes }: MetricsQuery): Promise<IndexMetrics> {
    this.splits.note(this.tenant);
    await this.gathered();
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
    };
  }

  async earlierUntil(): Promise<number> {
    return this.earlierRows.until;
  }

  override async alarm(): Promise<void> {
    await this.gathered();
    const now = Date.now();
    const swept = this.rows.look(now);
    const gone = await this.janitor.empty(swept.objects);
    let hasMore = false;
    let hasMetrics = false;
    this.transaction(() => {
      hasMetrics = this.store.sweep(now);
      this.recent.write();
      this.waitRows.sweep(now);
      hasMore = [this.rows.drop(swept, gone), this.earlierRows.sweep(now)].includes(true);
    });
    const { firstDue } = this.rows;
    const hasEarlier = !this.earlierRows.isEmpty;
    this.hasAlarm = hasMetrics || firstDue !== null || hasEarlier;
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

  /** Whether reports come so fast that their commits would delay each other. */
  private isBusy(now: number): boolean {
    this.reportTimes = [...this.reportTimes.slice(1 - TIMINGS.INDEX_BUSY_REPORTS), now];
    const [first = now] = this.reportTimes;
    return this.reportTimes.length === TIMINGS.INDEX_BUSY_REPORTS && now - first < 1_000;
  }

  /** Writes the buffered reports. On failure all waiting reporters get it and retry. */
  private flush(): void {
    const entries = this.waiting;
    this.waiting = [];
    this.transaction(() => {
      const now = Date.now();
      for (const entry of entries) this.write(entry, now);
      if (this.store.writeIfDue(now)) this.recent.write();
    });
    for (const { execution_id } of entries) this.notes.remove(execution_id);
  }

  /** What is counted in memory is what is written. */
  private transaction(task: () => void): void {
    this.tables.make();
    try {
      this.ctx.storage.transactionSync(task);
    } catch (cause) {
      this.store.forget();
      this.recent.forget();
      throw cause;
    }
  }

  private write(entry: IndexReport, now: number): void {
    const { batch } = this.store;
    if (!this.earlierRows.replace(entry) || !this.rows.write(entry, batch)) return;
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
