// The notices of third-party packages: bundling distributes a package, and its licence requires its text to go with
// it. They are made of what the bundlers say is in a bundle, so that no list can be forgotten; a package whose licence
// or licence text is missing fails the build.
import { createHash } from "node:crypto";
import { existsSync, globSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { CONSOLE, consolePackages } from "./console.ts";
import { bundleWorker, type WorkerBundle } from "./worker-bundle.ts";
import { AGENTS_CONFIG, COORDINATOR_CONFIG, ROOT } from "./config/wrangler-config.ts";

const NOTICE = join(ROOT, "dist/NOTICE.txt");
/** Served with the page. */
const SERVED = join(CONSOLE, "NOTICE.txt");
const STAMP = join(ROOT, "dist/NOTICE.stamp");
const SOURCES = ["src/**/*.{ts,tsx}", "fixtures/**/*.ts", "wrangler.toml", "fixtures/agents/wrangler.toml"];

export interface BundledPackage {
  name: string;
  version: string;
  licence: string;
  /** Of its licence and notice files. */
  texts: string[];
}

interface Part {
  title: string;
  packages: readonly BundledPackage[];
}

/** Resolves when dist/NOTICE.txt, and its copy beside the page, name what the bundles of today's sources hold. */
export async function buildNotice(): Promise<void> {
  const stamp = stampOfSources();
  const isBuilt = existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp;
  if (isBuilt && existsSync(NOTICE) && existsSync(SERVED)) return;
  const [coordinator, agents] = await Promise.all([
    bundleWorker(COORDINATOR_CONFIG),
    bundleWorker(AGENTS_CONFIG),
  ]);
  // The bundler's process would stay for as long as what is started next.
  await (await import("esbuild")).stop();
  const text = noticeText([
    { title: "The coordinator's Worker", packages: packagesIn(coordinator) },
    { title: "The console's page", packages: packagesOf(consolePackages()) },
    { title: "The reference agents' Worker", packages: packagesIn(agents) },
  ]);
  for (const file of [NOTICE, SERVED]) writeFileSync(file, text);
  writeFileSync(STAMP, stamp);
}

function packagesIn({ files, config }: WorkerBundle): BundledPackage[] {
  return packagesOf(files, Object.keys(config.alias));
}

/**
 * The packages to which files belong, by name, and those that these need: a package may be published with another one
 * built into its own files, which no bundler sees.
 * @param files by absolute path; those of no package are this project's own
 * @param replaced packages in whose place something else is bundled
 * @throws where a package names no licence, or brings no text of it
 */
export function packagesOf(files: readonly string[], replaced: readonly string[] = []): BundledPackage[] {
  const folders = new Set(files.map(packageFolder).filter((folder) => folder !== null));
  // A set's iteration reaches what is added meanwhile.
  for (const folder of folders) {
    for (const needed of neededBy(folder)) if (!replaced.includes(needed.name)) folders.add(needed.folder);
  }
  const read = Array.from(folders, readPackage).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const faults = read.filter(({ licence, texts }) => licence === "" || texts.length === 0);
  if (faults.length > 0) {
    const names = faults.map(({ name, version }) => `${name} ${version}`).join(", ");
    throw new Error(`bundled without a licence or its text: ${names}`);
  }
  return read;
}

/** The document: what is where, and each package's licence once. */
export function noticeText(parts: readonly Part[]): string {
  const all = new Map<string, BundledPackage>();
  for (const { packages } of parts) for (const one of packages) all.set(titleOf(one), one);
  const contents = parts.map(
    ({ title, packages }) => `${title}:\n${packages.map((one) => `  ${titleOf(one)}`).join("\n")}\n`,
  );
  const licences = Array.from(all, ([title, { texts }]) => `${RULE}\n${title}\n\n${texts.join("\n\n")}\n`);
  return [
    "Third-party packages that the bundles of Agent Coordinator contain, with their licences.\n",
    ...contents,
    ...licences.toSorted(),
  ].join("\n");
}

const RULE = "-".repeat(80);

function titleOf({ name, version, licence }: BundledPackage): string {
  return `${name} ${version} (${licence})`;
}

/** The innermost package's folder; null of a file that is of no package. */
function packageFolder(file: string): string | null {
  const marker = `${sep}node_modules${sep}`;
  const at = file.lastIndexOf(marker);
  if (at === -1) return null;
  const [first = "", second = ""] = file.slice(at + marker.length).split(sep);
  const name = first.startsWith("@") ? join(first, second) : first;
  return join(file.slice(0, at), "node_modules", name);
}

interface Manifest {
  name: string;
  version: string;
  license?: unknown;
  dependencies?: Record<string, string>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** The dependencies of a package where they are installed: inside of it, or beside it and what it is inside of. */
function neededBy(folder: string): { name: string; folder: string }[] {
  return Object.keys(manifestOf(folder).dependencies ?? {}).flatMap((name) => {
    for (let place = folder; ; place = dirname(place)) {
      const installed = join(place, "node_modules", name);
      if (existsSync(join(installed, "package.json"))) return [{ name, folder: installed }];
      if (place === dirname(place)) return [];
    }
  });
}

function readPackage(folder: string): BundledPackage {
  const { name, version, license } = manifestOf(folder);
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8").trim());
  const hasLicence = files.some((file) => !/^notice/i.test(file));
  return {
    name,
    version,
    licence: typeof license === "string" ? license : "",
    texts: hasLicence ? texts.filter((text) => text !== "") : [],
  };
}

/** Of what decides which packages are bundled, and in which versions. */
function stampOfSources(): string {
  const hash = createHash("sha256");
  for (const file of globSync(SOURCES, { cwd: ROOT }).toSorted()) {
    hash.update(file).update(readFileSync(join(ROOT, file)));
  }
  hash.update(readFileSync(join(ROOT, "node_modules/.package-lock.json")));
  hash.update(JSON.stringify(consolePackages()));
  return hash.digest("hex");
}
