// A tenant's execution index through splits: real shards over SQLite in memory, the real client, and isolates that know
// the tenant's generations as they were some seconds ago. Whatever is done in between, each run is listed once, counted
// once, and remembered by its conversation.
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  type ExecutionIndexRpc,
  executionIndexOver,
} from "../../src/adapters/durable/execution-index-client.ts";
import { startSummary } from "../../src/core/monitoring/index-entry.ts";
import {
  conversationShard,
  executionShard,
  homeOf,
  type Sharded,
  type ShardGeneration,
  shardsEver,
  splitShards,
} from "../../src/core/monitoring/shards.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import type { IndexQuery, Place } from "../../src/engine/worker-ports.ts";
import { NOW, RETENTION_MS, ShardDisk } from "../support/objects/index-shard.ts";

vi.mock("cloudflare:workers", () => ({
  DurableObject: class {
    ctx: unknown;
    env: unknown;
    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  },
}));

const { LedgerObject } = await import("../../src/objects/execution-index/execution-index.ts");

const TENANT = "acme";
const TURNS = 3;
const MOST_SHARDS = 16;

interface Run extends Sharded {
  index_shards: number;
  start: number;
  /** Null while it runs. */
  end: number | null;
  isReported: boolean;
  isDeleted: boolean;
}

/** A tenant's index, and what it should hold. */
class Tenant {
  generations: ShardGeneration[];
  readonly runs: Run[] = [];
  /** What was asked of the shards, by their method. */
  asked: string[] = [];
  private readonly made: { at: number; generations: ShardGeneration[] }[];
  private readonly disks = new Map<string, ShardDisk>();
  private readonly shards = new Map<string, InstanceType<typeof LedgerObject>>();
  private readonly namespace = {
    idFromName: (name: string) => name,
    get: (name: string) => this.stub(name),
  } as unknown as DurableObjectNamespace;

  constructor(shards: number) {
    this.generations = [{ generation: 1, shards, from: 0 }];
    this.made = [{ at: 0, generations: this.generations }];
  }

  /** As an isolate knows it that has read it so long ago. */
  seen(age: number): ShardGeneration[] {
    return this.made.findLast(({ at }) => at <= Date.now() - age)?.generations ?? [];
  }

  client(age: number) {
    const clock = { now: () => Date.now(), after: () => () => {} };
    return executionIndexOver(this.namespace, clock, async () => this.seen(age));
  }

  split(factor: number): void {
    const shards = shardsEver(this.generations);
    // A list of hundreds would take the time of many runs.
    if (shards * factor > MOST_SHARDS) return;
    const split = splitShards(this.generations, shards, shards * factor, Date.now());
    if (split === null) return;
    this.generations = split;
    this.made.push({ at: Date.now(), generations: split });
  }

  evict(): void {
    this.shards.clear();
  }

  close(): void {
    for (const { database } of this.disks.values()) database.close();
  }

  /** Begins a run; again, where it is there already. */
  async begin(
    execution_id: string,
    conversation_id: string,
    age: number,
    is_named: boolean,
  ): Promise<string[]> {
    const start = Date.now();
    const { shards, former } = homeOf(conversation_id, this.seen(age), start, RETENTION_MS);
    const summary = startSummary(shownOf(execution_id, conversation_id), start);
    const note = { summary, start, is_named };
    const turns = await settled(
      this.client(age).begin(TENANT, { conversation_id, turns: TURNS, note, shards, former }),
    );
    if (!this.runs.some((run) => run.execution_id === execution_id)) {
      const began = { execution_id, conversation_id, index_shards: shards, start };
      this.runs.push({ ...began, end: null, isReported: false, isDeleted: false });
    }
    return turns.map(({ query }) => query);
  }

  async report(run: Run, isEnd: boolean): Promise<void> {
    if (isEnd) run.end = Date.now();
    run.isReported = true;
    const { execution_id, conversation_id, start, end } = run;
    const summary = startSummary(shownOf(execution_id, conversation_id), start);
    const expires = Date.now() + RETENTION_MS;
    await settled(
      this.client(0).report(TENANT, {
        summary: isEnd ? { ...summary, status: "completed" } : summary,
        start,
        end,
        seq: isEnd ? 9 : 2,
        report: isEnd
          ? { pipeline: "p", status: "completed", duration_ms: 1, context_bytes: 1, stages: [], shape: null }
          : null,
        turn: isEnd ? { execution_id, query: execution_id, answer: {}, ended_at: end ?? 0, expires } : null,
        waits: null,
        isDeletedByIndex: isEnd,
        sharded: run,
        expires,
      }),
    );
  }

