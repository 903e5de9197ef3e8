// The shapes of a shard's last runs, by which /v1/metrics finds bottlenecks: a ring in memory, stored as one value. They
// are samples: one that is lost with the object's memory is not missed.
import type { RunShape } from "../../core/monitoring/metrics/report.ts";
import { TIMINGS } from "../../core/timings.ts";

const KEY = "shapes";

interface Recent {
  pipeline: string;
  start: number;
  /** A RunShape as JSON. */
  shape: string;
}

export class RecentShapes {
  private readonly kv: SyncKvStorage;
  private known: Recent[] | null = null;
  private isUnwritten = false;

  constructor(kv: SyncKvStorage) {
    this.kv = kv;
  }

  add(recent: Recent): void {
    this.known = [...this.all(), recent].slice(-TIMINGS.SAMPLED_RUNS);
    this.isUnwritten = true;
  }

  /** @param since starts, ms since the epoch */
  read(since: number, pipeline: string | undefined, limit: number): RunShape[] {
    return this.all()
      .filter((recent) => recent.start >= since && (pipeline === undefined || recent.pipeline === pipeline))
      .slice(-limit)
      .map(({ shape }) => JSON.parse(shape) as RunShape);
  }

  write(): void {
    if (this.isUnwritten) this.kv.put(KEY, this.all());
    this.isUnwritten = false;
  }

  /** Forgets what could not be written. */
  forget(): void {
    this.known = null;
    this.isUnwritten = false;
  }

  private all(): Recent[] {
    this.known ??= this.kv.get<Recent[]>(KEY) ?? [];
    return this.known;
  }
}
