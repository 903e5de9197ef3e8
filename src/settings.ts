// The variables and secrets of an environment, each read in one way. A bad value is an error that names the variable and
// what was expected.
import type { ApiKey } from "./contract/access.ts";
import type { CoordinatorConfig } from "./contract/config.ts";
import { LIMITS } from "./contract/limits.ts";
import { err, ok, type Result } from "./contract/problem.ts";
import {
  type BadVariable,
  badAddress,
  badEntry,
  badSetting,
  badVariable,
} from "./core/config/bad-variable.ts";
import { booleanVariable, configFromEnvironment, textVariable } from "./core/config/config.ts";
import { type AllowedHosts, parseAllowedHosts } from "./core/security/agent-target.ts";
import { parseKeys } from "./core/security/keys.ts";
import { type LocalAccess, readLocalAccess } from "./core/security/local-access.ts";
import { parseOrigins } from "./core/security/origins.ts";
import { parseRateLimit, type RateLimit } from "./core/security/rate-limit.ts";

/** What wrangler.toml and the environment give. */
export interface Env {
  EXECUTIONS: DurableObjectNamespace;
  CATALOG: DurableObjectNamespace;
  LEDGER: DurableObjectNamespace;
  MONITOR: DurableObjectNamespace;
  COURIERS: DurableObjectNamespace;
  CONVERSATIONS: DurableObjectNamespace;
  AGENT_HEALTH: DurableObjectNamespace;
  RESULT_CACHE: DurableObjectNamespace;
  RATE_LIMIT: DurableObjectNamespace;
  [name: string]: unknown;
}

export interface Settings {
  enabled: boolean;
  /** `none`: every call is tenant `local`. `keys`: every call needs one. */
  auth: "none" | "keys";
  /** False if AGENT_COORDINATOR_API_KEYS holds none: every call is refused with instructions to set them. */
  hasKeys: boolean;
  /** Exact origins of pages that may call. */
  corsOrigins: ReadonlySet<string>;
  /** The hosts and pages that it serves where `auth` is `none`. */
  local: LocalAccess;
  config: CoordinatorConfig;
  allowedHosts: AllowedHosts;
  /** The reference agents are registered by default if their binding exists. */
  hasReferenceAgents: boolean;
}

const API_KEYS = "AGENT_COORDINATOR_API_KEYS";
const TOKEN_SECRET = "AGENT_COORDINATOR_TOKEN_SECRET";
const AGENT_HOSTS = "AGENT_COORDINATOR_AGENT_HOSTS";
const CORS_ORIGINS = "AGENT_COORDINATOR_CORS_ORIGINS";
const RATE_LIMIT = "AGENT_COORDINATOR_RATE_LIMIT";
const REDIS_URL = "UPSTASH_REDIS_REST_URL";
const REDIS_TOKEN = "UPSTASH_REDIS_REST_TOKEN";

/** The settings, but for the keys: see `readSecrets`. */
export function readSettings(env: Env): Result<Omit<Settings, "hasKeys">, BadVariable> {
  const config = configFromEnvironment(env);
  if (!config.ok) return config;
  const enabled = booleanVariable(env, "AGENT_COORDINATOR_ENABLED", true);
  if (!enabled.ok) return enabled;
  const auth = textVariable(env, "AGENT_COORDINATOR_AUTH") ?? "keys";
  if (auth !== "none" && auth !== "keys") {
    return err(badSetting("AGENT_COORDINATOR_AUTH", auth, "keys or none"));
  }
  const hostList = textVariable(env, AGENT_HOSTS);
  const hosts = parseAllowedHosts(hostList);
  if (!hosts.ok) {
    return err(badEntry(AGENT_HOSTS, hostList, hosts.error, "host or host:port, comma-separated"));
  }
  const originList = textVariable(env, CORS_ORIGINS);
  const origins = parseOrigins(originList);
  if (!origins.ok) {
    const expected = "exact origins (https://app.example.com), comma-separated";
    return err(badEntry(CORS_ORIGINS, originList, origins.error, expected));
  }
  const local = readLocalAccess(env, origins.value);
  if (!local.ok) return local;
  return ok({
    enabled: enabled.value,
    auth,
    config: config.value,
    allowedHosts: hosts.value ?? unlistedHosts(auth),
    corsOrigins: origins.value,
    local: local.value,
    hasReferenceAgents: isFetcher(env["AGENTS"]),
  });
}

/** The hosts of a coordinator that runs: a bad list has stopped its first request, so here it allows none. */
export function allowedHosts(env: Env): AllowedHosts {
  const hosts = parseAllowedHosts(textVariable(env, AGENT_HOSTS));
  if (!hosts.ok) return new Set();
  return hosts.value ?? unlistedHosts(textVariable(env, "AGENT_COORDINATOR_AUTH"));
}

/** Whom a coordinator without a list of hosts may call beside the public internet. */
function unlistedHosts(auth: string | undefined): AllowedHosts {
  return auth === "none" ? "loopback" : null;
}

/** The keys of callers, and the secret that signs tokens: by default the keys themselves. */
export function readSecrets(env: Env): Result<{ keys: ApiKey[]; tokenSecret: string }, BadVariable> {
  const secret = secretVariable(env, API_KEYS);
  const keys = parseKeys(secret);
  if (!keys.ok) return err(badVariable(API_KEYS, keys.error));
  const tokenSecret = secretVariable(env, TOKEN_SECRET);
  if (tokenSecret !== undefined && !isLongEnough(tokenSecret)) {
    return err(badVariable(TOKEN_SECRET, `at least ${LIMITS.TOKEN_SECRET_BYTES} bytes`));
  }
  return ok({ keys: keys.value, tokenSecret: tokenSecret ?? secret ?? "" });
}

/** Where Redis is; null where it is not configured. */
export function redisVariables(env: Env): { url: string; token: string } | null {
  const url = textVariable(env, REDIS_URL);
  const token = textVariable(env, REDIS_TOKEN);
  return url === undefined || token === undefined ? null : { url, token };
}

/** The limit of calls that start work, if any; Redis's variables are validated here, too. */
export function readRateLimit(env: Env): Result<RateLimit | null, BadVariable> {
  const url = textVariable(env, REDIS_URL);
  if (url !== undefined && !/^https?:\/\/[^\s#$./?].\S*$/.test(url)) {
    return err(badAddress(REDIS_URL, url, "the REST API's address, https: or http:"));
  }
  const missing = url === undefined ? REDIS_URL : REDIS_TOKEN;
  if ((url === undefined) !== (textVariable(env, REDIS_TOKEN) === undefined)) {
    return err(badVariable(missing, `a value: ${REDIS_URL} and ${REDIS_TOKEN} must be set together`));
  }
  const text = textVariable(env, RATE_LIMIT);
  if (text === undefined) return ok(null);
  const limit = parseRateLimit(text);
  if (limit !== null) return ok(limit);
  const expected = "REQUESTS/SECONDS, positive whole numbers (for example 60/60)";
  return err(badSetting(RATE_LIMIT, text, expected));
}

/** A secret; local development may hold JSON in wrangler.toml as such. */
function secretVariable(env: Env, name: string): string | undefined {
  const value = env[name];
  return typeof value === "object" && value !== null ? JSON.stringify(value) : textVariable(env, name);
}

/** Shorter ones can be guessed from a token that was made with them. */
function isLongEnough(secret: string): boolean {
  return new TextEncoder().encode(secret).byteLength >= LIMITS.TOKEN_SECRET_BYTES;
}

export function isFetcher(value: unknown): value is Fetcher {
  return typeof value === "object" && value !== null && "fetch" in value;
}
