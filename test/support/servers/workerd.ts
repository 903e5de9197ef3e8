// workerd itself, without wrangler or Miniflare around it: a process that can be killed by its pid and started again
// on the same storage within a tenth of a second, whose memory can be read and whose disk can be made to end. Owns
// the bundles (made once a process of tests) and the server's configuration, which follows wrangler.toml.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COORDINATOR_CONFIG, readWorkerConfig } from "../../../src/cli/config/wrangler-config.ts";
import { bundleWorker } from "../../../src/cli/worker-bundle.ts";

const requireHere = createRequire(import.meta.url);
/** The workerd that wrangler itself runs. */
const WORKERD = createRequire(requireHere.resolve("miniflare"))("workerd").default as string;
const CONFIG = readWorkerConfig(COORDINATOR_CONFIG);

export interface WorkerdServer {
  url: string;
  pid: number;
  /** Everything it has written to its outputs. */
  output: () => string;
  /** Resident memory, in bytes. */
  memory: () => Promise<number>;
  /** The file that holds an execution's storage. */
  fileOf: (execution_id: string) => Promise<string>;
  /** Takes an execution's object out of memory, as the platform does between requests. */
  evict: (execution_id: string) => Promise<void>;
  /** Crashes an execution's object; its storage keeps what was committed. */
  abort: (execution_id: string) => Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill: () => Promise<void>;
}

export interface WorkerdOptions {
  /** Where storage lies; the same folder again is the same storage. */
  state: string;
  vars?: Record<string, string>;
  /** No file may grow beyond this many KiB: a write past it fails, as on a full disk. */
  fileLimitKib?: number;
  /** The isolate's heap: what needs more ends the process, as it ends an isolate of the platform. */
  heapMb?: number;
  /** Another Worker than the chaos Worker. */
  worker?: WorkerName;
}

