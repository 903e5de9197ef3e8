// The metrics of a shard of the execution index, by minute and pipeline. A run is counted in memory, and its row keeps
// its report; the totals of many runs are written as one batch. So a run costs no row for its metrics, and none is lost:
// what an instance had not written, the next one counts again from the rows that no batch has. A batch is kept a day
// and then added to what was before, so that counters never fall. Which pipelines have metrics of their own is stored
// with them: core/monitoring/metrics/names.ts.
import type { Period } from "../../engine/worker-ports.ts";
import { LIMITS } from "../../contract/limits.ts";
import {
  addReport,
  asOther,
  emptyTotals,
  type MetricTotals,
  mergeByName,
  spentIn,
} from "../../core/monitoring/metrics/run-metrics.ts";
import { addSpent, emptySpent, type Spent, sumOf } from "../../core/monitoring/metrics/costs/spending.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Counted } from "../../adapters/durable/execution-index-client.ts";

const MINUTE_MS = 60_000;
const BATCHES = "batch/";
const EVER = "ever/";
const STATE = "metrics";
/** Of earlier versions: a record a minute and pipeline, the first minute that is not in `ever/`, the names. */
const MINUTES = "minute/";
const FOLDED = "folded";
const NAMES = "names";
/** Totals of so many stages and pipelines are one value: the platform refuses one of 2 MB. */
const BATCH_WEIGHT = 400;
/** Batches that one sweep adds to what was before. */
const SWEEP_BATCHES = 500;

/** The pipelines that have metrics of their own, in the order of their first run. */
interface Names {
  pipelines: Set<string>;
  /** Of stages that were run on their own. */
  singles: Set<string>;
}

/** What is written with each batch. */
interface State {
  /** The last batch. */
  batch: number;
  /** When it was written, ms since the epoch. */
  at: number;
  names: Names;
}

type Entry = [minute: number, pipeline: string, totals: MetricTotals];

/** A run that no batch has. */
export interface Uncounted {
  report: Counted;
  /** Ms since the epoch. */
  ended: number;
}

/** Counted since the last batch. */
interface Open {
  runs: number;
  /** A row whose run began too early to be found again is among them. */
  mustBeWritten: boolean;
  totals: Map<string, Entry>;
}

export class MetricsStore {
  private readonly kv: SyncKvStorage;
  private readonly uncounted: (since: number, batch: number) => Iterable<Uncounted>;
  private known: State | null = null;
  private open: Open | null = null;
  /** All time, once it was asked for. */
  private total: Map<string, MetricTotals> | null = null;
  /** What was used, by minute, once it was asked for: the alerts' evaluation asks every few seconds. */
  private recent: Map<number, Spent> | null = null;

  /** @param uncounted the runs of the rows of later batches, whose runs began at or after `since` */
  constructor(kv: SyncKvStorage, uncounted: (since: number, batch: number) => Iterable<Uncounted>) {
    this.kv = kv;
    this.uncounted = uncounted;
  }

  /** The batch that a row written now is counted with. To be asked before the row is there. */
  get batch(): number {
    this.counting();
    return this.state().batch + 1;
  }

  /** Counts a run whose row has this batch. @param started, ended ms since the epoch */
  count(report: Counted, started: number, ended: number, now: number): void {
    const open = this.counting();
    this.add(open, report, Math.min(ended, now));
    if (started < now - TIMINGS.METRICS_LOOKBACK_MS) open.mustBeWritten = true;
  }

  /** Writes what was counted, if it is much, or could not be found again; in the transaction of its rows. */
  writeIfDue(now: number): boolean {
    const { runs, mustBeWritten } = this.counting();
    const isDue =
      runs >= TIMINGS.METRICS_BATCH_MOST ||
      (runs >= TIMINGS.METRICS_BATCH && now - this.state().at >= MINUTE_MS);
    if (!mustBeWritten && !isDue) return false;
    this.write(now);
    return true;
  }

  /** Forgets what was counted and could not be written: what the disk holds is what there is. */
  forget(): void {
    this.known = null;
    this.open = null;
    this.total = null;
    this.recent = null;
  }

