// npm run dev: the coordinator and the reference agents under `wrangler dev`, offline and without an account. Flags
// after `npm run dev --` are passed to wrangler after the defaults set here, so that they take precedence.
import { agentsConfig } from "./config/agents-config.ts";
import { buildConsole } from "./console.ts";
import { readFlags, valueOf, variablesOf, variableWords, without, wordsOf } from "./config/flags.ts";
import { buildNotice } from "./notice.ts";
import { agentVariables, devVars, divide } from "./config/variables.ts";
import { runWrangler } from "./config/wrangler.ts";
import { COORDINATOR_CONFIG } from "./config/wrangler-config.ts";

/** What local development sets, where the root's .dev.vars does not. */
const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ["AGENT_COORDINATOR_AUTH", "none"],
  // An agent that is being edited must answer each time, and not the cache in its place.
  ["AGENT_COORDINATOR_CACHING", "false"],
  // Here a line for each event costs nothing.
  ["AGENT_COORDINATOR_LOG_LEVEL", "INFO"],
]);

async function dev(words: readonly string[]): Promise<number> {
  const flags = readFlags(words);
  const wranglerEnv = valueOf(flags, "env", "e") ?? process.env["CLOUDFLARE_ENV"];
  const given = divide(variablesOf(flags));
  const written = devVars(COORDINATOR_CONFIG, wranglerEnv);
  const defaults = [...DEFAULTS].filter(([name]) => !written.has(name));
  await buildConsole();
  await buildNotice();
  const agents = agentsConfig(agentVariables(process.env, { flags: given.agents, wranglerEnv }), wranglerEnv);
  try {
    return await runWrangler(
      [
        "dev",
        "-c",
        COORDINATOR_CONFIG,
        "-c",
        agents.path,
        ...variableWords([...defaults, ...given.coordinator]),
        ...wordsOf(without(flags, "var")),
      ],
      agents.environment,
    );
  } finally {
    agents.remove();
  }
}

try {
  process.exitCode = await dev(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
