// Builds ports from bindings and settings: the only place that builds adapters. Each is built once for each environment
// object.
import { accessWith } from "./adapters/platform/access.ts";
import { IsolateHealth } from "./adapters/durable/agent-health-client.ts";
import { IsolatePlaces } from "./adapters/durable/places/agent-places-client.ts";
import { EmbeddedLimiter } from "./adapters/durable/rate-limit-client.ts";
import { EmbeddedCache } from "./adapters/durable/result-cache-client.ts";
import { IsolateSpending } from "./adapters/spending/isolate-spending.ts";
import { HttpAgents } from "./adapters/agents/agents.ts";
import type { BrotliDecoder } from "./adapters/agents/body/codings.ts";
import { RedactingAgents } from "./adapters/agents/redacting.ts";
import { MemoryLog } from "./adapters/log/memory-log.ts";
import { type LogStorage, StorageLog } from "./adapters/log/storage-log.ts";
import { childrenOver } from "./adapters/children/children.ts";
import { catalogsOver } from "./adapters/durable/catalog-client.ts";
import { conversationsOver } from "./adapters/durable/conversation-client.ts";
import { executionsOver } from "./adapters/durable/execution-client.ts";
import { deliveryQueueOver } from "./adapters/durable/delivery-client.ts";
import { executionIndexOver } from "./adapters/durable/execution-index-client.ts";
import { monitorOf } from "./adapters/durable/monitor-client.ts";
import { type Outbound, outboundReceivers, readOutbound } from "./adapters/outbound/outbound.ts";
import type { GuardChange } from "./adapters/platform/guard.ts";
import {
  randomExecutionId,
  sha256Hex,
  systemChance,
  systemClock,
  writeLog,
} from "./adapters/platform/system.ts";
import { UpstashLimiter } from "./adapters/upstash/rate-limiter.ts";
import { GuardedRedis } from "./adapters/upstash/redis.ts";
import { UpstashCache } from "./adapters/upstash/result-cache.ts";
import { type BadVariable, forLog } from "./core/config/bad-variable.ts";
import { entrantOf } from "./core/conversations/entrant.ts";
import { everyChild } from "./core/execution/units/child.ts";
import { resultsOf } from "./core/caching/cached-result.ts";
import { turnOf } from "./core/monitoring/conversation-turn.ts";
import type { ExecutionState } from "./core/execution/state.ts";
import { indexEntry } from "./core/monitoring/index-entry.ts";
import { executionShard, shardedOf } from "./core/monitoring/shards.ts";
import { childrenReceiver, parentReceiver } from "./engine/call/child-news.ts";
import type { Receiver } from "./engine/watch/outbox.ts";
import type { AgentCallbacks, Agents, Log, Ports, ResultCache } from "./engine/ports.ts";
import type { AgentHealthRpc, AgentPlacesRpc } from "./engine/agent-protocol.ts";
import type { CatalogRpc, Entered, RateLimiter, SpendingRpc, WorkerPorts } from "./engine/worker-ports.ts";
import { SharedTimer } from "./engine/run/shared-timer.ts";
import { timerAlarm } from "./engine/run/timer-alarm.ts";
import { ok, type Result } from "./contract/problem.ts";
import { logLine } from "./core/monitoring/log-line.ts";
import {
  allowedHosts,
  type Env,
  isFetcher,
  readRateLimit,
  readSecrets,
  readSettings,
  redisVariables,
  type Settings,
} from "./settings.ts";
import { VERSION } from "./version.ts";

export interface Services extends WorkerPorts {
  settings: Settings;
  /** Where webhooks and traces go. */
  outbound: Outbound;
}

/** The services built once for each environment; their other inputs are the same at each call. */
function once<T, Rest extends unknown[]>(
  make: (env: Env, ...rest: Rest) => T,
): (env: Env, ...rest: Rest) => T {
  const made = new WeakMap<Env, { of: T }>();
  return (env, ...rest) => {
    const known = made.get(env);
    if (known !== undefined) return known.of;
    const of = make(env, ...rest);
    made.set(env, { of });
    return of;
  };
}

/** The Worker's services for an environment. */
export const composeServices = once((env): Result<Services, BadVariable> => {
  const services = readServices(env);
  if (!services.ok) {
    console.error(
      logLine("ERROR", systemClock.now(), { message: "invalid variable", ...forLog(services.error) }),
    );
  }
  return services;
});

/**
 * The ports of one execution's engine.
 * @param persist false runs without storage, for `memory`
 * @param onTimer handles the alarm of a run without storage
 * @param brotli undoes the coding where the platform does not; null where the Worker's entry leaves it out
 */
