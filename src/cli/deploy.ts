// npm run deploy: the reference agents first, then the coordinator that is bound to them by name, so that it works on
// an account where neither is. Flags after `npm run deploy --` go to both deployments; `--dry-run` needs no account
// and prints the size of what would be sent.
import { buildConsole } from "./console.ts";
import { buildNotice } from "./notice.ts";
import { runWrangler } from "./wrangler.ts";
import { AGENTS_CONFIG, COORDINATOR_CONFIG, readWorkerConfig } from "./wrangler-config.ts";

/** Holds where deployed only: wrangler.toml's own variables would hold for local development too. */
const DEPLOYED_VARS: Readonly<Record<string, string>> = { AGENT_COORDINATOR_RATE_LIMIT: "60/60" };

async function deploy(flags: readonly string[]): Promise<number> {
  await buildConsole();
  await buildNotice();
  const minified = ["deploy", "--minify"];
  const agents = await runWrangler([...minified, "-c", AGENTS_CONFIG, "--env", "production", ...flags]);
  if (agents !== 0) return agents;
  const { vars } = readWorkerConfig(COORDINATOR_CONFIG);
  const defaults = Object.entries(DEPLOYED_VARS)
    .filter(([name]) => !(name in vars))
    .flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  return runWrangler([...minified, ...defaults, "-c", COORDINATOR_CONFIG, ...flags]);
}

process.exitCode = await deploy(process.argv.slice(2));
