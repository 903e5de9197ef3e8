// The servers of the benchmark, each a workerd of its own on the Miniflare API, so that its processor time can be
// read from /proc: the floor, and the coordinator, both bound to the same agents. What they log goes nowhere.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_readConfig } from "wrangler";

export interface BenchServer {
  url: string;
  /** Processor time that its workerd has used so far, in ms. */
  cpu(): Promise<number>;
  close(): Promise<void>;
}

const ROOT = join(import.meta.dirname, "..", "..");
const house = unstable_readConfig({ config: join(ROOT, "wrangler.toml") }, { hideWarnings: true });
const bindings: readonly { name: string; class_name: string }[] = house.durable_objects.bindings;

export const PLATFORM = {
  compatibilityDate: house.compatibility_date as string,
  compatibilityFlags: house.compatibility_flags as string[],
};
/** What a Worker that counts (test/support/counting) needs besides. */
export const COUNTING_FLAGS = ["nodejs_als"];
/** The coordinator's objects: each binding and its class. */
export const OBJECTS = bindings.map(({ name, class_name }): [string, string] => [name, class_name]);

const requireHere = createRequire(import.meta.url);
/** The workerd that Miniflare itself runs. */
export const WORKERD = createRequire(requireHere.resolve("miniflare"))("workerd").default as string;

/** A Worker as one minified module. @param flags beside those that it runs with anyway */
export async function bundle(entry: string, flags: readonly string[] = []): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), "bundle-"));
  // A config of its own: the house's names objects that the floor does not have.
  const config = join(out, "wrangler.toml");
  const aliases = Object.entries(house.alias ?? {}).map(
    ([name, path]) => `"${name}" = "${join(ROOT, path as string)}"`,
  );
  const lines = [
    'name = "bench"',
    `main = "${join(ROOT, entry)}"`,
    `compatibility_date = "${house.compatibility_date}"`,
    `compatibility_flags = ${JSON.stringify(flags)}`,
    `keep_names = ${house.keep_names ?? true}`,
    "[alias]",
    ...aliases,
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  await promisify(execFile)(
    process.execPath,
    [wrangler, "deploy", "--dry-run", "--minify", "--outdir", out, "-c", config],
    { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" } },
  );
  const name = (await readdir(out)).find((file) => file.endsWith(".js")) as string;
  const text = await readFile(join(out, name), "utf8");
  await rm(out, { recursive: true });
  return text;
}

/** @param parent the folder under which storage lies: on the machine's disk, or in memory */
export async function startFloor(script: string, agents: string, parent: string): Promise<BenchServer> {
  const durableObjects = { FLOOR: { className: "FloorObject", useSQLite: true } };
  return start(await stateUnder(parent), agents, { name: "floor", modules: true, script, durableObjects });
}

/** @param vars beside AGENT_COORDINATOR_AUTH=none */
export async function startCoordinator(
  script: string,
  agents: string,
  parent: string,
  vars: Record<string, string> = {},
): Promise<BenchServer> {
  return start(await stateUnder(parent), agents, coordinatorOptions(script, vars));
}

/** The coordinator with the floor's object beside it, in one workerd: for what is counted and not timed. */
export async function startBoth(script: string, agents: string, parent: string): Promise<BenchServer> {
  const worker = countingOptions(script, {});
  const FLOOR = { className: "FloorObject", useSQLite: true };
  const durableObjects = { ...worker.durableObjects, FLOOR };
  return start(await stateUnder(parent), agents, { ...worker, durableObjects });
}

/** The coordinator as test/support/workers/counting-worker.ts counts it. */
export async function startCounting(
  script: string,
  agents: string,
  parent: string,
  vars: Record<string, string>,
): Promise<BenchServer> {
  return start(await stateUnder(parent), agents, countingOptions(script, vars));
}

function countingOptions(script: string, vars: Record<string, string>) {
  const compatibilityFlags = [...PLATFORM.compatibilityFlags, ...COUNTING_FLAGS];
  return { ...coordinatorOptions(script, vars), compatibilityFlags };
}

/** The coordinator on storage that was there before, and stays. */
export async function startOn(state: string, script: string, agents: string): Promise<BenchServer> {
  return start({ path: state, remove: async () => {} }, agents, coordinatorOptions(script, {}));
}

function coordinatorOptions(script: string, vars: Record<string, string>) {
  return {
    name: "coordinator",
    modules: true,
    script,
    bindings: { AGENT_COORDINATOR_AUTH: "none", ...vars },
    durableObjects: Object.fromEntries(
      OBJECTS.map(([name, className]) => [name, { className, useSQLite: true }]),
    ),
  };
}

interface State {
  path: string;
  remove: () => Promise<void>;
}

async function stateUnder(parent: string): Promise<State> {
  const path = await mkdtemp(join(parent, "agent-coordinator-bench-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

async function start(state: State, agents: string, worker: object): Promise<BenchServer> {
  const before = new Set(await workerds());
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      resourcePersistencePath: state.path,
      cf: false,
      // The operator's log is the coordinator's output and not this program's.
      handleStructuredLogs: () => {},
      workers: [
        { ...PLATFORM, ...worker, serviceBindings: { AGENTS: "agents" } },
        { ...PLATFORM, name: "agents", modules: true, script: agents },
      ],
    } as Parameters<typeof convertV4MiniflareOptions>[0]),
  );
  const url = (await miniflare.ready).href.replace(/\/$/, "");
  const pid = (await workerds()).find((candidate) => !before.has(candidate));
  if (pid === undefined) throw new Error("no workerd was started");
  return {
    url,
    cpu: () => processorTime(pid),
    close: async () => {
      await miniflare.dispose();
      await state.remove();
    },
  };
}

/** The workerd processes that this process has started. */
async function workerds(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const match = /^\d+ \(workerd[^)]*\) \S (\d+)/.exec(stat);
    if (match !== null && Number(match[1]) === process.pid) found.push(Number(name));
  }
  return found;
}

/** User and system time of a process, in ms; the kernel counts in hundredths of a second. */
async function processorTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
