// Builds the page from src/console into dist/console if it is missing or older than its sources, for the commands
// that serve, deploy or test it. A stamp file next to it, a hash of the inputs, shows whether it is current. The page
// is built in a temporary directory and moved into place, so that a partial page is never served.
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./config/wrangler-config.ts";

export const CONSOLE = join(ROOT, "dist/console");
const STAMP = join(ROOT, "dist/console.stamp");
/** The files of packages that the page holds, by absolute path. */
const PACKAGES = join(ROOT, "dist/console.packages.json");
const SOURCES = [
  "src/console/**/*",
  "src/client/**/*.ts",
  "src/contract/**/*.ts",
  "src/core/schemas/**/*.ts",
  "src/core/json/**/*.ts",
  "src/core/monitoring/metrics/**/*.ts",
];

/** Resolves when dist/console is the page of today's sources. */
export async function buildConsole(): Promise<void> {
  const stamp = stampOfSources();
  if (isBuilt(stamp)) return;
  const { build } = await import("vite");
  const temporary = `${CONSOLE}.${process.pid}`;
  const built = await build({
    configFile: join(ROOT, "src/console/vite.config.ts"),
    build: { outDir: temporary },
  });
  rmSync(STAMP, { force: true });
  writeFileSync(PACKAGES, JSON.stringify(filesOfPackages(built)));
  rmSync(CONSOLE, { recursive: true, force: true, maxRetries: 5 });
  renameSync(temporary, CONSOLE);
  writeFileSync(STAMP, stamp);
}

/** The files of packages that the page holds, by absolute path; of a page that has been built. */
export function consolePackages(): string[] {
  return JSON.parse(readFileSync(PACKAGES, "utf8")) as string[];
}

/** @param built what vite's build resolves to */
function filesOfPackages(built: unknown): string[] {
  const outputs = [built].flat() as {
    output: ({ type: "asset" } | { type: "chunk"; moduleIds: string[] })[];
  }[];
  const modules = outputs.flatMap(({ output }) =>
    output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : [])),
  );
  // What the bundler adds of its own has no path.
  const files = modules.filter((id) => id.includes("node_modules") && !id.startsWith("\0"));
  return files.map((id) => id.replace(/\?.*$/, "")).toSorted();
}

function isBuilt(stamp: string): boolean {
  return (
    existsSync(join(CONSOLE, "index.html")) &&
    existsSync(PACKAGES) &&
    existsSync(STAMP) &&
    readFileSync(STAMP, "utf8") === stamp
  );
}

function stampOfSources(): string {
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  const hash = createHash("sha256");
  const files = globSync(SOURCES, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  for (const file of files) hash.update(file.slice(ROOT.length)).update(readFileSync(file));
  // The versions of what it is built with.
  for (const name of ["vite", "preact", "@preact/signals", "@dagrejs/dagre", "jsonc-parser"]) {
    hash.update(readFileSync(join(ROOT, "node_modules", name, "package.json")));
  }
  return hash.digest("hex");
}

if (process.argv[1] === import.meta.filename) await buildConsole();
