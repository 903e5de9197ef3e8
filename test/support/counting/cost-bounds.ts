// What a run may cost: of a default run (test/support/counting/four-stages.ts, every question and conversation new), by class,
// the most rows and requests of objects a run, alarms included. Held by test/worker/executions/run-cost.test.ts; what a change
// saves is taken off here. Shared objects' are those of a tenant with a few runs a second: at another rate it is what
// `npm run bench:cost` prints.

export interface CostBound {
  rows: number;
  requests: number;
}

export const COST_BOUNDS: Readonly<Record<string, CostBound>> = {
  // Five records and the alarm at the start.
  ExecutionObject: { rows: 6, requests: 2.2 },
  // The entry and its conversation; the rest are metrics, of which a shard writes one row for a batch of runs.
  LedgerObject: { rows: 3, requests: 2.1 },
  // A row for what a run has made; one question and one report.
  CacheObject: { rows: 1.3, requests: 2 },
  CatalogObject: { rows: 0, requests: 2.5 },
};

/** Of all classes together. */
export const COST_BOUND: CostBound = { rows: 10, requests: 8 };

/** When what a run has written expires. */
export const EXPIRY_BOUND: CostBound = { rows: 3, requests: 2 };
