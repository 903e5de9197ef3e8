// Reads the parts of wrangler.toml that the demo needs, which starts Workers without wrangler. One file stays the
// only description. It may have anything that wrangler allows: what says nothing about how the Worker answers on this
// machine (routes, limits, account_id, environments) is left to wrangler.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod";

/** The project's folder, from which the configs' paths start. */
export const ROOT = join(import.meta.dirname, "../../..");
export const COORDINATOR_CONFIG = "wrangler.toml";
export const AGENTS_CONFIG = "fixtures/agents/wrangler.toml";

const WorkerConfig = z.object({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  alias: z.record(z.string(), z.string()).default({}),
  /** Text, or any other JSON value. */
  vars: z.record(z.string(), z.json()).default({}),
  durable_objects: z
    .object({
      bindings: z.array(
        z.object({
          name: z.string(),
          class_name: z.string(),
          /** The Worker that has the class, where it is another one. */
          script_name: z.string().optional(),
        }),
      ),
    })
    .default({ bindings: [] }),
  services: z.array(z.object({ binding: z.string(), service: z.string() })).default([]),
  rules: z.array(z.object({ type: z.string(), globs: z.array(z.string()) })).default([]),
});
export type WorkerConfig = z.infer<typeof WorkerConfig>;

/** @param path below the root @throws where the file is missing, is not TOML, or lacks what the demo needs */
export function readWorkerConfig(path: string, root = ROOT): WorkerConfig {
  const parsed = WorkerConfig.safeParse(readToml(path, root));
  if (parsed.success) return parsed.data;
  throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
}

/** @param path below the root @throws where the file is missing or is not TOML */
export function readToml(path: string, root = ROOT): Record<string, unknown> {
  try {
    return parse(readFileSync(join(root, path), "utf8"));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
