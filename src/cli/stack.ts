// Starts the coordinator and the reference agents in this process, for one question: both Workers bundled from
// source, on a free loopback port, with everything they write under one folder. It is the runtime that `npm run dev`
// starts too, without wrangler around it, which takes as long to load as all of this takes to answer.
import type { MiniflareOptions } from "miniflare";
import { bundleWorker } from "./worker-bundle.ts";
import {
  AGENTS_CONFIG,
  COORDINATOR_CONFIG,
  ROOT,
  readWorkerConfig,
  type WorkerConfig,
} from "./config/wrangler-config.ts";

export interface Stack {
  /** Without a slash at its end. */
  url: string;
  close(): Promise<void>;
}

export interface StackOptions {
  coordinatorVars: Readonly<Record<string, string>>;
  agentVars: Readonly<Record<string, string>>;
  /** The storage folder; without one, storage ends with the process. */
  state?: string;
  /** Called with each line that a Worker writes to its console. */
  onLog: (line: string) => void;
}

/** Resolves when the coordinator answers. Temporary files go where TMPDIR says. */
export async function startStack(options: StackOptions): Promise<Stack> {
  // The bundler is a process of its own: it works while Miniflare, which is large, is read.
  const configs = [readWorkerConfig(COORDINATOR_CONFIG), readWorkerConfig(AGENTS_CONFIG)] as const;
  const names = new Set(configs.map(({ name }) => name));
  const workers = Promise.all([
    buildWorker(COORDINATOR_CONFIG, configs[0], names, options.coordinatorVars),
    buildWorker(AGENTS_CONFIG, configs[1], names, options.agentVars),
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

/** @param names of the Workers that run here: a binding to any other one is left out */
async function buildWorker(
  configPath: string,
  config: WorkerConfig,
  names: ReadonlySet<string>,
  vars: Readonly<Record<string, string>>,
): Promise<WorkerOptions> {
  const { text: contents } = await bundleWorker(configPath, config);
  const objects = config.durable_objects.bindings
    .map(({ name, class_name, script_name = config.name }) => ({ name, class_name, worker: script_name }))
    .filter(({ worker }) => names.has(worker));
  const classes = objects.filter(({ worker }) => worker === config.name).map(({ class_name }) => class_name);
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
          ([name, value]) => [name, variable(value)] as const,
        ),
        ...objects.map(
          ({ name, class_name, worker }) =>
            [name, { type: "durable-object" as const, worker, exportName: class_name }] as const,
        ),
        ...config.services
          .filter(({ service }) => names.has(service))
          .map(({ binding, service }) => [binding, { type: "worker" as const, worker: service }] as const),
      ]),
      // SQLite for every class, as the project's migrations ask for.
      exports: Object.fromEntries(
        classes.map(
          (name) => [name, { type: "durable-object" as const, storage: "sqlite" as const }] as const,
        ),
      ),
    },
    dev: { rootPath: ROOT },
  };
}

/** As wrangler binds it: text as such, any other value as JSON. */
function variable(value: WorkerConfig["vars"][string]) {
  return typeof value === "string" ? { type: "text" as const, value } : { type: "json" as const, value };
}
