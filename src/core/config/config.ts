// The effective CoordinatorConfig: PATCH before environment before default. Pure; the environment comes in as a record.
import { CoordinatorConfig, DEFAULT_CONFIG } from "../../contract/config.ts";
import type { JsonObject } from "../../contract/json.ts";
import { err, type InputError, ok, type Result } from "../../contract/problem.ts";
import { isObject } from "../json/json.ts";
import { type BadVariable, badSetting } from "./bad-variable.ts";

type Vars = Readonly<Record<string, unknown>>;

const SWITCH = "true or false";
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, false: false, "1": true, "0": false };

/** The variables' names, each with the config key that it sets. */
const VARIABLES: readonly (readonly [string, keyof CoordinatorConfig])[] = [
  ["AGENT_COORDINATOR_MAX_CONCURRENT", "max_concurrent_stages"],
  ["AGENT_COORDINATOR_STAGE_TIMEOUT", "stage_timeout_seconds"],
  ["AGENT_COORDINATOR_PIPELINE_TIMEOUT", "pipeline_timeout_seconds"],
  ["AGENT_COORDINATOR_MAX_RETRIES", "max_retry_attempts"],
  ["AGENT_COORDINATOR_RETRY_DELAY", "retry_delay_seconds"],
  ["AGENT_COORDINATOR_CIRCUIT_BREAKER", "enable_circuit_breaker"],
  ["AGENT_COORDINATOR_PERFORMANCE_MONITORING", "enable_performance_monitoring"],
  ["AGENT_COORDINATOR_CACHING", "enable_caching"],
  ["AGENT_COORDINATOR_STREAMING", "enable_streaming"],
  ["AGENT_COORDINATOR_LOG_LEVEL", "log_level"],
];

/** The defaults with the environment's values laid over them. */
export function configFromEnvironment(vars: Vars): Result<CoordinatorConfig, BadVariable> {
  const config: Record<string, unknown> = { ...DEFAULT_CONFIG };
  for (const [variable, key] of VARIABLES) {
    const raw = textVariable(vars, variable);
    if (raw === undefined) continue;
    const isSwitch = typeof DEFAULT_CONFIG[key] === "boolean";
    const parsed = CoordinatorConfig.shape[key].safeParse(valueIn(raw, DEFAULT_CONFIG[key]));
    if (!parsed.success) {
      const expected = isSwitch ? SWITCH : (parsed.error.issues[0]?.message ?? "a valid value");
      return err(badSetting(variable, raw, expected));
    }
    config[key] = parsed.data;
  }
  return ok(config as CoordinatorConfig);
}

/** A switch of the environment. */
export function booleanVariable(
  vars: Vars,
  variable: string,
  otherwise: boolean,
): Result<boolean, BadVariable> {
  const raw = textVariable(vars, variable);
  if (raw === undefined) return ok(otherwise);
  const value = BOOLEANS[raw.toLowerCase()];
  return value === undefined ? err(badSetting(variable, raw, SWITCH)) : ok(value);
}

/** A variable as text: an empty one is not set, and wrangler.toml may hold numbers and booleans as such. */
export function textVariable(vars: Vars, variable: string): string | undefined {
  const raw = vars[variable];
  if (typeof raw === "number" || typeof raw === "boolean") return String(raw);
  return typeof raw === "string" && raw !== "" ? raw : undefined;
}

/** The value of a text, of the type of the key's default; words are taken in any case of letters. */
function valueIn(raw: string, like: unknown): unknown {
  if (typeof like === "boolean") return BOOLEANS[raw.toLowerCase()];
  return typeof like === "string" ? raw.toUpperCase() : numberIn(raw);
}

/** Decimal only: Number() would also take "", " ", "0x10" and "1e3". */
function numberIn(raw: string): number {
  return /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : Number.NaN;
}

/** RFC 7396: objects merge, null removes, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/** The patch to store after a PATCH if the resulting config is valid; else its errors. */
export function patchConfig(
  environment: CoordinatorConfig,
  kept: JsonObject,
  patch: JsonObject,
): Result<JsonObject, InputError[]> {
  const merged = mergePatch(kept, patch) as JsonObject;
  const parsed = CoordinatorConfig.safeParse(mergePatch(environment, merged));
  if (parsed.success) return ok(merged);
  return err(
    parsed.error.issues.map(({ path, message }) => ({ pointer: ["", ...path].join("/"), detail: message })),
  );
}

/** The effective config: the patch over the environment's values. */
export function effectiveConfig(environment: CoordinatorConfig, patched: JsonObject): CoordinatorConfig {
  return mergePatch(environment, patched) as CoordinatorConfig;
}
