// The coordinator with bounds at which a few requests a second split a tenant's shards, and with short waits.
import { TIMINGS } from "../../../src/core/timings.ts";

export * from "../../../src/index.ts";
export { default } from "../../../src/index.ts";

const SMALL: Partial<Record<keyof typeof TIMINGS, number>> = {
  SHARD_RATE: 4,
  SHARD_RATE_MS: 2_000,
  SHARDS_MOST: 4,
  // Still longer than an isolate holds its copy of the catalog.
  SPLIT_AHEAD_MS: 2_500,
  SPLIT_SETTLED_MS: 2_000,
};
Object.assign(TIMINGS, SMALL);
