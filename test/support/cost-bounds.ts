// What a run may cost: of a default run (test/support/four-stages.ts, every question and conversation new), by class,
// the most rows and requests of objects a run, alarms included. Held by test/worker/run-cost.test.ts; what a change
// saves is taken off here. Shared objects' are those of a tenant with a few runs a second: at another rate it is what
// `npm run bench:cost` prints.

export interface CostBound {
  rows: number;
  requests: number;
}

export const COST_BOUNDS: Readonly<Record<string, CostBound>> = {
  // Five records, the alarm at the start and that of retention.
  ExecutionObject: { rows: 7, requests: 2.2 },
  // The row at the start with its index entry, the row at the end, the metrics of the minute.
  LedgerObject: { rows: 5, requests: 8 },
  // The turn and the alarm of its expiry.
  ConversationObject: { rows: 2, requests: 2 },
  // A row for each result; one question a stage and one report.
  CacheObject: { rows: 4.6, requests: 5 },
  CatalogObject: { rows: 0, requests: 2.5 },
  MonitorObject: { rows: 2, requests: 3 },
};

/** Of all classes together. */
export const COST_BOUND: CostBound = { rows: 19, requests: 20 };

/** When what a run has written expires. */
export const EXPIRY_BOUND: CostBound = { rows: 8, requests: 5 };