  /** What the pages of a list have. */
  async list(age: number, filters: Partial<IndexQuery> = {}): Promise<string[]> {
    const ids: string[] = [];
    let before: Place | null = null;
    do {
      const page: { listed: Place[]; next: Place | null } = await settled(
        this.client(age).list(TENANT, { ...filters, limit: 4, before }),
      );
      ids.push(...page.listed.map(({ id }) => id));
      before = page.next;
      expect(ids.length, "a list has an end").toBeLessThan(1_000);
    } while (before !== null);
    return ids;
  }

  async delete(run: Run): Promise<void> {
    const place = { start: run.start, id: run.execution_id, shard: executionShard(run) };
    await settled(this.client(0).forget(TENANT, place));
    run.isDeleted = true;
  }

  private stub(name: string): ExecutionIndexRpc {
    let disk = this.disks.get(name);
    if (disk === undefined) {
      disk = new ShardDisk(name);
      disk.vars = { LEDGER: this.namespace };
      this.disks.set(name, disk);
    }
    const known = this.shards.get(name) ?? new LedgerObject(...disk.instance());
    this.shards.set(name, known);
    return new Proxy(known, {
      get: (target, method: keyof ExecutionIndexRpc) => {
        this.asked.push(method);
        const of = target[method] as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => of.apply(target, args);
      },
    });
  }
}

const shownOf = (execution_id: string, conversation_id: string) => ({
  execution_id,
  query: execution_id,
  conversation_id,
  pipeline: "p",
  pipeline_version: 1,
});

/** A conversation that has another shard from the second generation on. */
function movedConversations(count: number): string[] {
  const ids = Array.from({ length: 20 * count }, (_, at) => `conversation ${at}`);
  return ids.filter((id) => conversationShard(id, 4) !== 0).slice(0, count);
}

/** What a task gives, while the timers that it may wait for are let go. */
async function settled<T>(task: Promise<T>): Promise<T> {
  const [value] = await Promise.all([task, vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS)]);
  return value;
}

let tenant: Tenant;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});

afterEach(() => {
  vi.useRealTimers();
});

/** An isolate's copy of the catalog is younger than that. */
const age = fc.integer({ min: 0, max: 4_000 });
const pick = fc.nat();
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("begin" as const), pick, age }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("end" as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("progress" as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("repeat" as const), pick, age }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("split" as const), factor: fc.constantFrom(2, 4) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 25_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("list" as const), age, pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("metrics" as const), age }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cleanup" as const), age }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const CONVERSATIONS = 6;

async function take(step: Step, at: number): Promise<void> {
  const { runs } = tenant;
  const open = runs.filter(({ end }) => end === null);
  switch (step.do) {
    case "begin": {
      const conversation = `c${step.pick % CONVERSATIONS}`;
      // In a conversation one question follows the answer to the one before.
      if (open.some(({ conversation_id }) => conversation_id === conversation)) return;
      const history = await tenant.begin(`run${at}`, conversation, step.age, step.pick % 2 === 0);
      const turns = runs.filter(
        (run) => run.conversation_id === conversation && run.end !== null && !run.isDeleted,
      );
      const last = turns.toSorted((a, b) => (a.end ?? 0) - (b.end ?? 0)).slice(-TURNS);
      expect(history).toEqual(last.map(({ execution_id }) => execution_id));
      return;
    }
    case "repeat": {
      const run = runs.filter(({ isDeleted }) => !isDeleted).at(-1 - (step.pick % 3));
      if (run !== undefined) await tenant.begin(run.execution_id, run.conversation_id, step.age, true);
      return;
    }
    case "end":
    case "progress": {
      const run = open[step.pick % Math.max(1, open.length)];
      if (run !== undefined) await tenant.report(run, step.do === "end");
      return;
    }
    case "split":
      return tenant.split(step.factor);
    case "wait":
      return wait(step.ms);
    case "evict":
      // Of a shard that had no request for a while: runs that are noted alone have been reported by then.
      await wait(2 * TIMINGS.OUTBOX_FIRST_MS);
      return tenant.evict();
    case "list":
      await checkList(step.age, undefined);
      return checkList(step.age, `c${step.pick % CONVERSATIONS}`);
    case "metrics":
      return checkMetrics(step.age);
    case "delete": {
      const ended = runs.filter(({ end, isDeleted }) => end !== null && !isDeleted);
      const run = ended[step.pick % Math.max(1, ended.length)];
      if (run !== undefined) await tenant.delete(run);
      return;
    }
    case "cleanup": {
      const client = tenant.client(step.age);
      const places = await settled(client.ended(TENANT, Date.now(), 1_000));
      const ended = runs.filter(({ end, isDeleted }) => end !== null && !isDeleted);
      expect(places.map(({ id }) => id).toSorted()).toEqual(ended.map((run) => run.execution_id).toSorted());
      for (const place of places) await settled(client.forget(TENANT, place));
      for (const run of ended) run.isDeleted = true;
    }
  }
}

