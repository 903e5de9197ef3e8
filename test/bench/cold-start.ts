// From the start of workerd to its first answer: the coordinator against the bare Worker, without Miniflare, whose own
// start would hide the difference. Two first answers: that of a run of four stages, which both can give, on storage
// that already holds the pipeline; and that of a Worker which has nothing to do yet, the coordinator's health.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fire, median, type Shot } from "./load.ts";
import { coordinatorRun, define, floorRun } from "./runs.ts";
import { OBJECTS, PLATFORM, WORKERD } from "./servers.ts";
import { chain } from "./shapes-of-runs.ts";
import { type Bench, printTable, type Verdict, atMost } from "./verdicts.ts";

const STARTS = 7;
const FOUR = chain(4);

interface Candidate {
  config: string;
  /** Its first request, to a server at this address. */
  shot: (url: string) => Shot;
  took: number[];
}

export async function compareColdStarts({ scripts, rounds }: Bench): Promise<Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-bench-"));
  try {
    const floor = await writeConfig(folder, "floor", scripts.floor, scripts.agents, [
      ["FLOOR", "FloorObject"],
    ]);
    const coordinator = await writeConfig(
      folder,
      "coordinator",
      scripts.coordinator,
      scripts.agents,
      OBJECTS,
    );
    await prepare(coordinator);
    const candidates: Record<string, Candidate> = {
      bareRun: { config: floor, shot: (url) => floorRun({ url }, "bare", FOUR)(0), took: [] },
      run: { config: coordinator, shot: (url) => coordinatorRun({ url }, "four")(0), took: [] },
      bareNothing: { config: floor, shot: (url) => floorRun({ url }, "bare", [])(0), took: [] },
      nothing: { config: coordinator, shot: (url) => ({ url: `${url}/healthz`, method: "GET" }), took: [] },
    };
    for (let start = 0; start < Math.min(STARTS, rounds * 2); start += 1) {
      for (const { config, shot, took } of Object.values(candidates)) {
        const server = await startServer(config);
        await fire(1, 1, () => shot(server.url));
        took.push(performance.now() - server.began);
        await server.kill();
      }
    }
    return report(candidates);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function report({ bareRun, run, bareNothing, nothing }: Record<string, Candidate>): Verdict[] {
  if (!bareRun || !run || !bareNothing || !nothing) return [];
  console.log(
    `\n## From starting workerd to its first answer, ms, ${run.took.length} starts each, interleaved\n`,
  );
  const line = (label: string, bare: Candidate, own: Candidate) => [
    label,
    median(bare.took).toFixed(1),
    median(own.took).toFixed(1),
    (median(own.took) / median(bare.took)).toFixed(2),
  ];
  printTable(
    ["p50", "(a)", "coordinator", "of (a)"],
    [line("a run of four stages", bareRun, run), line("no call at all; GET /healthz", bareNothing, nothing)],
  );
  const ratio = (bare: Candidate, own: Candidate) => median(own.took) / median(bare.took);
  return [
    atMost("cold start, first run: at most 1.5 of (a)'s", ratio(bareRun, run), 1.5),
    atMost("cold start, Worker alone: at most 1.5 of (a)'s", ratio(bareNothing, nothing), 1.5),
  ];
}

/** Storage with the pipeline in it, as a server has it that was only started anew. */
async function prepare(config: string): Promise<void> {
  const server = await startServer(config);
  await define(server, { four: FOUR });
  await fire(1, 3, () => coordinatorRun(server, "four")(0));
  await server.kill();
}

interface Server {
  url: string;
  /** When it was spawned, as performance.now(). */
  began: number;
  kill: () => Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

async function startServer(config: string): Promise<Server> {
  const began = performance.now();
  const child = spawn(WORKERD, ["serve", config, "--experimental", "--control-fd=3"], {
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
  return { url: `http://127.0.0.1:${port}`, began, kill };
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

/** A configuration in Cap'n Proto's text format, whose strings are JSON's for all that stands in them here. */
async function writeConfig(
  parent: string,
  name: string,
  script: string,
  agents: string,
  objects: readonly (readonly [string, string])[],
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
    ([, of]) => `(className = ${text(of)}, uniqueKey = ${text(`bench-${of}`)}, enableSql = true)`,
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
