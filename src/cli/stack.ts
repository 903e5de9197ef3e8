// Starts the coordinator and the reference agents in this process, for one question: both Workers bundled from
// source, on a free loopback port, with everything they write under one folder. It is the runtime that `npm run dev`
// starts too, without wrangler around it, which takes as long to load as all of this takes to answer.
import type { MiniflareOptions } from "miniflare";
import { bundleWorker } from "./worker-bundle.ts";
import { AGENTS_CONFIG, COORDINATOR_CONFIG, ROOT } from "./wrangler-config.ts";

export interface Stack {
  /** Without a slash at its end. */
  url: string;
  close(): Promise<void>;
}

export interface StackOptions {
  coordinatorVars: Readonly<Record<string, string>>;
  agentVars: Readonly<Record<string, string>>;
  /** Where storage lies; gone with the process where there is none. */
  state?: string;
  /** Told of each line that a Worker writes to its console. */
  onLog: (line: string) => void;
}

/** Resolves when the coordinator answers. Temporary files go where TMPDIR says. */
export async function startStack(options: StackOptions): Promise<Stack> {
  // The bundler is a process of its own: it works while Miniflare, which is large, is read.
  const workers = Promise.all([
    buildWorker(COORDINATOR_CONFIG, options.coordinatorVars),
    buildWorker(AGENTS_CONFIG, options.agentVars),
  ]);
  const [built, { Miniflare }] = await Promise.all([workers, import("miniflare")]);
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    enableDevRegistry: false,
    logRequests: false,
    telemetry: { enabled: false },
    ...(options.state === undefined ? {} : { resourcePersistencePath: options.state }),
    handleStructuredLogs: ({ message }) => options.onLog(message),
    workers: built,
  });
  const url = await miniflare.ready;
  return { url: url.href.replace(/\/$/, ""), close: () => miniflare.dispose() };
}

type WorkerOptions = MiniflareOptions["workers"][number];

async function buildWorker(
  configPath: string,
  vars: Readonly<Record<string, string>>,
): Promise<WorkerOptions> {
  const { config, text: contents } = await bundleWorker(configPath);
  const sqlite = config.migrations.flatMap((migration) => migration.new_sqlite_classes);
  return {
    config: {
      name: config.name,
      compatibilityDate: config.compatibility_date,
      compatibilityFlags: config.compatibility_flags,
      manifest: {
        mainModule: "worker.mjs",
        modulesRoot: ROOT,
        modules: { "worker.mjs": { type: "esm", contents } },
      },
      env: Object.fromEntries([
        ...Object.entries({ ...config.vars, ...vars }).map(
          ([name, value]) => [name, { type: "text" as const, value }] as const,
        ),
        ...config.durable_objects.bindings.map(
          ({ name, class_name }) =>
            [name, { type: "durable-object" as const, worker: config.name, exportName: class_name }] as const,
        ),
        ...config.services.map(
          ({ binding, service }) => [binding, { type: "worker" as const, worker: service }] as const,
        ),
      ]),
      exports: Object.fromEntries(
        sqlite.map(
          (name) => [name, { type: "durable-object" as const, storage: "sqlite" as const }] as const,
        ),
      ),
    },
    dev: { rootPath: ROOT },
  };
}
