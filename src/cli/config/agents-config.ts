// The agents' wrangler.toml for `wrangler dev`. wrangler passes flags only to the first of several Workers, so
// the agents' variables go through its environment: a copy of the file names them as secrets, without their values.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { devVars, type Variables } from "./variables.ts";
import { AGENTS_CONFIG, ROOT, readToml } from "./wrangler-config.ts";

export interface AgentsConfig {
  /** For `wrangler dev -c`. */
  path: string;
  /** What wrangler's own environment must hold. */
  environment: Readonly<Record<string, string>>;
  remove(): void;
}

/** The file itself where it already gives the agents all that they should have, so that wrangler sees its changes. */
export function agentsConfig(variables: Variables, wranglerEnv: string | undefined): AgentsConfig {
  const raw = readToml(AGENTS_CONFIG);
  const environments = (raw["env"] ?? {}) as Record<string, object>;
  const own = devVars(AGENTS_CONFIG, wranglerEnv);
  const isComplete = [...variables].every(([name, value]) => own.get(name) === value);
  const hasEnvironment = wranglerEnv === undefined || wranglerEnv in environments;
  if (isComplete && hasEnvironment) return { path: AGENTS_CONFIG, environment: {}, remove: () => {} };

  const secrets = { required: [...variables.keys()] };
  // An environment that the coordinator alone has does not rename the agents, to which it is bound by their name.
  const wanted =
    wranglerEnv === undefined ? {} : { [wranglerEnv]: environments[wranglerEnv] ?? { name: raw["name"] } };
  const copy = {
    ...withAbsolutePaths(raw, join(ROOT, dirname(AGENTS_CONFIG))),
    secrets,
    env: Object.fromEntries(Object.entries(wanted).map(([name, section]) => [name, { ...section, secrets }])),
  };
  // Where no .dev.vars is beside it: wrangler would read that one instead of its environment.
  const folder = join(ROOT, ".wrangler", `agents-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "wrangler.json");
  writeFileSync(path, JSON.stringify(copy));
  return {
    path,
    environment: Object.fromEntries(variables),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The fields of a config that are paths from its folder. */
function withAbsolutePaths(raw: Readonly<Record<string, unknown>>, folder: string): Record<string, unknown> {
  const absolute = (value: unknown) => (typeof value === "string" ? resolve(folder, value) : value);
  const fields = Object.entries(raw).map(([name, value]) => {
    if (["main", "tsconfig", "base_dir"].includes(name)) return [name, absolute(value)];
    if (name === "alias") {
      const isPath = (target: unknown) => typeof target === "string" && target.startsWith(".");
      const aliases = Object.entries(value as Record<string, unknown>);
      return [name, Object.fromEntries(aliases.map(([from, to]) => [from, isPath(to) ? absolute(to) : to]))];
    }
    if (name === "assets") {
      const assets = value as Record<string, unknown>;
      return [name, { ...assets, directory: absolute(assets["directory"]) }];
    }
    return [name, value];
  });
  return Object.fromEntries(fields) as Record<string, unknown>;
}
