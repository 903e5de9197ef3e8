// A shard of the execution index for tests without workerd: its storage as SQLite in memory, the objects that it asks,
// and the reports that executions make. The class itself comes from the test, which replaces cloudflare:workers.
import type { Beginning, MonitorRpc } from "../../../src/engine/worker-ports.ts";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { ConversationRpc } from "../../../src/adapters/durable/conversation-client.ts";
import type { IndexReport } from "../../../src/adapters/durable/execution-index-client.ts";
import type { ExecutionStatus } from "../../../src/contract/execution.ts";
import type { ExecutionRpc, RunPresence } from "../../../src/engine/object-protocol.ts";
import type { RunEnd } from "../../../src/core/monitoring/metrics/report.ts";
import { reportText } from "../../../src/core/monitoring/metrics/stored-report.ts";
import { SCHEMAS } from "../../../src/objects/execution-index/schemas.ts";
import { migrate } from "../../../src/objects/migrations.ts";
import type { Env } from "../../../src/settings.ts";

export const HOUR_MS = 3_600_000;
export const NOW = Date.parse("2026-03-01T12:00:00Z");
export const RETENTION_MS = 7 * 24 * HOUR_MS;

/** What outlives an instance of the shard, and what it asks. */
export class ShardDisk {
  readonly database = new DatabaseSync(":memory:");
  kv = new Map<string, unknown>();
  alarm: number | null = null;
  /** Statements that fail while this is set. */
  failing: RegExp | null = null;
  /** Until when the monitor says that there is an earlier version's data; null where it does not answer. */
  earlierUntil: number | null = 0;
  /** What a conversation's own object has kept. */
  earlierTurns: { query: string; answer: unknown }[] = [];
  readonly asked: string[] = [];
  /** Executions whose objects were emptied, and those that refuse. */
  readonly emptied: string[] = [];
  readonly refusing = new Set<string>();
  /** What happens while an object is emptied. */
  whileEmptied: () => Promise<void> = async () => {};
  /** What an execution does that is asked whether it has ended. */
  whileEndIsAsked: (id: string) => Promise<void> = async () => {};
  /** Executions that were asked whether there is a run, and what they say. */
  readonly woken: string[] = [];
  presence: RunPresence = "going";
  presenceOf: (id: string) => RunPresence = () => this.presence;
  /** Executions that were superseded, and by which; what they do then. */
  readonly superseded: string[] = [];
  whileSuperseded: (id: string) => Promise<RunPresence> = async () => "going";
  /** Everything that was executed. */
  readonly statements: { query: string; values: SQLInputValue[] }[] = [];
  /** The variables of an instance's environment. */
  vars: Record<string, unknown> = {};
  private readonly name: string;

  /** @param name of the object */
  constructor(name = "acme/0") {
    this.name = name;
  }

  /** The tables, which a shard makes with its first statement. */
  makeTables(): void {
    migrate(this.instance()[0].storage, SCHEMAS);
  }

  /** What the constructor of an instance on this disk takes. */
  instance(): [DurableObjectState, Env] {
    const kv = {
      get: (key: string) => structuredClone(this.kv.get(key)),
      put: (key: string, value: unknown) => this.kv.set(key, structuredClone(value)),
      delete: (key: string) => this.kv.delete(key),
      list: ({ prefix = "", start = "" }) =>
        [...this.kv]
          .filter(([key]) => key.startsWith(prefix) && key >= start)
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    };
    const storage = {
      sql: {
        exec: (query: string, ...values: SQLInputValue[]) => this.exec(query, ...values),
        databaseSize: 4_096,
      },
      kv,
      transactionSync: (task: () => void) => this.transaction(task),
      getAlarm: async () => this.alarm,
      setAlarm: async (at: number) => {
        this.alarm = at;
      },
    };
    const of = (object: unknown) => ({ idFromName: (name: string) => name, get: () => object });
    return [
      { id: { name: this.name }, storage } as unknown as DurableObjectState,
      {
        EXECUTIONS: { idFromName: (name: string) => name, get: (name: string) => this.execution(name) },
        MONITOR: of(this.monitor()),
        CONVERSATIONS: of(this.conversation()),
        ...this.vars,
      } as unknown as Env,
    ];
  }

