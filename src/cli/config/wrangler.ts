// Runs this project's wrangler as a child of this process: quietly, offline where possible, and never longer than its
// parent.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ROOT } from "./wrangler-config.ts";

const WRANGLER = join(ROOT, "node_modules/wrangler/bin/wrangler.js");

/** No usage figures, no check for a newer version, no fetch of an example `request.cf`. */
const QUIET = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/**
 * Resolves to wrangler's exit status, 0 where it was ended by a signal that this process got.
 * @param environment laid over this process's own
 */
export async function runWrangler(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  const child = spawn(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...QUIET, ...process.env, ...environment },
  });
  let stopped = false;
  const stop = () => {
    stopped = true;
    // wrangler takes workerd with it on this one.
    child.kill("SIGTERM");
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const [status] = (await once(child, "exit")) as [number | null];
  return stopped ? 0 : (status ?? 1);
}
