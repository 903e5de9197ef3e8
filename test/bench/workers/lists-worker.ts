// A Worker for the benchmark of lists: the coordinator's, with a shard of the execution index that can be filled by its
// own reports, a thousand at a time, and asked without what is in front of it.
import type { IndexReport } from "../../../src/adapters/durable/execution-index-client.ts";
import type { ExecutionStatus } from "../../../src/contract/execution.ts";
import { startSummary } from "../../../src/core/monitoring/index-entry.ts";
import { reportText } from "../../../src/core/monitoring/metrics/stored-report.ts";
import type { IndexQuery } from "../../../src/engine/worker-ports.ts";
import { LedgerObject as RealLedger } from "../../../src/objects/execution-index/execution-index.ts";
import type { Env } from "../../../src/settings.ts";

// The classes below stand before those of the same names here.
export * from "../../../src/index.ts";

const RETENTION_MS = 7 * 86_400_000;
/** One entry in so many has that status; the others are completed. */
const RARE: readonly (readonly [ExecutionStatus, number])[] = [
  ["running", 5_000],
  ["paused", 10_007],
  ["failed", 211],
  ["cancelled", 1_009],
];
const STAGES = ["understand", "search", "write", "check"];
/** Words of a question, and of an answer. */
const WORDS = "how long does a shard of the index take to answer what it is asked for ";

export class LedgerObject extends RealLedger {
  /** Entries that begin a millisecond after each other, until now at the latest. */
  async fill(first: number, count: number, of: number): Promise<number> {
    const now = Date.now();
    const entries = Array.from({ length: count }, (_, at) => entryOf(first + at, now - (of - first - at)));
    await Promise.all(entries.map((entry) => this.report(entry)));
    return this.ctx.storage.sql.databaseSize;
  }
}

function entryOf(number: number, start: number): IndexReport {
  const status = RARE.find(([, each]) => number % each === 0)?.[0] ?? "completed";
  const execution_id = `ex_${number.toString(16).padStart(32, "0")}`;
  const conversation_id = `conversation-${Math.floor(number / 5)}`;
  // One in 50,000 is of another pipeline.
  const pipeline = number % 50_000 === 7 ? "rare" : "four";
  const shown = { execution_id, query: `${WORDS}${number}`, conversation_id, pipeline, pipeline_version: 1 };
  const hasEnded = status !== "running" && status !== "paused";
  const stages = STAGES.map((stage) => ({
    stage,
    status: "completed" as const,
    duration_ms: 800,
    path_ms: 800,
    retries: 0,
    cached: false,
    tokens: null,
    cost: null,
  }));
  const counted = { pipeline, status: "completed" as const, duration_ms: 3_200, context_bytes: 900, stages };
  const isCompleted = status === "completed";
  return {
    start,
    end: hasEnded ? start + 3_200 : null,
    seq: hasEnded ? 12 : 5,
    expires: start + RETENTION_MS,
    execution_id,
    status,
    pipeline,
    conversation_id,
    summary: JSON.stringify({ ...startSummary(shown, start), status }),
    counted: isCompleted ? reportText(counted) : null,
    shape: null,
    has_object: hasEnded,
    turn: isCompleted ? JSON.stringify({ query: shown.query, answer: { answer: WORDS.repeat(3) } }) : null,
    turn_expires: isCompleted ? start + RETENTION_MS : null,
  };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const id = env.LEDGER.idFromName("filled/0");
    const shard = env.LEDGER.get(id) as unknown as LedgerObject;
    const number = (name: string) => Number(searchParams.get(name));
    if (pathname === "/fill")
      return Response.json(await shard.fill(number("first"), number("count"), number("of")));
    if (pathname === "/report") {
      await shard.report(entryOf(number("number"), Date.now()));
      return Response.json(null);
    }
    const query = JSON.parse(searchParams.get("query") ?? "{}") as IndexQuery;
    const { listed, floor } = await shard.list(query);
    return Response.json({ listed: listed.length, floor });
  },
};
