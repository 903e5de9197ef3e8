// Readers of metrics by Prometheus' own authors: prometheus_client's parsers (Python), of which that of OpenMetrics is
// strict, and promtool, which is strict about the older text and has an opinion on names besides. What the machine has
// is taken; else Debian's packages are unpacked once under node_modules/.cache, which needs no root and, from then on,
// no network. Where they can't be had every test that asks for them fails and says so.
// None of them minds a sample that is there twice (of two, OpenMetrics' parser drops one): familiesIn does.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TextFormat } from "../../../src/core/monitoring/metrics/exposition.ts";

export interface ReadFamily {
  /** As OpenMetrics names it: a counter's without `_total`, in both formats. */
  name: string;
  type: string;
  help: string;
  unit: string;
  samples: ReadSample[];
}

export interface ReadSample {
  name: string;
  labels: Record<string, string>;
  value: number;
  timestamp: number | null;
  exemplar: number | null;
}

const CACHE = join(import.meta.dirname, "../../../node_modules/.cache");
const UNPACKED = join(CACHE, "agent-coordinator-prometheus");
/** What is kept of each of Debian's packages: of `prometheus` (96 MB) the linter alone. */
const PACKAGES = {
  "python3-prometheus-client": "./usr/lib/python3",
  "python3-decorator": "./usr/lib/python3",
  prometheus: "./usr/bin/promtool",
};
const MODULES = join(UNPACKED, "usr", "lib", "python3", "dist-packages");
const MISSING =
  "these tests need python3 with prometheus_client, and promtool, on PATH " +
  "(apt-get install python3-prometheus-client prometheus)";

/** What prometheus_client reads in the text, or the words in which it refuses it. */
export function readMetrics(text: string, format: TextFormat): ReadFamily[] | { refused: string } {
  const script = join(import.meta.dirname, "prometheus.py");
  const { status, stdout, stderr } = run(tools().python, [script, format], text);
  if (status === 3) return { refused: stderr };
  if (status !== 0) throw new Error(`prometheus_client could not run: ${stderr}`);
  return JSON.parse(stdout) as ReadFamily[];
}

/** The families by name. @throws where prometheus_client refuses the text, or a family or a sample is there twice */
export function familiesIn(text: string, format: TextFormat): Map<string, ReadFamily> {
  const read = readMetrics(text, format);
  if ("refused" in read) throw new Error(`refused: ${read.refused}`);
  const families = new Map(read.map((family) => [family.name, family]));
  if (families.size !== read.length) throw new Error("a family twice");
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const named = new Set(series.map((line) => line.slice(0, line.lastIndexOf(" "))));
  if (named.size !== series.length) throw new Error("a sample twice");
  return families;
}

/** What `promtool check metrics` has against Prometheus text: nothing where it is "". */
export function promtoolOn(text: string): string {
  const { status, stdout, stderr } = run(tools().promtool, ["check", "metrics"], text);
  // 1 where it can't be parsed, 3 where it is parsed and not liked.
  if (status !== 0 && status !== 1 && status !== 3) throw new Error(`promtool could not run: ${stderr}`);
  const said = `${stdout}${stderr}`.trim();
  if ((status === 0) !== (said === "")) throw new Error(`promtool ended with ${status} and said: ${said}`);
  return said;
}

interface Tools {
  python: string;
  promtool: string;
}

let found: Tools | null = null;

function tools(): Tools {
  found ??= (existsSync(UNPACKED) ? null : onMachine()) ?? unpacked();
  return found;
}

function onMachine(): Tools | null {
  const promtool = works("promtool", ["--version"]);
  const python = pythonWith("prometheus_client.openmetrics.parser");
  return promtool && python !== null ? { python, promtool: "promtool" } : null;
}

function unpacked(): Tools {
  if (!existsSync(UNPACKED)) unpack();
  let python = pythonWith("prometheus_client.openmetrics.parser");
  if (python === null && process.getuid?.() === 0 && pythonWith("http.server") === null) {
    aptGet(["update", "-qq"], CACHE);
    aptGet(["install", "-y", "-qq", "python3"], CACHE);
    python = pythonWith("prometheus_client.openmetrics.parser");
  }
  const promtool = join(UNPACKED, "usr", "bin", "promtool");
  if (python === null || !works(promtool, ["--version"])) throw new Error(MISSING);
  return { python, promtool };
}

/** The one on PATH may be a version manager's, which does not see what Debian installed for its own. */
function pythonWith(module: string): string | null {
  return ["python3", "/usr/bin/python3"].find((name) => works(name, ["-c", `import ${module}`])) ?? null;
}

/** Unpacks beside, then moves into place: whoever finds the folder finds it whole. */
function unpack(): void {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(`${UNPACKED}-`);
  try {
    const download = ["download", "-qq", ...Object.keys(PACKAGES)];
    let got = aptGet(download, folder);
    if (got.status !== 0) {
      // A machine that has no lists of packages yet, or old ones: root may fetch them.
      aptGet(["update", "-qq"], folder);
      got = aptGet(download, folder);
    }
    if (got.status !== 0) throw new Error(`${MISSING}: ${got.error?.message ?? got.stderr}`);
    for (const [name, kept] of Object.entries(PACKAGES)) {
      const file = readdirSync(folder).find((at) => at.startsWith(`${name}_`)) ?? name;
      const archive = spawnSync("dpkg-deb", ["--fsys-tarfile", file], {
        cwd: folder,
        maxBuffer: 1024 * 1024 * 1024,
      });
      const taken = spawnSync("tar", ["-x", kept], { cwd: folder, input: archive.stdout });
      if (archive.status !== 0 || taken.status !== 0)
        throw new Error(`${MISSING}: ${file} can't be unpacked`);
      rmSync(join(folder, file));
    }
    renameSync(folder, UNPACKED);
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true });
    // Another process may have been faster.
    if (!existsSync(UNPACKED)) throw cause;
  }
}

function works(command: string, args: string[]): boolean {
  return run(command, args, "").status === 0;
}

function run(command: string, args: string[], input: string): SpawnSyncReturns<string> {
  const env = { ...process.env, PYTHONPATH: MODULES, PYTHONDONTWRITEBYTECODE: "1" };
  return spawnSync(command, args, { input, env, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
}

function aptGet(args: string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync("apt-get", args, { cwd, encoding: "utf8" });
}
