// What the platform asks for, as it was listed on a day: Workers Paid, beyond what the plan includes.

interface Price {
  usd: number;
  /** So many of these. */
  per: number;
  unit: string;
  source: string;
}

/** The day on which the pages were last read. A price that changes is a new line with its day. */
export const PRICED_ON = "2026-11-26";

const OBJECTS = "developers.cloudflare.com/durable-objects/platform/pricing";
const WORKERS = "developers.cloudflare.com/workers/platform/pricing";

export const PRICES = {
  /** A fetch, an RPC call or an alarm. */
  object_request: { usd: 0.15, per: 1e6, unit: "requests of objects", source: OBJECTS },
  object_gb_second: { usd: 12.5, per: 1e6, unit: "GB-s of objects in memory", source: OBJECTS },
  row_written: {
    usd: 1,
    per: 1e6,
    unit: "rows written, alarms that are set and deletes included",
    source: OBJECTS,
  },
  /** Billed since 2026-01-07. */
  gb_month: { usd: 0.2, per: 1, unit: "GB-month stored", source: OBJECTS },
  worker_request: { usd: 0.3, per: 1e6, unit: "requests of the Worker", source: WORKERS },
  worker_cpu_ms: { usd: 0.02, per: 1e6, unit: "ms of the Worker's processor time", source: WORKERS },
} as const satisfies Record<string, Price>;

/** An object in memory is billed as if it used all that it may. */
export const OBJECT_GB = 0.128;
const DAYS_A_MONTH = 30;

/** In dollars. */
export function priceOf(what: keyof typeof PRICES, count: number): number {
  const { usd, per } = PRICES[what];
  return (usd * count) / per;
}

export function priceOfHeld(seconds: number): number {
  return priceOf("object_gb_second", seconds * OBJECT_GB);
}

export function priceOfStored(bytes: number, days: number): number {
  return priceOf("gb_month", (bytes / 1e9) * (days / DAYS_A_MONTH));
}
