// npm run deploy: the reference agents first, then the coordinator that is bound to them by name, so that it works on an
// account that has neither. Both configs are read before the first is deployed. `--dry-run` needs no account, sends
// nothing and prints the sizes; `--env` is the coordinator's environment, `--name` the coordinator's name.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildConsole } from "./console.ts";
import { planDeployment } from "./config/deployment.ts";
import { readFlags } from "./config/flags.ts";
import { buildNotice } from "./notice.ts";
import { runWrangler } from "./config/wrangler.ts";
import { COORDINATOR_CONFIG, ROOT } from "./config/wrangler-config.ts";

/** Beside wrangler.toml, whose paths start from its folder. Ignored by git. */
const GENERATED_CONFIG = "wrangler.generated.json";

async function deploy(words: readonly string[]): Promise<number> {
  const flags = readFlags(words);
  if (flags.some(({ name }) => ["h", "help", "v", "version"].includes(name))) {
    return runWrangler(["deploy", ...words]);
  }
  const { agents, coordinator, config, warnings } = await planDeployment(flags);
  for (const warning of warnings) console.warn(warning);
  await buildConsole();
  await buildNotice();
  const status = await runWrangler(agents);
  if (status !== 0) return status;
  if (config === null) return runWrangler([...coordinator, "-c", COORDINATOR_CONFIG]);
  const path = join(ROOT, GENERATED_CONFIG);
  writeFileSync(path, JSON.stringify(config));
  try {
    return await runWrangler([...coordinator, "-c", GENERATED_CONFIG]);
  } finally {
    rmSync(path, { force: true });
  }
}

try {
  process.exitCode = await deploy(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
