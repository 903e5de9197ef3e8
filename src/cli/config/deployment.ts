// What `npm run deploy` is about to deploy: both wrangler.toml read and checked by wrangler's own reader, before anything
// is deployed, and the flags divided between the two Workers.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Unstable_Config as Config } from "wrangler";
import { type Flag, valueOf, variablesOf, variableWords, without, wordsOf } from "./flags.ts";
import { divide } from "./variables.ts";
import { AGENTS_CONFIG, COORDINATOR_CONFIG, ROOT, readToml } from "./wrangler-config.ts";

/** Set only on deployment: wrangler.toml's own variables would apply to local development too. */
const DEPLOYED_VARS: Readonly<Record<string, string>> = { AGENT_COORDINATOR_RATE_LIMIT: "60/60" };
/** The environment of the agents, unless their file has one of the coordinator's environment's name. */
const AGENTS_ENVIRONMENT = "production";
/** The binding by which the coordinator reaches the reference agents. */
const AGENTS_BINDING = "AGENTS";
/** No coordinator runs without these, and wrangler lets no environment inherit them. */
const NEEDED_BINDINGS = ["durable_objects", "services"] as const;
/** Flags about the deployment as such. All others are about the coordinator: its name, its routes, its assets. */
const SHARED_FLAGS: ReadonlySet<string> = new Set([
  "dry-run",
  "keep-vars",
  "message",
  "minify",
  "no-minify",
  "no-upload-source-maps",
  "profile",
  "strict",
  "tag",
  "upload-source-maps",
]);

export interface Deployment {
  /** Arguments of wrangler. */
  agents: string[];
  /** Arguments of wrangler, but for `-c` and the path of the config. */
  coordinator: string[];
  /** The coordinator's config that replaces wrangler.toml, written next to it; null if wrangler.toml is used. */
  config: Record<string, unknown> | null;
  warnings: string[];
}

/** @throws with every fault of both files, one below the other */
export async function planDeployment(flags: readonly Flag[], root = ROOT): Promise<Deployment> {
  const { unstable_readConfig } = await import("wrangler");
  const environment = (valueOf(flags, "env", "e") ?? process.env["CLOUDFLARE_ENV"]) || undefined;
  const agentsEnvironment = environmentOfAgents(environment, root);
  const faults: string[] = [];
  const read = (path: string, env: string | undefined, own: readonly Flag[]): Config | undefined => {
    try {
      const config = unstable_readConfig({ config: join(root, path), env }, { hideWarnings: true });
      faults.push(...faultsOf(config, own).map((fault) => `${path}: ${fault}`));
      return config;
    } catch (error) {
      faults.push(`${path}:${messageOf(error)}`);
      return undefined;
    }
  };
  const agents = read(AGENTS_CONFIG, agentsEnvironment, []);
  const coordinator = read(COORDINATOR_CONFIG, environment, flags);
  if (agents === undefined || coordinator === undefined || faults.length > 0) {
    throw new Error(faults.join("\n"));
  }

  const variables = divide(variablesOf(flags));
  const defaults = Object.entries(DEPLOYED_VARS).filter(([name]) => !(name in coordinator.vars));
  return {
    agents: [
      "deploy",
      "--minify",
      "-c",
      AGENTS_CONFIG,
      "--env",
      agentsEnvironment,
      ...variableWords(variables.agents),
      ...wordsOf(flags.filter(({ name }) => SHARED_FLAGS.has(name))),
    ],
    coordinator: [
      "deploy",
      "--minify",
      ...variableWords([...defaults, ...variables.coordinator]),
      ...wordsOf(without(flags, "var")),
    ],
    ...bindingsOf(readToml(COORDINATOR_CONFIG, root), coordinator, environment, agents.name ?? ""),
  };
}

/** The agents' own environment of that name, where they have it. */
function environmentOfAgents(environment: string | undefined, root: string): string {
  if (environment === undefined) return AGENTS_ENVIRONMENT;
  try {
    return environment in section(readToml(AGENTS_CONFIG, root), "env") ? environment : AGENTS_ENVIRONMENT;
  } catch {
    // Not TOML: the reading that follows says what is wrong with it.
    return AGENTS_ENVIRONMENT;
  }
}

/** What wrangler would only find while it deploys. */
function faultsOf(config: Config, flags: readonly Flag[]): string[] {
  const given = new Set(flags.map(({ name }) => name));
  const found: string[] = [];
  if (!config.name && !given.has("name")) found.push("has no name");
  if (config.main === undefined) found.push("has no main");
  else if (!existsSync(config.main)) found.push(`has main ${config.main}, which does not exist`);
  if (!config.compatibility_date && !given.has("compatibility-date") && !given.has("latest")) {
    found.push("has no compatibility_date");
  }
  return found;
}

/**
 * An environment that leaves out the Durable Objects or the agents' binding gets those of the top level: without them
 * the coordinator would be deployed and fail at every request.
 */
function bindingsOf(
  raw: Record<string, unknown>,
  coordinator: Config,
  environment: string | undefined,
  agentsName: string,
): Pick<Deployment, "config" | "warnings"> {
  const environments = section(raw, "env");
  const own = environment === undefined ? undefined : environments[environment];
  const missing = own === undefined ? [] : NEEDED_BINDINGS.filter((name) => !(name in section(own)));
  const isFilled = missing.includes("services");
  const bound = coordinator.services?.find(({ binding }) => binding === AGENTS_BINDING)?.service;
  const warnings =
    isFilled || bound === undefined || bound === agentsName
      ? []
      : [
          `${COORDINATOR_CONFIG} binds ${AGENTS_BINDING} to "${bound}", but the reference agents are deployed as "${agentsName}".`,
        ];
  if (environment === undefined || missing.length === 0) return { config: null, warnings };
  const top: Record<string, unknown> = {
    ...raw,
    services: (raw["services"] as { binding: string }[] | undefined)?.map((service) =>
      service.binding === AGENTS_BINDING ? { ...service, service: agentsName } : service,
    ),
  };
  const filled = { ...Object.fromEntries(missing.map((name) => [name, top[name]])), ...section(own) };
  return { config: { ...raw, env: { ...environments, [environment]: filled } }, warnings };
}

/** A table of a TOML document, empty where there is none. */
function section(value: unknown, name?: string): Record<string, unknown> {
  const table = name === undefined ? value : (value as Record<string, unknown>)[name];
  return typeof table === "object" && table !== null ? (table as Record<string, unknown>) : {};
}

/** wrangler's words, to go after the file's name and a colon; of a file that is not TOML also the line. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return ` ${String(error)}`;
  const { location } = error as { location?: { line?: number; lineText?: string } };
  const place = location?.line === undefined ? "" : ` (line ${location.line}: ${location.lineText ?? ""})`;
  const [heading = "", ...list] = error.message.trimEnd().split("\n");
  return /^Processing .* configuration:$/.test(heading)
    ? `\n${list.join("\n")}`
    : ` ${error.message.trim()}${place}`;
}
