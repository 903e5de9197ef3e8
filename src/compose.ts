// Bindings and variables to ports and settings: the only place that builds adapters. Settings are read once for each
// environment object; a bad value is an error that names the variable and the value.
import { type Access, accessWith } from "./adapters/access.ts";
import { HttpAgents } from "./adapters/agents/agents.ts";
import { RedactingAgents } from "./adapters/agents/redacting.ts";
import { MemoryLog } from "./adapters/log/memory-log.ts";
import { type LogStorage, StorageLog } from "./adapters/log/storage-log.ts";
import { type Catalogs, catalogsOver } from "./adapters/objects/catalog-api.ts";
import { type Executions, executionsOver } from "./adapters/objects/execution-api.ts";
import { type Ledgers, ledgersOver } from "./adapters/objects/ledger-api.ts";
import { systemChance, systemClock } from "./adapters/system.ts";
import type { CoordinatorConfig } from "./contract/config.ts";
import { type AllowedHosts, parseAllowedHosts } from "./core/agent-target.ts";
import { parseKeys } from "./core/access/keys.ts";
import { parseOrigins } from "./core/access/origins.ts";
import { type BadVariable, booleanVariable, configFromEnvironment, textVariable } from "./core/config.ts";
import type { ExecutionState } from "./core/execution/state.ts";
import { ledgerEntry } from "./core/execution/summary.ts";
import type { Receiver } from "./engine/outbox.ts";
import type { Clock, Ports } from "./engine/ports.ts";
import { err, ok, type Result } from "./contract/problem.ts";

/** What wrangler.toml and the environment give. */
export interface Env {
  EXECUTIONS: DurableObjectNamespace;
  CATALOG: DurableObjectNamespace;
  LEDGER: DurableObjectNamespace;
  [name: string]: unknown;
}

export interface Settings {
  enabled: boolean;
  /** `none`: every call is tenant `local`. `keys`: every call needs one. */
  auth: "none" | "keys";
  /** False where AGENT_COORDINATOR_API_KEYS holds none: every call is refused and told how to set them. */
  hasKeys: boolean;
  /** Exact origins of pages that may call. */
  corsOrigins: ReadonlySet<string>;
  config: CoordinatorConfig;
  allowedHosts: AllowedHosts;
  /** The reference agents stand registered where their binding is there. */
  hasReferenceAgents: boolean;
}

export interface Services {
  settings: Settings;
  executions: Executions;
  catalogs: Catalogs;
  ledgers: Ledgers;
  access: Access;
  clock: Clock;
}

const composed = new WeakMap<Env, Result<Services, BadVariable>>();

/** The Worker's services for an environment; built once for each. */
export function composeServices(env: Env): Result<Services, BadVariable> {
  const known = composed.get(env);
  if (known !== undefined) return known;
  const services = readServices(env);
  if (!services.ok)
    console.error(JSON.stringify({ level: "ERROR", message: "bad variable", ...services.error }));
  composed.set(env, services);
  return services;
}

/** The ports of one execution's engine. @param persist false runs without storage, for `memory` */
export function composePorts(env: Env, storage: LogStorage & AlarmStorage, persist: boolean): Ports {
  const secret = (name: string) => (typeof env[name] === "string" ? env[name] : null);
  return {
    clock: systemClock,
    chance: systemChance,
    log: persist ? new StorageLog(storage) : new MemoryLog(),
    alarm: {
      set: (at) => {
        // Not awaited: the output gate holds whatever depends on it.
        if (persist) void storage.setAlarm(at);
      },
    },
    agents: new RedactingAgents(
      new HttpAgents({
        fetch: (input, init) => fetch(input, init),
        binding: (name) => (isFetcher(env[name]) ? env[name] : null),
        secret,
        allowedHosts: allowedHosts(env),
      }),
      secret,
    ),
  };
}

/** Who is told of an execution's changes. */
export function composeReceivers(env: Env): Receiver[] {
  const ledgers = ledgersOver(env.LEDGER);
  return [(state) => ledgers.report(state.spec.tenant, ledgerEntry(state))];
}

/** Takes an execution out of what its receivers keep. */
export async function forgetExecution(env: Env, { spec, started_at }: ExecutionState): Promise<void> {
  await ledgersOver(env.LEDGER).forget(spec.tenant, { start: started_at, id: spec.execution_id });
}

interface AlarmStorage {
  setAlarm(at: number): Promise<void>;
}

function readServices(env: Env): Result<Services, BadVariable> {
  const settings = readSettings(env);
  if (!settings.ok) return settings;
  const secret = secretVariable(env, API_KEYS);
  const keys = parseKeys(secret);
  // The secret's own text is not told.
  if (!keys.ok) return err({ variable: API_KEYS, value: "(not shown)", expected: keys.error });
  const tokenSecret = secretVariable(env, "AGENT_COORDINATOR_TOKEN_SECRET") ?? secret ?? "";
  return ok({
    settings: { ...settings.value, hasKeys: keys.value.length > 0 },
    executions: executionsOver(env.EXECUTIONS),
    catalogs: catalogsOver(env.CATALOG, () => systemClock.now()),
    ledgers: ledgersOver(env.LEDGER),
    access: accessWith(keys.value, tokenSecret, systemClock),
    clock: systemClock,
  });
}

const API_KEYS = "AGENT_COORDINATOR_API_KEYS";
const AGENT_HOSTS = "AGENT_COORDINATOR_AGENT_HOSTS";
const CORS_ORIGINS = "AGENT_COORDINATOR_CORS_ORIGINS";

function readSettings(env: Env): Result<Omit<Settings, "hasKeys">, BadVariable> {
  const config = configFromEnvironment(env);
  if (!config.ok) return config;
  const enabled = booleanVariable(env, "AGENT_COORDINATOR_ENABLED", true);
  if (!enabled.ok) return enabled;
  const auth = textVariable(env, "AGENT_COORDINATOR_AUTH") ?? "keys";
  if (auth !== "none" && auth !== "keys") {
    return err({ variable: "AGENT_COORDINATOR_AUTH", value: auth, expected: "keys or none" });
  }
  const hosts = parseAllowedHosts(textVariable(env, AGENT_HOSTS));
  if (!hosts.ok) {
    return err({ variable: AGENT_HOSTS, value: hosts.error, expected: "host or host:port, comma-separated" });
  }
  const origins = parseOrigins(textVariable(env, CORS_ORIGINS));
  if (!origins.ok) {
    const expected = "exact origins (https://app.example.com), comma-separated";
    return err({ variable: CORS_ORIGINS, value: origins.error, expected });
  }
  return ok({
    enabled: enabled.value,
    auth,
    config: config.value,
    allowedHosts: hosts.value,
    corsOrigins: origins.value,
    hasReferenceAgents: isFetcher(env["AGENTS"]),
  });
}

/** The hosts of a coordinator that runs: a bad list has stopped its first request, so here it allows none. */
function allowedHosts(env: Env): AllowedHosts {
  const hosts = parseAllowedHosts(textVariable(env, AGENT_HOSTS));
  return hosts.ok ? hosts.value : new Set();
}

/** A secret; local development may hold JSON in wrangler.toml as such. */
function secretVariable(env: Env, name: string): string | undefined {
  const value = env[name];
  return typeof value === "object" && value !== null ? JSON.stringify(value) : textVariable(env, name);
}

function isFetcher(value: unknown): value is Fetcher {
  return typeof value === "object" && value !== null && "fetch" in value;
}