  private exec(query: string, ...values: SQLInputValue[]) {
    this.statements.push({ query, values });
    if (this.failing?.test(query) === true) throw new Error("the disk is full");
    if (values.length === 0 && query.includes(";")) {
      this.database.exec(query);
      return Object.assign([], { toArray: () => [], one: () => undefined });
    }
    const statement = this.database.prepare(query);
    if (query.startsWith("SELECT")) {
      // As the platform does it: rows are read as they are asked for.
      return {
        [Symbol.iterator]: () => statement.iterate(...values),
        toArray: () => statement.all(...values),
        one: () => statement.get(...values),
      };
    }
    const rows = statement.all(...values);
    return Object.assign(rows, { toArray: () => rows, one: () => rows[0] });
  }

  private transaction(task: () => void): void {
    const before = new Map(this.kv);
    this.database.exec("BEGIN");
    try {
      task();
      this.database.exec("COMMIT");
    } catch (cause) {
      this.database.exec("ROLLBACK");
      this.kv = before;
      throw cause;
    }
  }

  private execution(name: string): Pick<ExecutionRpc, "expire" | "reportEnd" | "admit" | "supersede"> {
    return {
      admit: async () => {
        const id = name.replace("acme/", "");
        this.woken.push(id);
        return this.presenceOf(id);
      },
      supersede: (by) => {
        const id = name.replace("acme/", "");
        this.superseded.push(`${id} by ${by}`);
        return this.whileSuperseded(id);
      },
      reportEnd: () => this.whileEndIsAsked(name.replace("acme/", "")),
      expire: async (started_at) => {
        const id = name.replace("acme/", "");
        if (this.refusing.has(id)) throw new Error("overloaded");
        await this.whileEmptied();
        this.emptied.push(`${id} ${started_at}`);
      },
    };
  }

  private monitor(): MonitorRpc {
    return {
      alerts: async () => [],
      metricsChanged: async () => void this.asked.push("news"),
      earlierUntil: async () => {
        this.asked.push("monitor");
        if (this.earlierUntil === null) throw new Error("overloaded");
        return this.earlierUntil;
      },
    };
  }

  private conversation(): Pick<ConversationRpc, "turns"> {
    return {
      turns: async (count) => {
        this.asked.push("conversation");
        return JSON.stringify(this.earlierTurns.slice(-count));
      },
    };
  }
}

export interface Run {
  id: string;
  start?: number;
  end?: number | null;
  seq?: number;
  status?: ExecutionStatus;
  conversation_id?: string;
  pipeline?: string;
  retention_ms?: number;
  has_object?: boolean;
}

function summaryOf({ id, start = NOW, status = "running", conversation_id = "c", pipeline = "p" }: Run) {
  return {
    execution_id: id,
    status,
    query: `the question of ${id}`,
    conversation_id,
    pipeline,
    pipeline_version: 1,
    start_time: new Date(start).toISOString(),
    end_time: null,
    duration_ms: null,
    error_info: null,
  };
}

export function reportOf(run: Run): IndexReport {
  const { id, start = NOW, status = "completed", conversation_id = "c", pipeline = "p" } = run;
  const hasEnded = status === "completed" || status === "failed" || status === "cancelled";
  const end = run.end === undefined && hasEnded ? start + 100 : (run.end ?? null);
  const expires = (end ?? start) + (run.retention_ms ?? RETENTION_MS);
  const counted = { pipeline, status: status as RunEnd, duration_ms: 100, context_bytes: 10, stages: [] };
  return {
    start,
    end,
    seq: run.seq ?? (hasEnded ? 9 : 2),
    expires,
    execution_id: id,
    status,
    pipeline,
    conversation_id,
    summary: JSON.stringify(summaryOf({ ...run, status })),
    counted: hasEnded ? reportText(counted) : null,
    shape: null,
    turn:
      status === "completed" ? JSON.stringify({ query: `the question of ${id}`, answer: { of: id } }) : null,
    turn_expires: status === "completed" ? expires : null,
    has_object: run.has_object ?? false,
  };
}

/** The message of a run that is about to start. */
export const beginning = (run: Run, more: Partial<NonNullable<Beginning["note"]>> = {}, turns = 5) =>
  JSON.stringify({
    conversation_id: run.conversation_id ?? "c",
    turns,
    shards: 8,
    former: [],
    note: { summary: summaryOf(run), start: run.start ?? NOW, is_named: false, ...more },
  } satisfies Beginning);
