// Runs as the shared objects see them: which of the coordinator's own clients a run of four stages calls, and when.
// Shards are chosen by those clients. Deterministic: chance is seeded, and time is virtual.
import { IsolateHealth } from "../../../src/adapters/durable/agent-health-client.ts";
import { catalogsOver } from "../../../src/adapters/durable/catalog-client.ts";
import { executionIndexOver } from "../../../src/adapters/durable/execution-index-client.ts";
import { EmbeddedCache } from "../../../src/adapters/durable/result-cache-client.ts";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { homeOf, shardsAt, type TenantShards } from "../../../src/core/monitoring/shards.ts";
import type { RunQuestion } from "../../../src/core/caching/run-question.ts";
import { type IndexEntry, startSummary } from "../../../src/core/monitoring/index-entry.ts";
import type { Beginning, CatalogRpc, Catalogs, ExecutionIndex } from "../../../src/engine/worker-ports.ts";
import { FormerHomes } from "../../../src/objects/execution-index/former-homes.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { Random } from "../../core/simulation/random.ts";
import { ObjectLoad, VirtualClock } from "./virtual-objects.ts";

export interface Profile {
  name: string;
  tenants: number;
  /** Runs of each tenant in a second. */
  rate: number;
  /** Of the window that is measured. */
  seconds: number;
  /** Of each tenant; their times are of before the simulation begins. */
  shards: TenantShards;
}

/** When each stage begins and the last one ends, ms after the start: stages of 120, 80, 800 and 2,200 ms. */
const STAGES = [5, 120, 200, 1_000];
const END = 3_200;
/** Runs a second that an isolate of the Worker serves, and runs that an isolate of objects holds; assumed. */
const ISOLATE_RATE = 100;
const ISOLATE_RUNS = 100;
/** Turns of former generations are kept so long. */
const KEPT_MS = (DEFAULT_CONFIG.retention_seconds + DEFAULT_CONFIG.max_pause_seconds) * 1_000;
/** What was begun before is in full swing by then, ms. */
const WARM_MS = 12_000;

/** What all isolates of a tenant's load reach. */
export async function simulate({
  tenants,
  rate,
  seconds,
  shards,
}: Profile): Promise<ReturnType<ObjectLoad["report"]>> {
  const chance = new Random(7);
  const clock = new VirtualClock();
  const load = new ObjectLoad(clock, WARM_MS);
  const until = WARM_MS + seconds * 1_000;
  // What ends before the window cannot be seen in it.
  const first = Math.max(0, WARM_MS - END - 1_000);
  for (let tenant = 0; tenant < tenants; tenant += 1) {
    const world = new TenantLoad(`tenant${tenant}`, rate, shards, clock, load, chance);
    let at = first;
    for (let number = 0; ; number += 1) {
      at -= (Math.log(1 - chance.next()) / rate) * 1_000;
      if (at >= until) break;
      clock.after(at, () => world.run(`${tenant}-${number}`));
    }
  }
  await clock.runUntil(until);
  return load.report(seconds);
}

class TenantLoad {
  private readonly tenant: string;
  private readonly clock: VirtualClock;
  private readonly chance: Random;
  private readonly workers: Catalogs[];
  private readonly isolates: { health: IsolateHealth; cache: EmbeddedCache }[];
  private readonly executionIndex: ExecutionIndex;
  private readonly shards: TenantShards;
  private readonly former = new Map<string, FormerHomes>();

