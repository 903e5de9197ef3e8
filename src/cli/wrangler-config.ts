// Reads what wrangler.toml says of a Worker, for the commands that start or deploy it themselves. One file stays the
// only description: a section that is not known here is refused, so that the demo cannot silently start something
// else than what is deployed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod";

/** The project's folder, on which the configs' paths stand. */
export const ROOT = join(import.meta.dirname, "../..");
export const COORDINATOR_CONFIG = "wrangler.toml";
export const AGENTS_CONFIG = "fixtures/agents/wrangler.toml";

const WorkerConfig = z.strictObject({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  alias: z.record(z.string(), z.string()).default({}),
  vars: z.record(z.string(), z.string()).default({}),
  durable_objects: z
    .strictObject({ bindings: z.array(z.strictObject({ name: z.string(), class_name: z.string() })) })
    .default({ bindings: [] }),
  services: z.array(z.strictObject({ binding: z.string(), service: z.string() })).default([]),
  // Every class must be in SQLite storage, which is what the demo gives it.
  migrations: z
    .array(z.strictObject({ tag: z.string(), new_sqlite_classes: z.array(z.string()) }))
    .default([]),
  rules: z
    .array(z.strictObject({ type: z.literal("Text"), globs: z.array(z.string()), fallthrough: z.boolean() }))
    .default([]),
  // These say nothing about how the Worker answers on a laptop.
  assets: z.unknown().optional(),
  keep_names: z.unknown().optional(),
  env: z.unknown().optional(),
  observability: z.unknown().optional(),
  send_metrics: z.unknown().optional(),
  workers_dev: z.unknown().optional(),
});
export type WorkerConfig = z.infer<typeof WorkerConfig>;

/** @param path below ROOT @throws where the file is not there, is no TOML, or says what this reader does not know */
export function readWorkerConfig(path: string): WorkerConfig {
  const parsed = WorkerConfig.safeParse(parse(readFileSync(join(ROOT, path), "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
}