/** A folder for a server's storage, and its removal. */
export async function temporaryState(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "agent-coordinator-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts workerd on a storage of its own, which goes when it is closed. */
export async function startAlone(
  vars: Record<string, string>,
  options: Pick<WorkerdOptions, "heapMb" | "worker"> = {},
): Promise<WorkerdServer & { close: () => Promise<void> }> {
  const state = await temporaryState();
  const server = await startWorkerd({ state: state.path, vars, ...options });
  return {
    ...server,
    close: async () => {
      await server.kill();
      await state.remove();
    },
  };
}

/** Starts workerd and resolves when it listens. */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdServer> {
  const objects = join(options.state, "objects");
  await mkdir(objects, { recursive: true });
  const config = join(options.state, "config.capnp");
  await writeFile(config, await configText(objects, options));
  const serve = [WORKERD, "serve", config, "--experimental", "--control-fd=3"];
  // The signal of a file that may not grow is ignored, so that the write fails and the process lives.
  const limit = options.fileLimitKib === undefined ? "" : `trap '' XFSZ; ulimit -f ${options.fileLimitKib};`;
  const child = spawn(
    "bash",
    ["-c", `ulimit -n 8192 2>/dev/null; ${limit} ${ORPHANS_DIE} exec $die "$@"`, "serve", ...serve],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (chunk) => (output += String(chunk)));
  const gone = new Promise<void>((resolve) => {
    child.on("exit", () => resolve());
  });
  running.add(child);
  void gone.then(() => running.delete(child));
  const ports = await listening(child, gone, () => output);
  const door = async (verb: string, execution_id: string) => {
    const response = await fetch(`http://127.0.0.1:${ports.doors}/${verb}/${execution_id}`);
    if (!response.ok) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
    return response.text();
  };
  return {
    url: `http://127.0.0.1:${ports.http}`,
    pid: child.pid as number,
    output: () => output,
    memory: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    fileOf: async (execution_id) =>
      join(objects, keyOf("ExecutionObject"), `${await door("id", execution_id)}.sqlite`),
    evict: async (execution_id) => {
      await door("evict", execution_id);
    },
    abort: async (execution_id) => {
      await door("abort", execution_id);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** A test run that is killed must not leave a server behind. */
const ORPHANS_DIE = 'die=""; command -v setpriv >/dev/null && die="setpriv --pdeathsig KILL";';

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The ports of its two sockets, once it says that it listens. */
async function listening(
  child: ChildProcess,
  gone: Promise<void>,
  output: () => string,
): Promise<{ http: number; doors: number }> {
  const ports = new Map<string, number>();
  const up = new Promise<void>((resolve) => {
    let text = "";
    child.stdio[3]?.on("data", (chunk: unknown) => {
      text += String(chunk);
      for (const match of text.matchAll(/"socket":"(\w+)","port":(\d+)/g)) {
        ports.set(match[1] as string, Number(match[2]));
      }
      if (ports.size === 2) resolve();
    });
  });
  await Promise.race([
    up,
    gone.then(() => {
      throw new Error(`workerd ended before it listened:\n${output()}`);
    }),
  ]);
  return { http: ports.get("http") as number, doors: ports.get("doors") as number };
}

export type WorkerName =
  | "chaos-worker"
  | "counting-worker"
  | "outside-worker"
  | "resting-worker"
  | "splitting-worker";

const bundled = new Map<WorkerName, Promise<string>>();

/**
 * A Worker of test/support/workers as one module. Bundled without wrangler, which takes two seconds of a processor for it, in
 * each file of tests.
 */
function bundle(name: WorkerName): Promise<string> {
  const main = `test/support/workers/${name}.ts`;
  const made =
    bundled.get(name) ?? bundleWorker(COORDINATOR_CONFIG, { ...CONFIG, main }).then(({ text }) => text);
  bundled.set(name, made);
  return made;
}

/** What each needs beside the flags of wrangler.toml. */
const FLAGS: Record<WorkerName, readonly string[]> = {
  "chaos-worker": [],
  "counting-worker": ["nodejs_als"],
  "outside-worker": [],
  "resting-worker": [],
  "splitting-worker": [],
};

function keyOf(className: string): string {
  return `agent-coordinator-${className}`;
}

/** A configuration in Cap'n Proto's text format, whose strings are JSON's for all that stands in them here. */
async function configText(
  objects: string,
  { vars, heapMb, worker = "chaos-worker" }: Pick<WorkerdOptions, "vars" | "heapMb" | "worker">,
): Promise<string> {
  const { bindings } = CONFIG.durable_objects;
  const text = (value: string) => JSON.stringify(value);
  const values = { AGENT_COORDINATOR_AUTH: "none", AGENT_COORDINATOR_STREAMING: "true", ...vars };
  const namespaces = bindings.map(
    ({ class_name }) =>
      `(className = ${text(class_name)}, uniqueKey = ${text(keyOf(class_name))}, enableSql = true)`,
  );
  const env = [
    ...bindings.map(
      ({ name, class_name }) => `(name = ${text(name)}, durableObjectNamespace = ${text(class_name)})`,
    ),
    ...Object.entries(values).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
  ];
  const v8Flags = heapMb === undefined ? "" : text(`--max-old-space-size=${heapMb}`);
  const flags = [...CONFIG.compatibility_flags, ...FLAGS[worker]].map((flag) => text(flag)).join(", ");
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = [${v8Flags}],
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = ${text(await bundle(worker))})],
      compatibilityDate = ${text(CONFIG.compatibility_date)},
      compatibilityFlags = [${flags}],
      bindings = [${env.join(", ")}],
      durableObjectNamespaces = [${namespaces.join(", ")}],
      durableObjectStorage = (localDisk = "disk"),
    )),
    (name = "doors", worker = (
      modules = [(name = "doors.js", esModule = ${text(DOORS)})],
      compatibilityDate = ${text(CONFIG.compatibility_date)},
      compatibilityFlags = ["unsafe_module"],
      bindings = [(name = "EXECUTIONS", durableObjectNamespace = (className = "ExecutionObject", serviceName = "main"))],
    )),
    (name = "disk", disk = (path = ${text(objects)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "doors", address = "127.0.0.1:0", http = (), service = "doors"),
  ],
);
`;
}

/** Doors that no deployed Worker has, in a Worker of their own. */
const DOORS = `import unsafe from "workerd:unsafe";
export default {
  async fetch(request, env) {
    const [, verb, name] = new URL(request.url).pathname.split("/");
    const id = env.EXECUTIONS.idFromName("local/" + name);
    if (verb === "evict") await unsafe.evict(env.EXECUTIONS.get(id), {});
    // The call ends with the object that it reached.
    if (verb === "abort") await env.EXECUTIONS.get(id).crash().catch(() => {});
    return new Response(id.toString());
  },
};`;