  /** Totals by pipeline, in the order of admission. */
  read(period: Period, now: number, pipeline: string | undefined): Map<string, MetricTotals> {
    const found = period === "ever" ? this.allTime() : this.since(now - period.window_seconds * 1_000);
    const { pipelines, singles } = this.state().names;
    // Names that earlier versions counted beyond the limits come last.
    const order = new Set([...pipelines, ...singles, ...found.keys()]);
    return new Map(
      Array.from(order).flatMap((name) => {
        const totals = pipeline === undefined || name === pipeline ? found.get(name) : undefined;
        return totals === undefined ? [] : [[name, totals] as const];
      }),
    );
  }

  /** What was used by runs that ended in the minutes from a time on, ms since the epoch. */
  spent(since: number): Spent {
    const first = Math.floor(since / MINUTE_MS);
    if (this.recent === null) {
      const recent = new Map<number, Spent>();
      for (const [minute, , { stages }] of this.entries(first))
        addIn(recent, minute, spentIn(stages.values()));
      this.recent = recent;
    }
    for (const minute of this.recent.keys()) if (minute < first) this.recent.delete(minute);
    return sumOf(this.recent.values());
  }

  /** Adds what is older than a day to what was before; false where no batch and nothing unwritten is left. */
  sweep(now: number): boolean {
    // Rows outlive their runs by a day: what they hold is written before they go.
    if (this.counting().runs > 0 && now - this.state().at >= TIMINGS.METRICS_UNWRITTEN_MS) this.write(now);
    const oldest = Math.floor(now / MINUTE_MS) - LIMITS.METRICS_WINDOW_SECONDS / 60 - 1;
    const over: string[] = [];
    const totals = new Map<string, MetricTotals>();
    let left = false;
    for (const { key, last, entries } of this.records(0)) {
      if (last >= oldest || over.length >= SWEEP_BATCHES) left = true;
      else {
        over.push(key);
        for (const [, name, of] of entries) mergeByName(totals, name, of);
      }
    }
    const earlier = keyOf(MINUTES, Math.min(oldest, this.folded()));
    for (const [key] of this.kv.list({ prefix: MINUTES })) if (key < earlier) over.push(key);
    for (const [name, of] of totals) {
      const before = new Map([[name, this.kv.get<MetricTotals>(`${EVER}${name}`) ?? emptyTotals()]]);
      mergeByName(before, name, of);
      this.kv.put(`${EVER}${name}`, before.get(name));
    }
    for (const key of over) this.kv.delete(key);
    return left || this.counting().runs > 0;
  }

  private write(now: number): void {
    const open = this.counting();
    const state = this.state();
    state.batch += 1;
    state.at = now;
    let part: Entry[] = [];
    let weight = 0;
    let parts = 0;
    const put = () => {
      const last = Math.max(...part.map(([minute]) => minute));
      if (part.length > 0) this.kv.put(`${keyOf(BATCHES, last)}${state.batch}-${parts}`, part);
      parts += 1;
      part = [];
      weight = 0;
    };
    for (const entry of open.totals.values()) {
      part.push(entry);
      weight += weightOf(entry[2]);
      if (weight >= BATCH_WEIGHT) put();
    }
    put();
    this.kv.put(STATE, state);
    this.open = { runs: 0, mustBeWritten: false, totals: new Map() };
  }

  private allTime(): Map<string, MetricTotals> {
    if (this.total !== null) return this.total;
    // In the order of time: names that were early keep figures of their own, and no counter falls.
    const total = new Map<string, MetricTotals>();
    for (const [key, totals] of this.kv.list<MetricTotals>({ prefix: EVER }))
      mergeByName(total, key.slice(EVER.length), totals);
    for (const [name, totals] of this.since(0)) mergeByName(total, name, totals);
    this.total = total;
    return total;
  }

  /** What was counted in the minutes from a time on; from 0 on, all that is not in `ever/`. */
  private since(time: number): Map<string, MetricTotals> {
    const first = Math.floor(time / MINUTE_MS);
    const found = new Map<string, MetricTotals>();
    for (const [, name, totals] of this.entries(first)) mergeByName(found, name, totals);
    return found;
  }

  private *entries(first: number): Generator<Entry> {
    for (const { entries } of this.records(first))
      for (const entry of entries) if (entry[0] >= first) yield entry;
    for (const entry of this.counting().totals.values()) if (entry[0] >= first) yield entry;
  }