/** A run that has not ended is reported as running while its start is still noted. */
async function wait(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= TIMINGS.OUTBOX_FIRST_MS / 2) {
    await vi.advanceTimersByTimeAsync(Math.min(left, TIMINGS.OUTBOX_FIRST_MS / 2));
    const due = Date.now() - TIMINGS.OUTBOX_FIRST_MS;
    for (const run of tenant.runs) if (!run.isReported && run.start <= due) await tenant.report(run, false);
  }
}

async function checkList(age: number, conversation_id: string | undefined): Promise<void> {
  const listed = await tenant.list(age, { conversation_id });
  const wanted = tenant.runs.filter(
    (run) => !run.isDeleted && (conversation_id === undefined || run.conversation_id === conversation_id),
  );
  expect(listed).toEqual([...new Set(listed)]);
  const ids = new Set(listed);
  for (const run of wanted) if (run.isReported) expect(ids).toContain(run.execution_id);
  for (const id of ids) expect(wanted.map((run) => run.execution_id)).toContain(id);
}

async function checkMetrics(age: number): Promise<void> {
  const { by_pipeline } = await settled(
    tenant.client(age).metrics(TENANT, { period: { window_seconds: 86_400 }, shapes: 0 }),
  );
  const ended = tenant.runs.filter(({ end }) => end !== null).length;
  expect(by_pipeline.get("p")?.by.get("completed") ?? 0).toBe(ended);
}

test("new conversations stop asking the former shard; those that it has go on to be remembered", async () => {
  tenant = new Tenant(1);
  const [known = "", ...fresh] = movedConversations(12);
  await tenant.begin("before", known, 0, false);
  await tenant.report(tenant.runs[0] as Run, true);
  tenant.split(4);
  await wait(TIMINGS.SPLIT_AHEAD_MS + TIMINGS.SPLIT_SETTLED_MS);
  for (const [at, id] of fresh.entries()) await tenant.begin(`first ${at}`, id, 0, false);
  tenant.asked = [];
  for (const [at, id] of fresh.entries()) await tenant.begin(`second ${at}`, id, 0, false);
  expect(tenant.asked.filter((method) => method !== "begin")).toEqual([]);
  expect(await tenant.begin("after", known, 0, false)).toEqual(["before"]);
  tenant.evict();
  expect(await tenant.begin("later", known, 0, false)).toEqual(["before"]);
  tenant.close();
});

test("a request that is repeated after a split is noted once", async () => {
  tenant = new Tenant(1);
  const [conversation = ""] = movedConversations(1);
  await tenant.begin("named", conversation, 0, true);
  tenant.split(4);
  await vi.advanceTimersByTimeAsync(TIMINGS.SPLIT_AHEAD_MS);
  await tenant.begin("named", conversation, 0, true);
  expect(await tenant.list(0)).toEqual(["named"]);
  tenant.close();
});

test("each run is listed once, counted once and remembered, whenever shards are split", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 2, 8),
      fc.array(step, { minLength: 10, maxLength: 50, size: "max" }),
      async (shards, steps) => {
        tenant = new Tenant(shards);
        try {
          for (const [at, of] of steps.entries()) await take(of, at);
          await checkList(0, undefined);
          await checkMetrics(0);
        } finally {
          tenant.close();
        }
      },
    ),
    { numRuns: 100, endOnFailure: true },
  );
}, 120_000);