  constructor(
    tenant: string,
    rate: number,
    shards: TenantShards,
    clock: VirtualClock,
    load: ObjectLoad,
    chance: Random,
  ) {
    this.tenant = tenant;
    this.shards = shards;
    this.clock = clock;
    this.chance = chance;
    const catalog = load.namespace("catalog", (method) => this.catalogAnswer(method));
    const rpc = () => (catalog.get as unknown as (name: string) => CatalogRpc)(tenant);
    const catalogs = () => catalogsOver({ catalog: rpc, clock, log: () => {} });
    const results = load.namespace("result cache", (method) =>
      method === "ask" ? { kept: [], asksEach: false, isNoted: true } : undefined,
    );
    const agents = load.namespace("agent health", () => null) as unknown as { get: (name: string) => never };
    const many = <T>(count: number, make: () => T) =>
      Array.from({ length: Math.max(1, Math.ceil(count)) }, make);
    this.workers = many(rate / ISOLATE_RATE, catalogs);
    this.isolates = many((rate * END) / 1_000 / ISOLATE_RUNS, () => ({
      health: new IsolateHealth({
        object: (of, agent_type) => agents.get(`${of}/${agent_type}`),
        tenantHealth: () => rpc().health(),
        clock,
      }),
      cache: new EmbeddedCache(results, clock),
    }));
    const index: DurableObjectNamespace = load.namespace("execution index", (method, name, [message]) => {
      // No conversation of a former generation asks again: its filter is empty.
      if (method === "conversations") return new Uint8Array(1_024);
      if (method === "formerTurns") return { turns: [], hasExecution: false };
      return method === "begin" ? this.history(index, name, message as string) : undefined;
    });
    this.executionIndex = executionIndexOver(index, clock, async () => this.shards.index);
  }

  async run(number: string): Promise<void> {
    const { tenant, clock, chance } = this;
    const hex = () =>
      chance
        .int(0, 2 ** 32 - 1)
        .toString(16)
        .padStart(8, "0");
    const execution_id = `ex_${hex()}${hex()}${hex()}${hex()}`;
    const start = clock.now();
    const { health, cache } = chance.pick(this.isolates);
    const worker = chance.pick(this.workers);
    const conversation = `conversation ${number}`;
    const run = {
      execution_id,
      query: `question ${number}`,
      conversation_id: conversation,
      pipeline: "four",
      pipeline_version: 1,
    };
    await Promise.all([
      worker.read(tenant),
      this.executionIndex.begin(tenant, {
        conversation_id: conversation,
        turns: DEFAULT_CONFIG.context_memory_size,
        note: { summary: startSummary(run, start), start, is_named: false },
        ...homeOf(conversation, this.shards.index, start, KEPT_MS),
      }),
    ]);
    health.learn(tenant, worker.peek(tenant)?.health ?? { at: 0, agents: {} });
    const ended = (): IndexEntry => ({
      summary: { ...startSummary(run, start), status: "completed" },
      start,
      end: clock.now(),
      seq: 1,
      report: null,
      turn: null,
      waits: null,
      isDeletedByIndex: true,
      sharded: {
        execution_id,
        conversation_id: conversation,
        index_shards: shardsAt(this.shards.index, start),
      },
      expires: clock.now() + 1e9,
    });
    const question: RunQuestion = {
      tenant,
      execution_id,
      shards: shardsAt(this.shards.cache, start),
      question: `question ${number}`,
      history: "[]",
      input: "",
      until: start + END,
      ttl_seconds: DEFAULT_CONFIG.cache_ttl_seconds,
    };
    void cache.ask(question, false);
    for (const [stage, at] of STAGES.entries()) {
      const agent = { tenant, agent_type: `a${stage}`, registration: null };
      clock.after(at, async () => {
        await health.admit(agent, 1_000);
      });
    }
    clock.after(END, () => cache.report(question, [], true));
    clock.after(END, () => this.executionIndex.report(tenant, ended()));
  }

  /** Of a new conversation; its shard asks those that it had before. */
  private async history(index: DurableObjectNamespace, name: string, message: string): Promise<string> {
    const { conversation_id, turns, former } = JSON.parse(message) as Beginning;
    const homes =
      this.former.get(name) ??
      new FormerHomes(index, this.tenant, () => TIMINGS.SPLIT_SETTLED_MS + this.clock.now());
    this.former.set(name, homes);
    if (former.length > 0) await homes.ask(conversation_id, former, turns, null);
    return "[]";
  }

  private catalogAnswer(method: string): unknown {
    const health = { at: this.clock.now(), agents: {} };
    if (method !== "snapshot") return health;
    const definitions = JSON.stringify({ pipelines: {}, agents: {}, config: {}, shards: this.shards });
    return { definitions, revision: "1", health };
  }
}