  /** The records of minutes from `first` on; with 0 those alone that are not in `ever/` yet. */
  private *records(first: number): Generator<{ key: string; last: number; entries: Entry[] }> {
    const start = keyOf(MINUTES, first === 0 ? this.folded() : first);
    for (const [key, totals] of this.kv.list<MetricTotals>({ prefix: MINUTES, start })) {
      const minute = minuteOf(MINUTES, key);
      const name = key.slice(keyOf(MINUTES, minute).length);
      yield { key, last: minute, entries: [[minute, name, totals]] };
    }
    const batches = this.kv.list<Entry[]>({ prefix: BATCHES, start: keyOf(BATCHES, first) });
    for (const [key, entries] of batches) yield { key, last: minuteOf(BATCHES, key), entries };
  }

  /** What was counted since the last batch; by an earlier instance, too. */
  private counting(): Open {
    if (this.open !== null) return this.open;
    const { at, batch } = this.state();
    const open: Open = { runs: 0, mustBeWritten: false, totals: new Map() };
    this.open = open;
    for (const { report, ended } of this.uncounted(at - 2 * TIMINGS.METRICS_LOOKBACK_MS, batch)) {
      this.add(open, report, ended);
    }
    return open;
  }

  private add(open: Open, report: Counted, ended: number): void {
    const counted = this.isAdmitted(report) ? report : asOther(report);
    const minute = Math.floor(ended / MINUTE_MS);
    const key = `${minute}/${counted.pipeline}`;
    const entry: Entry = open.totals.get(key) ?? [minute, counted.pipeline, emptyTotals()];
    addReport(entry[2], counted);
    open.totals.set(key, entry);
    open.runs += 1;
    if (this.total === null && this.recent === null) return;
    const single = emptyTotals();
    addReport(single, counted);
    if (this.recent !== null) addIn(this.recent, minute, spentIn(single.stages.values()));
    if (this.total !== null) mergeByName(this.total, counted.pipeline, single);
  }

  /** Whether a run's pipeline has metrics of its own; admits it where there is room for more. */
  private isAdmitted({ pipeline, single }: Counted): boolean {
    const { pipelines, singles } = this.state().names;
    if (pipelines.has(pipeline) || (single === true && singles.has(pipeline))) return true;
    const [kind, most] =
      single === true ? [singles, LIMITS.METRICS_SINGLE_STAGES] : [pipelines, LIMITS.METRICS_PIPELINES];
    if (kind.size >= most) return singles.has(pipeline);
    kind.add(pipeline);
    if (kind === pipelines) singles.delete(pipeline);
    return true;
  }

  private state(): State {
    this.known ??= this.kv.get<State>(STATE) ?? {
      batch: 0,
      at: 0,
      names: this.kv.get<Names>(NAMES) ?? this.namesOfMetrics(),
    };
    return this.known;
  }

  /** The names of metrics that were counted before there were bounds. */
  private namesOfMetrics(): Names {
    const counted = new Set<string>();
    for (const { entries } of this.records(0)) for (const [, name] of entries) counted.add(name);
    for (const [key] of this.kv.list<MetricTotals>({ prefix: EVER })) counted.add(key.slice(EVER.length));
    return { pipelines: new Set([...counted].slice(0, LIMITS.METRICS_PIPELINES)), singles: new Set() };
  }

  private folded(): number {
    return this.kv.get<number>(FOLDED) ?? 0;
  }
}

function addIn(minutes: Map<number, Spent>, minute: number, spent: Spent): void {
  const known = minutes.get(minute) ?? emptySpent();
  addSpent(known, spent);
  minutes.set(minute, known);
}

/** Stages, models and tags of totals: each takes a name and a few figures. */
function weightOf({ stages, tags }: MetricTotals): number {
  const models = Array.from(stages.values()).reduce((sum, { spent }) => sum + (spent?.models.size ?? 0), 0);
  return 1 + stages.size + models + (tags?.size ?? 0);
}

/** Sorted as the minutes are. */
function keyOf(prefix: string, minute: number): string {
  return `${prefix}${String(Math.max(0, minute)).padStart(10, "0")}/`;
}

function minuteOf(prefix: string, key: string): number {
  return Number(key.slice(prefix.length, prefix.length + 10));
}
