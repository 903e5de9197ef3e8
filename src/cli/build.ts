// npm run build: every artefact other than the Worker, which wrangler bundles itself: the page, the
// client and the helper for agents as a package, and the notices of what the bundles contain.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildConsole } from "./console.ts";
import { buildNotice } from "./notice.ts";
import { ROOT } from "./config/wrangler-config.ts";

await buildConsole();
await buildNotice();
const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
const compiled = spawnSync(process.execPath, [compiler, "-p", "src/client/tsconfig.json"], {
  cwd: ROOT,
  stdio: "inherit",
});
process.exitCode = compiled.status ?? 1;
