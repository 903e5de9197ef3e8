// The bill of a million runs: what was counted of some runs, by kind of object, at the platform's prices.
import type { ClassCounts } from "../../support/counting/tally.ts";
import { priceOf, priceOfHeld, priceOfStored } from "./prices.ts";
import { printTable } from "../verdicts.ts";

export interface Counted {
  name: string;
  /** Runs of each tenant in a second. */
  rate: number;
  runs: number;
  /** By class, until all that the runs caused was over. */
  counts: Record<string, ClassCounts>;
  /** By class, when what they stored expires. */
  later: Record<string, ClassCounts>;
  /** What they have stored, by class. */
  bytes: Record<string, number>;
  /** How much longer than its agents a run took, on average, in seconds: most of it is this machine's load. */
  late_s: number;
}

/** What each kind's objects are called in the table, and for how many days they keep what a run has written. */
const KINDS: Record<string, { name: string; days: number }> = {
  ExecutionObject: { name: "execution", days: 7 },
  LedgerObject: { name: "execution index", days: 7 },
  ConversationObject: { name: "conversation", days: 7 },
  CacheObject: { name: "result cache", days: 1 },
  CatalogObject: { name: "catalog", days: 0 },
  MonitorObject: { name: "monitor", days: 0 },
  AgentHealthObject: { name: "agent health", days: 0 },
  CourierObject: { name: "delivery queue", days: 7 },
  RateLimitObject: { name: "rate limit", days: 0 },
  SpendingObject: { name: "budget", days: 0 },
};
/** Of the Worker, a run. */
const WORKER_CPU_MS = 2;
const MILLION = 1e6;

interface Line {
  name: string;
  requests: number;
  rows: number;
  seconds: number;
  bytes: number;
  usd: number;
}

function billOf({ runs, counts, later, bytes }: Counted): Line[] {
  const kinds = new Set([...Object.keys(counts), ...Object.keys(later)]);
  const lines = [...kinds].map((kind): Line => {
    const { name, days } = KINDS[kind] ?? { name: kind, days: 7 };
    const sum = (key: "requests" | "rows" | "held_ms") =>
      ((counts[kind]?.[key] ?? 0) + (later[kind]?.[key] ?? 0)) / runs;
    const line = { name, requests: sum("requests"), rows: sum("rows"), seconds: sum("held_ms") / 1_000 };
    const stored = Math.max(0, bytes[kind] ?? 0) / runs;
    const usd =
      priceOf("object_request", line.requests) +
      priceOf("row_written", line.rows) +
      priceOfHeld(line.seconds) +
      priceOfStored(stored, days);
    return { ...line, bytes: stored, usd: usd * MILLION };
  });
  const worker = priceOf("worker_request", 1) + priceOf("worker_cpu_ms", WORKER_CPU_MS);
  return [
    ...lines.toSorted((a, b) => b.usd - a.usd),
    { name: "Worker", requests: 1, rows: 0, seconds: 0, bytes: 0, usd: worker * MILLION },
  ];
}

/** Prints the bill. @returns dollars of a million runs, without the time by which runs were late */
export function printBill(counted: Counted): number {
  const lines = billOf(counted);
  const objects = lines.filter(({ name }) => name !== "Worker");
  const total = (key: Exclude<keyof Line, "name">, of: readonly Line[]) =>
    of.reduce((sum, line) => sum + line[key], 0);
  const sum: Line = {
    name: "**sum**",
    requests: total("requests", objects),
    rows: total("rows", objects),
    seconds: total("seconds", objects),
    bytes: total("bytes", objects),
    usd: total("usd", lines),
  };
  console.log(`\n## ${counted.name}: ${counted.runs} runs; of one run\n`);
  printTable(
    ["", "requests of objects", "rows written", "object-seconds", "bytes stored", "$ a million"],
    [...lines, sum].map(({ name, requests, rows, seconds, bytes, usd }) => [
      name,
      name === "Worker" ? "–" : requests.toFixed(2),
      rows.toFixed(2),
      seconds.toFixed(2),
      bytes.toFixed(0),
      usd.toFixed(2),
    ]),
  );
  const parts = {
    rows: priceOf("row_written", sum.rows) * MILLION,
    requests: priceOf("object_request", sum.requests) * MILLION,
    "time in memory": priceOfHeld(sum.seconds) * MILLION,
  };
  const late = priceOfHeld(counted.late_s) * MILLION;
  const rest = sum.usd - Object.values(parts).reduce((a, b) => a + b, 0);
  console.log(
    `\n$ of it: ${Object.entries({ ...parts, "storage and Worker": rest })
      .map(([what, usd]) => `${what} ${usd.toFixed(2)}`)
      .join(
        ", ",
      )}; ${late.toFixed(2)} for the ${counted.late_s.toFixed(2)} s by which a run was late here: without it ${(sum.usd - late).toFixed(2)}\n`,
  );
  for (const [when, of] of [
    ["while it runs", counted.counts],
    ["when it expires", counted.later],
  ] as const) {
    for (const [kind, { details }] of Object.entries(of)) {
      const list = Object.entries(details).map(
        ([what, count]) => `${what} ${(count / counted.runs).toFixed(2)}`,
      );
      if (list.length > 0) console.log(`- ${KINDS[kind]?.name ?? kind}, ${when}: ${list.join(", ")}`);
    }
  }
  return sum.usd - late;
}
