// What the embedded result cache, its objects and the runs' objects say to each other. Entries travel and are stored as
// text; keys travel as hashes.
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { HashedKey } from "../platform/cache-key-hash.ts";
import type { KeptEntry } from "../platform/kept-entries.ts";

/** A run, and where results of its question are. */
export interface RunAt {
  execution_id: string;
  tenant: string;
  /** Of its generation; absent in messages of earlier versions. */
  shards?: number;
  place: number;
  /** When it has ended at the latest, ms since the epoch. */
  until: number;
}

/** How a call that was to make a result has ended. */
export interface Made {
  key: HashedKey;
  caller: FlightCaller;
  /** Null where there is none, or none that is kept. */
  entry: string | null;
  /** Ms since the epoch. */
  at: number;
}

/** What is kept for a run's question, and how its stages are to ask. */
export interface Asked {
  kept: readonly KeptEntry[];
  /** As in an Opening. */
  asksEach: boolean;
  isNoted: boolean;
}

/** The object that keeps a part of a tenant's results. */
export interface ResultCacheRpc {
  /**
   * @param ttl_seconds no older result is of use
   * @param isMissing see ResultCache
   */
  ask(run: RunAt, ttl_seconds: number, isMissing: boolean): Promise<Asked>;
  /**
   * An entry that is younger than the caller's and the writer's TTL; else who is to make it.
   * @param made what the caller's run has not reported yet
   */
  take(
    run: RunAt,
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ): Promise<{ entry: string } | "miss" | "busy">;
  follow(
    run: RunAt,
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<{ entry: string } | "miss">;
  /** @param isOver the run is not at its question any more */
  report(run: RunAt, made: readonly Made[], isOver: boolean): Promise<void>;
  last(place: number, family: string): Promise<string | null>;
  /**
   * Deletes what an execution has made, also what arrives later and was made by `at` (ms since the epoch). Answers
   * once it is durable.
   * @param place any of its question's
   * @param families hashed
   */
  forget(place: number, execution_id: string, families: readonly string[], at: number): Promise<void>;
  /** Answers: the object is there. */
  ping(): Promise<void>;
}
