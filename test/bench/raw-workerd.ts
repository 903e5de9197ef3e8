// workerd by itself, without Miniflare, whose own start and whose hops would be measured with it: its configuration
// written out, and the process, which may run under another program.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PLATFORM, WORKERD } from "./servers.ts";

export interface Server {
  url: string;
  /** When it was spawned, as performance.now(). */
  began: number;
  pid: number;
  kill: () => Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts workerd and resolves when it listens. @param under the program, with its arguments, under which it runs */
export async function startServer(config: string, under: readonly string[] = []): Promise<Server> {
  const began = performance.now();
  const serve = [...under, WORKERD, "serve", config, "--experimental", "--control-fd=3"];
  const child = spawn(serve[0] as string, serve.slice(1), {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  running.add(child);
  let fault = "";
  child.stderr?.on("data", (chunk) => (fault += String(chunk)));
  const gone = once(child, "exit").then(() => {
    running.delete(child);
  });
  const port = await Promise.race([
    listening(child),
    gone.then(() => {
      throw new Error(`workerd ended before it listened:\n${fault}`);
    }),
  ]);
  const kill = async () => {
    child.kill("SIGKILL");
    await gone;
  };
  return { url: `http://127.0.0.1:${port}`, began, pid: child.pid as number, kill };
}

function listening(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    child.stdio[3]?.on("data", (chunk: unknown) => {
      text += String(chunk);
      const port = /"socket":"http","port":(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}

/**
 * A configuration in Cap'n Proto's text format, whose strings are JSON's for all that they contain here.
 * @param kept classes whose objects stay in memory; workerd closes the others ten seconds after their last request
 */
export async function writeConfig(
  parent: string,
  name: string,
  script: string,
  agents: string,
  objects: readonly (readonly [string, string])[],
  kept: ReadonlySet<string> = new Set(),
): Promise<string> {
  const folder = join(parent, name);
  await mkdir(join(folder, "objects"), { recursive: true });
  await writeFile(join(folder, "worker.js"), script);
  await writeFile(join(folder, "agents.js"), agents);
  const text = (value: string) => JSON.stringify(value);
  const { compatibilityDate, compatibilityFlags } = PLATFORM;
  const platform = `compatibilityDate = ${text(compatibilityDate)}, compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}]`;
  const bindings = [
    `(name = "AGENTS", service = "agents")`,
    `(name = "AGENT_COORDINATOR_AUTH", text = "none")`,
    ...objects.map(([binding, of]) => `(name = ${text(binding)}, durableObjectNamespace = ${text(of)})`),
  ];
  const namespaces = objects.map(
    ([, of]) =>
      `(className = ${text(of)}, uniqueKey = ${text(`bench-${of}`)}, enableSql = true, preventEviction = ${kept.has(of)})`,
  );
  const config = join(folder, "config.capnp");
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")], ${platform},
      bindings = [${bindings.join(", ")}],
      durableObjectNamespaces = [${namespaces.join(", ")}],
      durableObjectStorage = (localDisk = "disk"),
    )),
    (name = "agents", worker = (modules = [(name = "agents.js", esModule = embed "agents.js")], ${platform})),
    (name = "disk", disk = (path = ${text(join(folder, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  return config;
}