export function composePorts(
  env: Env,
  storage: LogStorage & AlarmStorage,
  persist: boolean,
  onTimer: () => void,
  brotli: BrotliDecoder | null,
): Ports {
  const clock = new SharedTimer(systemClock);
  const agents = composeAgents(env, brotli);
  return {
    clock,
    chance: systemChance,
    log: persist ? new StorageLog(storage) : new MemoryLog(),
    alarm: persist ? { set: (at) => storage.setAlarm(at) } : timerAlarm(clock, onTimer),
    agents,
    callbacks: agents,
    children: childrenOver(executionsOver(env.EXECUTIONS), clock),
    shared: composeShared(env),
    callbackToken: async (claims) => {
      const services = composeServices(env);
      return services.ok ? services.value.access.signCallbackToken(claims) : null;
    },
  };
}

/** The way to the agents. */
const composeAgents = once((env, brotli: BrotliDecoder | null): Agents & AgentCallbacks => {
  const secret = (name: string) => (typeof env[name] === "string" ? env[name] : null);
  const world = {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init),
    binding: (name: string) => (isFetcher(env[name]) ? env[name] : null),
    secret,
    allowedHosts: allowedHosts(env),
    brotli,
  };
  return new RedactingAgents(new HttpAgents(world), secret);
});

const composeCatalogs = once((env) =>
  catalogsOver({
    catalog: (tenant) => catalogRpc(env, tenant),
    clock: systemClock,
    log: (level, fields) => writeLog(level, logLine(level, systemClock.now(), fields)),
  }),
);

/** The receivers that store data of every execution. */
const composeKeepers = once((env) => ({
  executionIndex: executionIndexOver(env.LEDGER, systemClock, async (tenant) => {
    const { shards } = await composeCatalogs(env).read(tenant);
    return shards.index;
  }),
  conversations: conversationsOver(env.CONVERSATIONS, systemClock),
}));

/** Reports an execution to the index. */
export function composeListing(env: Env): Receiver {
  const { executionIndex } = composeKeepers(env);
  return {
    name: "index",
    receive: (state) => executionIndex.report(state.spec.tenant, indexEntry(state, systemClock.now())),
  };
}

/** Asks the index for the place of a queued run. */
export function composeStanding(env: Env): (state: ExecutionState) => Promise<Entered> {
  const { executionIndex } = composeKeepers(env);
  return ({ spec, started_at }) =>
    executionIndex.standing({
      ...shardedOf(spec),
      tenant: spec.tenant,
      start: started_at,
      turns: spec.config.context_memory_size,
      former: spec.former_shards ?? [],
      entrant: entrantOf(spec.on_busy ?? "queue", spec.config),
    });
}

/** The receivers of changes of the execution that has this log. */
export function composeReceivers(env: Env, log: Log): Receiver[] {
  const { conversations } = composeKeepers(env);
  return [
    composeListing(env),
    {
      name: "conversation",
      receive: async (state) => {
        // The index keeps the turns of all others with their entries.
        const turn = isOfEarlierVersion(state) ? turnOf(state) : null;
        if (turn !== null) await conversations.add(state.spec.tenant, state.spec.conversation_id, turn);
      },
    },
    parentReceiver(executionRpc(env)),
    childrenReceiver(executionRpc(env)),
    ...outboundOf(env, log),
  ];
}

/** Executions' objects, as those that run them and that they run say things to them. */
const executionRpc = once((env) => {
  const executions = executionsOver(env.EXECUTIONS);
  return (tenant: string, execution_id: string) => executions.rpc(tenant, execution_id);
});

/** It began before conversations were a part of the index. */
function isOfEarlierVersion({ spec }: ExecutionState): boolean {
  return spec.index_shards === undefined;
}

/** A variable with a bad value is reported at every request; nothing is sent with it. */
function outboundOf(env: Env, log: Log): Receiver[] {
  const services = composeServices(env);
  return services.ok ? outboundReceivers(services.value.outbound, services.value.deliveryQueue, log) : [];
}

/**
 * Deletes an execution's data from its receivers; from the index last: while its entry is there, a clean-up and the
 * index's own sweep find the execution again where this fails.
 */
export async function forgetExecution(env: Env, state: ExecutionState): Promise<void> {
  const { spec, started_at } = state;
  const { tenant, conversation_id, execution_id } = spec;
  const { executionIndex, conversations } = composeKeepers(env);
  const results = resultsOf(state, systemClock.now());
  await Promise.all([
    isOfEarlierVersion(state) && turnOf(state) !== null
      ? conversations.forget(tenant, conversation_id, execution_id)
      : null,
    results === null ? null : composeShared(env).cache.forget(results),
  ]);
  // They end with it, and are kept for it alone.
  const children = everyChild(state).map((child) => executionRpc(env)(tenant, child).forget());
  for (const forgotten of await Promise.all(children)) {
    if (!forgotten.ok && forgotten.error.code !== "EXECUTION_NOT_FOUND")
      throw new Error(forgotten.error.code);
  }
  await executionIndex.forget(tenant, { start: started_at, id: execution_id, shard: executionShard(spec) });
}

