// npm run bench:instructions: how many instructions a run of four instant stages takes, of the floor and of the
// coordinator, counted by Valgrind. A count is the same on a busy machine as on a quiet one, within a few in a hundred,
// where a time is not: it tells whether a change saves anything. BENCH_SHOTS sets the runs counted.
//
// Under Valgrind all goes fifty times slower, so that the coordinator's own waits are made sixty times longer: else
// each run would pay for commits, alarms and reports of which it pays for none or shares with others.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { COORDINATOR_CONFIG, readWorkerConfig } from "../../src/cli/config/wrangler-config.ts";
import { closeConnections, fire, pause } from "./load.ts";
import { startServer, writeConfig } from "./raw-workerd.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "./runs.ts";
import { bundle, OBJECTS } from "./servers.ts";
import { chain } from "./shapes-of-runs.ts";
import { printTable } from "./verdicts.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const FOUR = chain(4);
const CALLERS = 8;
const WARM = 400;
const COUNTED = Number(process.env["BENCH_SHOTS"] ?? 100);
const SLOWED = 60;
/** Objects of many runs: at Valgrind's pace they would be closed and opened again between two of them. */
const SHARED: ReadonlySet<string> = new Set(
  OBJECTS.map(([, of]) => of).filter((of) => of !== "ExecutionObject"),
);
/** The waits that a run would meet at Valgrind's pace and does not at its own, by the file in which they are. */
const WAITS: Readonly<Record<string, readonly string[]>> = {
  "src/core/timings.ts": [
    "GROUP_COMMIT_MS",
    "ALARM_JOIN_MS",
    "HEALTH_REFRESH_MS",
    "OUTBOX_FIRST_MS",
    "ALERT_EVALUATE_MS",
    "ALERT_NOTIFY_MS",
  ],
  "src/adapters/durable/catalog-client.ts": ["CATALOG_AGE_MS", "CATALOG_WAIT_MS"],
  "src/adapters/durable/execution-index-client.ts": ["BEGIN_MS"],
  "src/adapters/platform/time-limit.ts": ["SHARED_MS"],
  "src/adapters/durable/agent-health-client.ts": ["HEALTH_AGE_MS", "REFRESH_AGE_MS"],
};

const NOT_MEASURED = `What this does not measure: time; what the kernel does for a run (files, fsyncs, sockets); waiting; caches that
miss; what other objects of an isolate cost. Code is compiled and memory collected as it happens to be under Valgrind.`;

const slowed: Plugin = {
  name: "slowed",
  setup(building) {
    building.onLoad({ filter: /src\/(core|adapters)\/.*\.ts$/ }, async ({ path }) => {
      const names = Object.entries(WAITS).find(([file]) => path === join(ROOT, file))?.[1];
      if (names === undefined) return undefined;
      let contents = await readFile(path, "utf8");
      for (const name of names) {
        const found = new RegExp(`^(.*\\b${name}(?: =|:) )([\\d_]+)([;,])$`, "gm");
        if ([...contents.matchAll(found)].length !== 1) throw new Error(`${path} does not set ${name} once`);
        contents = contents.replace(
          found,
          (_all, before: string, ms: string, after: string) =>
            `${before}${Number(ms.replaceAll("_", "")) * SLOWED}${after}`,
        );
      }
      return { contents, loader: "ts" };
    });
  },
};

async function coordinatorScript(): Promise<string> {
  const { alias } = readWorkerConfig(COORDINATOR_CONFIG);
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, "src", "index.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    conditions: ["workerd", "worker", "browser"],
    alias: Object.fromEntries(Object.entries(alias).map(([name, path]) => [name, join(ROOT, path)])),
    plugins: [slowed],
  });
  return outputFiles[0]?.text ?? "";
}

function findValgrind(): void {
  const works = () => spawnSync("valgrind", ["--version"], { stdio: "ignore" }).status === 0;
  if (!works() && process.getuid?.() === 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-qq", "valgrind"], { stdio: "ignore" });
  }
  if (!works()) throw new Error("there is no valgrind here, and it cannot be installed");
}

interface Counted {
  name: string;
  script: string;
  objects: readonly (readonly [string, string])[];
  /** Prepares a server at this address; its runs. */
  runs: (url: string) => Promise<Caller> | Caller;
}

/** Millions of instructions a run. */
async function count(folder: string, agents: string, of: Counted, at: number): Promise<number> {
  const config = await writeConfig(folder, `side${at}`, of.script, agents, of.objects, SHARED);
  const out = join(folder, `counts${at}`);
  const server = await startServer(config, [
    "valgrind",
    "--tool=callgrind",
    `--callgrind-out-file=${out}`,
    "--instr-atstart=no",
    "--smc-check=all-non-file",
  ]);
  try {
    const shot = await of.runs(server.url);
    await fire(CALLERS, WARM, shot);
    await pause(3_000);
    const control = (...args: string[]) =>
      execFileSync("callgrind_control", [...args, String(server.pid)], { stdio: "ignore" });
    control("-i", "on");
    await fire(CALLERS, COUNTED, shot);
    // What a run causes after its end belongs to it.
    await pause(4_000);
    control("-i", "off");
    control("-d");
    await pause(2_000);
  } finally {
    await server.kill();
  }
  const dump = (await readdir(folder)).find((name) => name.startsWith(`counts${at}.`));
  const total = /^totals: (\d+)/m.exec(dump === undefined ? "" : await readFile(join(folder, dump), "utf8"));
  if (total === null) throw new Error(`${of.name} was not counted`);
  return Number(total[1]) / COUNTED / 1e6;
}

findValgrind();
const [floor, agents, coordinator] = await Promise.all([
  bundle("test/bench/workers/floor-worker.ts"),
  bundle("test/bench/workers/agent-worker.ts"),
  coordinatorScript(),
]);
const floorSide = (name: string, path: string): Counted => ({
  name,
  script: floor,
  objects: [["FLOOR", "FloorObject"]],
  runs: (url) => floorRun({ url }, path, FOUR),
});
let asked = 0;
const coordinatorSide = (name: string, as: "json" | "stream", defaults = false): Counted => ({
  name,
  script: coordinator,
  objects: OBJECTS,
  runs: async (url) => {
    await define({ url }, { four: FOUR }, defaults);
    if (!defaults) await configure({ url }, { enable_detailed_logging: false });
    const query = () => (defaults ? `question ${(asked += 1)}` : "a question");
    return coordinatorRun({ url }, "four", as, query);
  },
});
const sides = [
  floorSide("(b) new object, a record a stage", "durable"),
  floorSide("(c) new object, nothing stored", "empty"),
  coordinatorSide("(d) coordinator, JSON", "json"),
  coordinatorSide("(e) coordinator, stream", "stream"),
  coordinatorSide("(g) (d) with its defaults, every question new", "json", true),
];
const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-bench-"));
try {
  const counts: number[] = [];
  for (const [at, side] of sides.entries()) counts.push(await count(folder, agents, side, at));
  console.log(`\n## Instructions of a run of four instant stages, ${COUNTED} runs each\n`);
  printTable(
    ["", "millions", "of (b)"],
    sides.map(({ name }, at) => [
      name,
      (counts[at] as number).toFixed(2),
      ((counts[at] as number) / (counts[0] as number)).toFixed(2),
    ]),
  );
  console.log(`\n${NOT_MEASURED}`);
} finally {
  closeConnections();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
