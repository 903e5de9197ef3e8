// A part of the index, as far as its metrics go: the key-value storage and the rows that an instance of the store has.
import type { RunReport } from "../../../src/core/monitoring/metrics/report.ts";
import { reportFrom, reportText } from "../../../src/core/monitoring/metrics/stored-report.ts";
import { MetricsStore } from "../../../src/objects/execution-index/metrics-store.ts";

type Report = Omit<RunReport, "shape">;

interface Row {
  report: Report;
  counted: string;
  started: number;
  ended: number;
  batch: number;
}

/** What a Durable Object's storage is to the store. */
export class MetricsPart {
  readonly stored = new Map<string, unknown>();
  readonly rows: Row[] = [];
  /** Values written so far. */
  writes = 0;

  get(key: string): unknown {
    return structuredClone(this.stored.get(key));
  }
  put(key: string, value: unknown): void {
    this.writes += 1;
    this.stored.set(key, structuredClone(value));
  }
  delete(key: string): boolean {
    return this.stored.delete(key);
  }
  *list({ prefix = "", start = "" }: { prefix?: string; start?: string }): Generator<[string, unknown]> {
    for (const key of [...this.stored.keys()].toSorted()) {
      if (key.startsWith(prefix) && key >= start) yield [key, this.get(key)];
    }
  }

  /** An instance of the store. */
  store(): MetricsStore {
    return new MetricsStore(this as unknown as SyncKvStorage, (since, batch) =>
      this.rows
        .filter((row) => row.started >= since && row.batch > batch)
        .map(({ report, counted, ended }) => ({ report: reportFrom(counted, report), ended })),
    );
  }

  /** Counts runs as a shard does, with a row each. */
  count(store: MetricsStore, reports: readonly Report[], at: number, started = at): void {
    for (const report of reports) {
      const { batch } = store;
      this.rows.push({ report, counted: reportText(report), started, ended: at, batch });
      store.count(report, started, at, at);
    }
    store.writeIfDue(at);
  }
}