interface Shared {
  cache: ResultCache;
  health: IsolateHealth;
  places: IsolatePlaces;
  spending: IsolateSpending;
  redis: GuardedRedis | null;
}

/** What all executions in this isolate share. */
export const composeShared = once((env): Shared => {
  const variables = redisVariables(env);
  const redis = variables === null ? null : new GuardedRedis(variables.url, variables.token, systemClock);
  const health = new IsolateHealth({
    object: agentHealthOver(env),
    tenantHealth: (tenant) => catalogRpc(env, tenant).health(),
    clock: systemClock,
  });
  const places = new IsolatePlaces({ object: agentHealthOver(env), clock: systemClock });
  const cache =
    redis === null
      ? new EmbeddedCache(env.RESULT_CACHE, systemClock, cacheChanged)
      : new UpstashCache(redis, systemClock);
  const spending = new IsolateSpending({
    object: (account) => env.SPENDING.get(env.SPENDING.idFromName(account)) as unknown as SpendingRpc,
    clock: systemClock,
    isolateId: () => crypto.randomUUID(),
    onChange: spendingChanged,
  });
  return { cache, health, places, spending, redis };
});

/** A shard of the embedded cache answers no more, or again. */
function cacheChanged(change: GuardChange): void {
  guardChanged(
    change,
    "a result cache does not answer; until it does, its results are neither looked up nor kept",
    "a result cache answers again",
  );
}

/** The same of the object of one of the config's budgets. */
function spendingChanged(change: GuardChange): void {
  guardChanged(
    change,
    "a budget does not answer; until it does, calls are made without it",
    "a budget answers again",
  );
}

function guardChanged({ isLost, cause }: GuardChange, lost: string, back: string): void {
  const fault = cause instanceof Error ? { cause: cause.name } : {};
  const level = isLost ? "ERROR" : "INFO";
  writeLog(level, logLine(level, systemClock.now(), { message: isLost ? lost : back, ...fault }));
}

/** A tenant's catalog, for objects that report to it. */
export function catalogRpc(env: Env, tenant: string): CatalogRpc {
  return env.CATALOG.get(env.CATALOG.idFromName(tenant)) as unknown as CatalogRpc;
}

function agentHealthOver({ AGENT_HEALTH }: Env) {
  return (tenant: string, agent_type: string) => {
    const object = AGENT_HEALTH.get(AGENT_HEALTH.idFromName(`${tenant}/${agent_type}`));
    return object as unknown as AgentHealthRpc & AgentPlacesRpc;
  };
}

interface AlarmStorage {
  setAlarm(at: number): Promise<void>;
}

function readServices(env: Env): Result<Services, BadVariable> {
  const settings = readSettings(env);
  if (!settings.ok) return settings;
  const secrets = readSecrets(env);
  if (!secrets.ok) return secrets;
  const { keys, tokenSecrets } = secrets.value;
  const limiter = composeLimiter(env);
  if (!limiter.ok) return limiter;
  const outbound = readOutbound(env, VERSION);
  if (!outbound.ok) return outbound;
  return ok({
    settings: { ...settings.value, hasKeys: keys.length > 0 },
    executions: executionsOver(env.EXECUTIONS),
    catalogs: composeCatalogs(env),
    executionIndex: composeKeepers(env).executionIndex,
    conversations: composeKeepers(env).conversations,
    monitor: (tenant) => monitorOf(env.MONITOR, tenant),
    deliveryQueue: deliveryQueueOver(env.COURIERS),
    outbound: outbound.value,
    access: accessWith(keys, tokenSecrets, systemClock),
    agentHealth: agentHealthOver(env),
    spending: composeShared(env).spending,
    limiter: limiter.value,
    clock: systemClock,
    platform: { randomExecutionId, sha256Hex, writeLog },
  });
}

/** The limit of calls that start work, if any. */
function composeLimiter(env: Env): Result<RateLimiter | null, BadVariable> {
  const limit = readRateLimit(env);
  if (!limit.ok) return limit;
  if (limit.value === null) return ok(null);
  const { redis } = composeShared(env);
  if (redis !== null) return ok(new UpstashLimiter(redis, limit.value, systemClock));
  return ok(new EmbeddedLimiter(env.RATE_LIMIT, limit.value, systemClock));
}
