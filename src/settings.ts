// The variables and secrets of an environment, each read in one way. A bad value is an error that names the variable and
// what was expected.
import type { ApiKey } from "./contract/access.ts";
import type { CoordinatorConfig } from "./contract/config.ts";
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
import { parseOrigins, parsePublicOrigin } from "./core/security/origins.ts";
import { parseRateLimit, type RateLimit } from "./core/security/rate-limit.ts";
import { parseTokenSecrets } from "./core/security/token-secret.ts";

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
  SPENDING: DurableObjectNamespace;
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
  /** Where callers reach it, as AGENT_COORDINATOR_PUBLIC_URL says; null where each request says it. */
  publicOrigin: string | null;
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
const PUBLIC_URL = "AGENT_COORDINATOR_PUBLIC_URL";
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
  const publicOrigin = readPublicOrigin(env, auth);
  if (!publicOrigin.ok) return publicOrigin;
  const local = readLocalAccess(env, origins.value, publicOrigin.value);
  if (!local.ok) return local;
  return ok({
    enabled: enabled.value,
    auth,
    config: config.value,
    allowedHosts: hosts.value ?? unlistedHosts(auth),
    corsOrigins: origins.value,
    publicOrigin: publicOrigin.value,
    local: local.value,
    hasReferenceAgents: isFetcher(env["AGENTS"]),
  });
}

/** Callbacks and answers to waits are sent there: in clear text only where no keys are asked for, or on one machine. */
function readPublicOrigin(env: Env, auth: Settings["auth"]): Result<string | null, BadVariable> {
  const text = textVariable(env, PUBLIC_URL);
  if (text === undefined) return ok(null);
  const origin = parsePublicOrigin(text, auth === "none");
  if (origin !== null) return ok(origin);
  const scheme = auth === "none" ? "https: or http:" : "https: (http: for loopback only)";
  return err(badAddress(PUBLIC_URL, text, `an origin, ${scheme}, without user, path and query`));
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

/**
 * The keys of callers, and the secrets of tokens, of which the first signs: by default the text of the keys. Where no
 * keys are asked for an empty one will do; where keys are asked for and there are none, it would let anybody sign.
 */
export function readSecrets(
  env: Env,
): Result<{ keys: ApiKey[]; tokenSecrets: readonly string[] }, BadVariable> {
  const secret = secretVariable(env, API_KEYS);
  const keys = parseKeys(secret);
  if (!keys.ok) return err(badVariable(API_KEYS, keys.error));
  const tokenText = secretVariable(env, TOKEN_SECRET);
  if (tokenText === undefined) {
    const isOpen = textVariable(env, "AGENT_COORDINATOR_AUTH") === "none";
    const derived = keys.value.length > 0 && secret !== undefined ? [secret] : [];
    return ok({ keys: keys.value, tokenSecrets: derived.length === 0 && isOpen ? [""] : derived });
  }
  const tokenSecrets = parseTokenSecrets(tokenText);
  if (!tokenSecrets.ok) return err(badVariable(TOKEN_SECRET, tokenSecrets.error));
  return ok({ keys: keys.value, tokenSecrets: tokenSecrets.value });
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

export function isFetcher(value: unknown): value is Fetcher {
  return typeof value === "object" && value !== null && "fetch" in value;
}
