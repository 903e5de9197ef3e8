// npm run dev: the coordinator and the reference agents under `wrangler dev`, offline and without an account.
// Whatever follows `npm run dev --` is handed to wrangler, after what is set here, so that it wins.
import { buildConsole } from "./console.ts";
import { runWrangler } from "./wrangler.ts";
import { AGENTS_CONFIG, COORDINATOR_CONFIG } from "./wrangler-config.ts";

const flags = process.argv.slice(2);
await buildConsole();
process.exitCode = await runWrangler([
  "dev",
  "--var",
  "AGENT_COORDINATOR_AUTH:none",
  // Here a line for each event costs nothing.
  "--var",
  "AGENT_COORDINATOR_LOG_LEVEL:INFO",
  "-c",
  COORDINATOR_CONFIG,
  "-c",
  AGENTS_CONFIG,
  ...flags,
]);
