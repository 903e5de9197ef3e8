// A Worker as one ES module, bundled from its source as wrangler bundles it: for the demo, which starts it without
// wrangler, and for the notices of what is in it.
import { dirname, extname, join } from "node:path";
import { ROOT, readWorkerConfig, type WorkerConfig } from "./config/wrangler-config.ts";

export interface WorkerBundle {
  config: WorkerConfig;
  text: string;
  /** The files of which something is in it, by absolute path. */
  files: string[];
}

/**
 * @param configPath a wrangler.toml below ROOT; files that its rules call text are strings in the bundle
 * @param config what it holds
 */
export async function bundleWorker(
  configPath: string,
  config: WorkerConfig = readWorkerConfig(configPath),
): Promise<WorkerBundle> {
  const { build } = await import("esbuild");
  const folder = join(ROOT, dirname(configPath));
  const texts = config.rules
    .filter((rule) => rule.type === "Text")
    .flatMap((rule) => rule.globs.map((glob) => extname(glob)))
    .filter((extension) => extension !== "");
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(folder, config.main)],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*", "node:*"],
    conditions: ["workerd", "worker", "browser"],
    alias: Object.fromEntries(Object.entries(config.alias).map(([name, path]) => [name, join(folder, path)])),
    loader: Object.fromEntries(texts.map((extension) => [extension, "text" as const])),
  });
  const inputs = Object.values(result.metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  return {
    config,
    text: result.outputFiles[0]?.text ?? "",
    files: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => join(ROOT, file)),
  };
}
