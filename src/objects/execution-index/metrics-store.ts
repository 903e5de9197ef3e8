// The metrics of a shard of the execution index: one record for each minute and pipeline, for a day, and one for each
// pipeline of everything before. A report writes one record; a minute that is over is added to what was before when
// the next one begins, so that counters never fall and reading all time does not read a day. What is being counted
// into stays in memory as well: a report costs no reading, and several that come together cost one write. Which
// pipelines have metrics of their own is stored with them: core/monitoring/metrics/names.ts.
import type { Period } from "../../engine/worker-ports.ts";
import { LIMITS } from "../../contract/limits.ts";
import {
  addReport,
  asOther,
  emptyTotals,
  type MetricTotals,
  mergeByName,
} from "../../core/monitoring/metrics/run-metrics.ts";
import type { Counted } from "../../adapters/durable/execution-index-client.ts";

const MINUTE_MS = 60_000;
const MINUTES = "minute/";
const EVER = "ever/";
/** The first minute that is not in what was before. */
const FOLDED = "folded";
const NAMES = "names";

/** The pipelines that have figures of their own, in the order of their first run. */
interface Names {
  pipelines: Set<string>;
  /** Of stages that were run on their own. */
  singles: Set<string>;
}

export class MetricsStore {
  private readonly kv: SyncKvStorage;
  /** The records that are counted into now, as they will be written. */
  private readonly current = new Map<string, MetricTotals>();
  private readonly unwritten = new Set<string>();
  private foldedTo: number | null = null;
  private admitted: Names | null = null;
  private namesAreUnwritten = false;

  constructor(kv: SyncKvStorage) {
    this.kv = kv;
  }

  /** Counts a run. To be called once for each, and followed by `write`. @param ended ms since the epoch */
  count(report: Counted, ended: number, now: number): void {
    // A clock that is ahead elsewhere must not write into a minute that is not read yet.
    const minute = Math.floor(Math.min(ended, now) / MINUTE_MS);
    const folded = this.fold(Math.floor(now / MINUTE_MS));
    const counted = this.isAdmitted(report) ? report : asOther(report);
    this.add(`${keyOf(minute)}${counted.pipeline}`, counted);
    if (minute < folded) this.add(`${EVER}${counted.pipeline}`, counted);
  }

  /** Writes what was counted. */
  write(): void {
    for (const key of this.unwritten) this.kv.put(key, this.current.get(key));
    this.unwritten.clear();
    if (this.namesAreUnwritten) this.kv.put(NAMES, this.names());
    this.namesAreUnwritten = false;
  }

  /** Forgets what was counted and could not be written: what the disk holds is what there is. */
  forget(): void {
    this.current.clear();
    this.unwritten.clear();
    this.foldedTo = null;
    this.admitted = null;
    this.namesAreUnwritten = false;
  }

  /** Figures by pipeline, in the order of admission. */
  read(period: Period, now: number, pipeline: string | undefined): Map<string, MetricTotals> {
    const found = new Map<string, MetricTotals>();
    const add = (name: string, totals: MetricTotals) => {
      if (pipeline === undefined || name === pipeline) mergeByName(found, name, totals);
    };
    if (period === "ever") {
      for (const [key, totals] of this.kv.list<MetricTotals>({ prefix: EVER }))
        add(key.slice(EVER.length), totals);
    }
    const first =
      period === "ever" ? this.folded() : Math.floor((now - period.window_seconds * 1_000) / MINUTE_MS);
    for (const [name, totals] of this.minutesFrom(first)) add(name, totals);
    const { pipelines, singles } = this.names();
    // Names that earlier versions counted beyond the limits come last.
    const order = new Set([...pipelines, ...singles, ...found.keys()]);
    return new Map(
      Array.from(order).flatMap((name) => {
        const totals = found.get(name);
        return totals === undefined ? [] : [[name, totals] as const];
      }),
    );
  }

  /** Takes out the minutes that are older than a day; false where none are left. */
  sweep(now: number): boolean {
    const oldest = Math.floor(now / MINUTE_MS) - LIMITS.METRICS_WINDOW_SECONDS / 60 - 1;
    this.fold(Math.floor(now / MINUTE_MS));
    const keys = Array.from(this.kv.list({ prefix: MINUTES }), ([key]) => key);
    const old = keys.filter((key) => key < keyOf(oldest));
    for (const key of old) this.kv.delete(key);
    return keys.length > old.length;
  }

  /** Adds the minutes that are over to what was before. The first minute that is not. */
  private fold(current: number): number {
    const folded = this.folded();
    if (folded >= current) return folded;
    this.write();
    this.current.clear();
    const over = new Map<string, MetricTotals>();
    for (const [name, totals] of this.minutesFrom(folded)) mergeByName(over, name, totals);
    for (const [name, totals] of over) {
      const before = new Map<string, MetricTotals>();
      mergeByName(before, name, this.kv.get<MetricTotals>(`${EVER}${name}`) ?? emptyTotals());
      mergeByName(before, name, totals);
      this.kv.put(`${EVER}${name}`, before.get(name));
    }
    this.kv.put(FOLDED, current);
    this.foldedTo = current;
    return current;
  }

  /** Whether a run's pipeline has figures of its own; admits it where there is room for more. */
  private isAdmitted({ pipeline, single }: Counted): boolean {
    const { pipelines, singles } = this.names();
    if (pipelines.has(pipeline) || (single === true && singles.has(pipeline))) return true;
    const [kind, most] =
      single === true ? [singles, LIMITS.METRICS_SINGLE_STAGES] : [pipelines, LIMITS.METRICS_PIPELINES];
    if (kind.size >= most) return singles.has(pipeline);
    kind.add(pipeline);
    if (kind === pipelines) singles.delete(pipeline);
    this.namesAreUnwritten = true;
    return true;
  }

  private names(): Names {
    this.admitted ??= this.kv.get<Names>(NAMES) ?? this.namesOfTotals();
    return this.admitted;
  }

  /** The names of figures that were counted before there were bounds. */
  private namesOfTotals(): Names {
    const counted = new Map<string, MetricTotals>(this.minutesFrom(this.folded()));
    for (const [key, totals] of this.kv.list<MetricTotals>({ prefix: EVER })) {
      counted.set(key.slice(EVER.length), totals);
    }
    this.namesAreUnwritten = counted.size > 0;
    return { pipelines: new Set([...counted.keys()].slice(0, LIMITS.METRICS_PIPELINES)), singles: new Set() };
  }

  private folded(): number {
    this.foldedTo ??= this.kv.get<number>(FOLDED) ?? 0;
    return this.foldedTo;
  }

  private *minutesFrom(first: number): Generator<[string, MetricTotals]> {
    const skip = keyOf(0).length;
    for (const [key, totals] of this.kv.list<MetricTotals>({ prefix: MINUTES, start: keyOf(first) })) {
      yield [key.slice(skip), totals];
    }
  }

  private add(key: string, report: Counted): void {
    const totals = this.current.get(key) ?? this.kv.get<MetricTotals>(key) ?? emptyTotals();
    addReport(totals, report);
    this.current.set(key, totals);
    this.unwritten.add(key);
  }
}

/** Sorted as the minutes are. */
function keyOf(minute: number): string {
  return `${MINUTES}${String(Math.max(0, minute)).padStart(10, "0")}/`;
}
