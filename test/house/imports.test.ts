// The direction of imports, read from the import lines of every file under src: contract ← core ← engine ← adapters
// ← compose ← objects, http ← index, with what is beside that row; which packages may be imported where; what pure code
// may not call; no cycles. Imports of types count.
import { globSync, readdirSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { describe, expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../../src");

/** Each area with those that it may import, besides itself. A file at the top of src is an area of its own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  version: [],
  settings: ["contract", "core"],
  core: ["contract"],
  pipelines: ["contract"],
  engine: ["contract", "core"],
  adapters: ["contract", "core", "engine"],
  compose: ["contract", "core", "engine", "adapters", "pipelines", "settings", "version"],
  objects: ["contract", "core", "engine", "adapters", "compose", "settings", "pipelines", "version"],
  // Through the ports alone: what an adapter is, only compose.ts knows.
  http: ["contract", "core", "engine", "compose", "settings", "pipelines", "version"],
  index: [
    "contract",
    "core",
    "engine",
    "adapters",
    "compose",
    "settings",
    "pipelines",
    "version",
    "objects",
    "http",
  ],
  client: ["contract"],
  "agent-sdk": ["contract"],
  // Of the core only what makes forms of schemas, and the prediction of costs: CONSOLE_CORE.
  console: ["contract", "client", "core"],
  cli: ["contract", "client"],
};

const CONSOLE_CORE =
  /^core\/(?:schemas\/(?:form-fields|read-form)|monitoring\/metrics\/analysis\/predict-cost)\.ts$/;

/** Packages that one folder alone imports. */
const PACKAGE_HOMES: readonly { packages: RegExp; home: string }[] = [
  { packages: /^cloudflare:/, home: "objects/" },
  { packages: /^@upstash\//, home: "adapters/upstash/" },
  { packages: /^p-limit$/, home: "engine/" },
];

/** Folders with one file through which the rest of src uses them. */
const ONE_WAY_IN: readonly { folder: string; file: string }[] = [
  { folder: "core/expressions/", file: "core/expressions/field.ts" },
];

const PURE_AREAS: ReadonlySet<string> = new Set(["contract", "core"]);
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\b\s*\.\s*\w|\bMath\.random\b|\bcrypto\b\s*\.|\bfetch\s*\(|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bawait\b|\basync\b|\bWebSocket\b|\bprocess\b\s*\./;

type Sources = ReadonlyMap<string, string>;

function readSources(): Sources {
  const paths = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.tsx?$/.test(path),
  );
  return new Map(paths.map((path) => [path.replaceAll(sep, "/"), readFileSync(join(SRC, path), "utf8")]));
}

const STATEMENT =
  /^[ \t]*(?:import\s+(?:type\s+)?(?:[\w$*{},\s]+?\bfrom\s*)?|export\s+(?:type\s+)?(?:\*(?:\s*as\s+\w+)?|\{[^}]*\})\s*from\s*)["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g;

/** What a file imports: static, re-exported, for its effect, of types, and dynamic. */
function importsOf(source: string): string[] {
  const code = withoutComments(source);
  return [STATEMENT, DYNAMIC].flatMap((form) =>
    Array.from(code.matchAll(form), ([, specifier = ""]) => specifier),
  );
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|(^|[^:"'`])\/\/.*$/gm, "$1");
}

const areaOf = (path: string): string => (path.split("/")[0] ?? "").replace(/\.tsx?$/, "");
const targetOf = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier);

/** Everything that is wrong with the imports, one line each. */
function faults(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, source] of sources) {
    const allowed = MAY_IMPORT[areaOf(path)];
    if (allowed === undefined) found.push(`${path}: an area that the design does not know`);
    for (const specifier of importsOf(source)) {
      if (!specifier.startsWith(".")) {
        const rule = PACKAGE_HOMES.find(({ packages }) => packages.test(specifier));
        if (rule !== undefined && !path.startsWith(rule.home)) found.push(`${path}: ${specifier}`);
        continue;
      }
      const target = targetOf(path, specifier);
      if (target.startsWith("..")) found.push(`${path}: leaves src for ${specifier}`);
      else if (!sources.has(target) && /\.tsx?$/.test(target)) found.push(`${path}: no file ${target}`);
      else if (areaOf(target) !== areaOf(path) && !allowed?.includes(areaOf(target)))
        found.push(`${path}: ${areaOf(path)} imports ${areaOf(target)}`);
      else if (areaOf(path) === "console" && areaOf(target) === "core" && !CONSOLE_CORE.test(target))
        found.push(`${path}: console imports ${target}`);
      else if (isPastItsDoor(path, target)) found.push(`${path}: imports ${target}`);
    }
    const impure = PURE_AREAS.has(areaOf(path)) ? IMPURE.exec(withoutComments(source)) : null;
    if (impure !== null) found.push(`${path}: not pure: ${impure[0]}`);
  }
  return [...found, ...cycles(sources)];
}

/** A bound that every expression keeps is kept in one file: it is the only one that others import. */
function isPastItsDoor(path: string, target: string): boolean {
  return ONE_WAY_IN.some(
    ({ folder, file }) => target.startsWith(folder) && !path.startsWith(folder) && target !== file,
  );
}

function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(" → ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const specifier of importsOf(sources.get(path) ?? "")) {
      if (specifier.startsWith(".")) visit(targetOf(path, specifier), [...trail, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

describe("the imports of src", () => {
  const sources = readSources();

  test("every file is read, and imports are found in it", () => {
    expect([...sources.keys()].toSorted()).toEqual(
      globSync("**/*.{ts,tsx}", { cwd: SRC })
        .map((path) => path.replaceAll(sep, "/"))
        .toSorted(),
    );
    for (const area of ["contract", "core", "engine", "adapters", "objects", "http", "cli", "client"]) {
      const edges = [...sources]
        .filter(([path]) => areaOf(path) === area)
        .flatMap(([, text]) => importsOf(text));
      expect(edges.length, area).toBeGreaterThan(0);
    }
    expect(importsOf(sources.get("index.ts") ?? "").length).toBeGreaterThanOrEqual(3);
  });

  test("run one way, with each package in its place, pure code pure, and no cycle", () => {
    expect(faults(sources)).toEqual([]);
  });

  // The same rules over a wrong line put into a real file: each must be seen.
  test.each([
    ["contract/stage.ts", 'import type { Ports } from "../engine/ports.ts";', "contract imports engine"],
    [
      "core/json/json.ts",
      'import {\n  a,\n  b,\n} from "../../adapters/platform/system.ts";',
      "core imports adapters",
    ],
    ["engine/run/driver.ts", 'export { x } from "../../http/app.ts";', "engine imports http"],
    ["http/app.ts", 'import "../objects/execution/execution.ts";', "http imports objects"],
    ["http/context.ts", 'import type { Lru } from "../adapters/platform/lru.ts";', "http imports adapters"],
    ["client/client.ts", 'const a = await import("../core/json/json.ts");', "client imports core"],
    [
      "console/app.tsx",
      'import { decide } from "../core/execution/decide.ts";',
      "console imports core/execution/decide.ts",
    ],
    [
      "core/pipeline/validate.ts",
      'import { evaluate } from "../expressions/cel.ts";',
      "core/pipeline/validate.ts: imports core/expressions/cel.ts",
    ],
    ["cli/dev.ts", 'import { decide } from "../core/execution/decide.ts";', "cli imports core"],
    ["pipelines/rag.ts", 'import { TIMINGS } from "../core/timings.ts";', "pipelines imports core"],
    ["compose.ts", 'import { DurableObject } from "cloudflare:workers";', "compose.ts: cloudflare:workers"],
    [
      "adapters/platform/system.ts",
      'import { Redis } from "@upstash/redis";',
      "adapters/platform/system.ts: @upstash/redis",
    ],
    ["http/request/body.ts", 'import pLimit from "p-limit";', "http/request/body.ts: p-limit"],
    ["core/timings.ts", "const now = Date.now();", "not pure: Date.now"],
    ["core/timings.ts", "const luck = Math.random();", "not pure: Math.random"],
    ["contract/json.ts", 'const it = fetch("https://example.com");', "not pure: fetch("],
    ["cli/terminal/text.ts", 'import { f } from "../../../fixtures/agents/text.ts";', "leaves src"],
    ["core/timings.ts", 'import { gone } from "./gone.ts";', "no file core/gone.ts"],
    ["contract/names.ts", 'import { Name } from "./stage.ts";', "cycle: "],
  ])("a wrong line in %s is seen: %s", (path, line, fault) => {
    const before = sources.get(path);
    expect(before).toBeDefined();
    const spoilt = new Map(sources).set(path, `${line}\n${before ?? ""}`);
    expect(faults(spoilt).join("\n")).toContain(fault);
  });

  test("a file in a folder of its own making is seen", () => {
    expect(faults(new Map(sources).set("utils/misc.ts", ""))).toContain(
      "utils/misc.ts: an area that the design does not know",
    );
  });
});
