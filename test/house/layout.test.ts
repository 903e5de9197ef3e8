// test/ follows src file by file: what src/core/resilience/breaker.ts does is tested in
// test/core/resilience/breaker.test.ts, and a part of it in breaker-PART.test.ts beside that. No folder of sources or
// tests holds more files than a reader takes in at a glance.
import { globSync, readdirSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Real servers, pages and crashes, and what tests are made of: by subject, not by source. */
const BY_SUBJECT = ["worker", "browser", "chaos", "bench", "mutants", "support", "house", "fixtures"];
/** Tests of a whole folder of src, by the folder in which they are. */
const WHOLE = [
  "core/{properties,exhaustive,golden}.test.ts",
  "core/rules/*.test.ts",
  "core/expressions/{hostile,parity}.test.ts",
  "engine/{properties,golden-in-flight,exact-integers}.test.ts",
  "client/{examples,package}.test.ts",
];
const MOST_FILES = 12;
/** One noun or one mutant a file. */
const COLLECTIONS = ["src/contract", "test/mutants"];
const SOURCE = /\.(?:tsx?|mjs|css|patch)$/;

interface Layout {
  /** Files of tests, below test/. */
  tests: readonly string[];
  /** Files of src, without extension, below it. */
  sources: ReadonlySet<string>;
}

const posixPaths = (paths: readonly string[]) => paths.map((path) => path.replaceAll(sep, "/"));

function readLayout(): Layout {
  const sources = posixPaths(globSync("src/**/*.{ts,tsx,mjs}", { cwd: ROOT }));
  return {
    tests: posixPaths(globSync("test/**/*.test.ts", { cwd: ROOT })).map((path) => path.slice("test/".length)),
    sources: new Set(sources.map((path) => path.slice("src/".length).replace(/\.\w+$/, ""))),
  };
}

/** Tests that lie beside no source of theirs. */
function strays({ tests, sources }: Layout): string[] {
  return tests.filter((path) => {
    if (BY_SUBJECT.includes(path.split("/", 1)[0] ?? "")) return false;
    if (WHOLE.some((glob) => posix.matchesGlob(path, glob))) return false;
    const words = path.replace(/\.test\.ts$/, "").split("-");
    return !words.some((_, at) => sources.has(words.slice(0, at + 1).join("-")));
  });
}

describe("a file of tests", () => {
  const layout = readLayout();

  test("is where its source is", () => {
    expect(layout.tests.length).toBeGreaterThan(150);
    expect(strays(layout)).toEqual([]);
  });

  test.each([
    ["core/breaker.test.ts", true],
    ["core/resilience/breaker.test.ts", false],
    ["core/resilience/breaker-probes.test.ts", false],
    ["core/resilience/break.test.ts", true],
    ["core/resilience/gone.test.ts", true],
    ["core/simulation/spec.test.ts", true],
    ["monitoring/alerts.test.ts", true],
    ["worker/anything/at-all.test.ts", false],
  ])("%s is a stray: %s", (path, isStray) => {
    expect(strays({ ...layout, tests: [path] })).toEqual(isStray ? [path] : []);
  });
});

/** The folders below one, it included, with the number of their files. */
function foldersOf(root: string): { folder: string; files: number }[] {
  const below = readdirSync(join(ROOT, root), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll(sep, "/"));
  return [root, ...below].map((folder) => ({
    folder,
    files: readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(
      (entry) => entry.isFile() && SOURCE.test(entry.name),
    ).length,
  }));
}

test.each(["src", "test"])(`no folder of %s has more than ${MOST_FILES} files`, (root) => {
  const full = foldersOf(root).filter(({ files }) => files > MOST_FILES);
  // A collection that is not full is none.
  expect(full.map(({ folder }) => folder)).toEqual(COLLECTIONS.filter((path) => path.startsWith(root)));
});
