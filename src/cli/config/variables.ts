// Which variables the commands pass to which Worker, and their sources.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { AGENTS_CONFIG, COORDINATOR_CONFIG, ROOT } from "./wrangler-config.ts";

const MODEL_VARIABLES = ["LLM_BASE_URL", "LLM_API_KEY", "LLM_MODEL"];
/** What the reference agents read; any other variable is the coordinator's. */
const AGENT_VARIABLES: ReadonlySet<string> = new Set([...MODEL_VARIABLES, "CORPUS_URL", "AGENT_SECRET"]);

export type Variables = ReadonlyMap<string, string>;

/** Each Worker's own of the variables that flags set. */
export function divide(variables: Variables): { coordinator: Variables; agents: Variables } {
  const all = [...variables];
  return {
    coordinator: new Map(all.filter(([name]) => !AGENT_VARIABLES.has(name))),
    agents: new Map(all.filter(([name]) => AGENT_VARIABLES.has(name))),
  };
}

/**
 * All that the agents' Worker gets on this machine: what is in the .dev.vars beside its wrangler.toml; the language
 * model's variables from the environment first, from there next, from the root's .dev.vars last; flags before all.
 * An empty variable counts as set, so that `LLM_BASE_URL= npm run demo` does without the model.
 */
export function agentVariables(
  environment: NodeJS.ProcessEnv,
  options: { flags?: Variables; wranglerEnv?: string | undefined; root?: string } = {},
): Map<string, string> {
  const { flags = new Map<string, string>(), wranglerEnv, root } = options;
  const own = devVars(AGENTS_CONFIG, wranglerEnv, root);
  const shared = devVars(COORDINATOR_CONFIG, wranglerEnv, root);
  const variables = new Map(own);
  for (const name of MODEL_VARIABLES) {
    const value = environment[name] ?? own.get(name) ?? shared.get(name);
    if (value !== undefined) variables.set(name, value);
  }
  return new Map([...variables, ...flags]);
}

/** What the .dev.vars beside a wrangler.toml sets; .dev.vars.ENV in its place where there is one, as for wrangler. */
export function devVars(config: string, wranglerEnv?: string, root = ROOT): Variables {
  const file = join(root, dirname(config), ".dev.vars");
  const paths = wranglerEnv === undefined ? [file] : [`${file}.${wranglerEnv}`, file];
  const path = paths.find((each) => existsSync(each));
  if (path === undefined) return new Map();
  const entries = Object.entries(parseEnv(readFileSync(path, "utf8")));
  return new Map(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}
