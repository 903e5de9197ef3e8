// Bindings and variables to ports and settings: the only place that builds adapters. Settings are read once for each
// environment object; a bad value is an error that names the variable and the value.
import { HttpAgents } from "./adapters/agents/agents.ts";
import { MemoryLog } from "./adapters/log/memory-log.ts";
import { type LogStorage, StorageLog } from "./adapters/log/storage-log.ts";
import { type Catalogs, catalogsOver } from "./adapters/objects/catalog-api.ts";
import { type Executions, executionsOver } from "./adapters/objects/execution-api.ts";
import { systemChance, systemClock } from "./adapters/system.ts";
import type { CoordinatorConfig } from "./contract/config.ts";
import { type AllowedHosts, parseAllowedHosts } from "./core/agent-target.ts";
import { type BadVariable, booleanVariable, configFromEnvironment } from "./core/config.ts";
import type { Clock, Ports } from "./engine/ports.ts";
import { err, ok, type Result } from "./contract/problem.ts";

/** What wrangler.toml and the environment give. */
export interface Env {
  EXECUTIONS: DurableObjectNamespace;
  CATALOG: DurableObjectNamespace;
  [name: string]: unknown;
}

export interface Settings {
  enabled: boolean;
  /** `none`: every call is tenant `local`. `keys`: every call needs one. */
  auth: "none" | "keys";
  config: CoordinatorConfig;
  allowedHosts: AllowedHosts;
  /** The reference agents stand registered where their binding is there. */
  hasReferenceAgents: boolean;
}

export interface Services {
  settings: Settings;
  executions: Executions;
  catalogs: Catalogs;
  clock: Clock;
}

const composed = new WeakMap<Env, Result<Services, BadVariable>>();

/** The Worker's services for an environment; built once for each. */
export function composeServices(env: Env): Result<Services, BadVariable> {
  const known = composed.get(env);
  if (known !== undefined) return known;
  const settings = readSettings(env);
  const services = settings.ok
    ? ok<Services>({
        settings: settings.value,
        executions: executionsOver(env.EXECUTIONS),
        catalogs: catalogsOver(env.CATALOG, () => systemClock.now()),
        clock: systemClock,
      })
    : settings;
  composed.set(env, services);
  return services;
}

/** The ports of one execution's engine. @param persist false runs without storage, for `memory` */
export function composePorts(env: Env, storage: LogStorage & AlarmStorage, persist: boolean): Ports {
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
    agents: new HttpAgents({
      fetch: (input, init) => fetch(input, init),
      binding: (name) => (isFetcher(env[name]) ? env[name] : null),
      secret: (name) => (typeof env[name] === "string" ? env[name] : null),
      allowedHosts: parseAllowedHosts(textVariable(env, "AGENT_COORDINATOR_AGENT_HOSTS")),
    }),
  };
}

interface AlarmStorage {
  setAlarm(at: number): Promise<void>;
}

function readSettings(env: Env): Result<Settings, BadVariable> {
  const config = configFromEnvironment(env);
  if (!config.ok) return config;
  const enabled = booleanVariable(env, "AGENT_COORDINATOR_ENABLED", true);
  if (!enabled.ok) return enabled;
  const auth = textVariable(env, "AGENT_COORDINATOR_AUTH") ?? "keys";
  if (auth !== "none" && auth !== "keys") {
    return err({ variable: "AGENT_COORDINATOR_AUTH", value: auth, expected: "keys or none" });
  }
  return ok({
    enabled: enabled.value,
    auth,
    config: config.value,
    allowedHosts: parseAllowedHosts(textVariable(env, "AGENT_COORDINATOR_AGENT_HOSTS")),
    hasReferenceAgents: isFetcher(env["AGENTS"]),
  });
}

function textVariable(env: Env, name: string): string | undefined {
  const value = env[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isFetcher(value: unknown): value is Fetcher {
  return typeof value === "object" && value !== null && "fetch" in value;
}
