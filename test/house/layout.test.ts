// test/ follows src file by file: what src/core/resilience/breaker.ts does is tested in
// test/core/resilience/breaker.test.ts, and a part of it in breaker-PART.test.ts beside that. No folder of tests holds
// more files than a reader takes in at a glance.
import { globSync, readdirSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Real servers, pages and crashes, and what tests are made of: by subject, not by source. */
const BY_SUBJECT = ["worker", "browser", "chaos", "bench", "mutants", "support", "house", "fixtures"];
/** Tests of a whole folder of src, by the folder in which they are. */
const WHOLE = [
  "core/{properties,exhaustive,golden}.test.ts",
  "core/rules/*.test.ts",
  "core/expressions/{cost,language,parity}.test.ts",
  "engine/{properties,golden-in-flight,exact-integers}.test.ts",
  "client/{examples,package}.test.ts",
];
const MOST_FILES = 12;
/** A patch a mutant: a collection. */
const COLLECTIONS = ["mutants"];

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

test(`no folder of tests has more than ${MOST_FILES} files`, () => {
  const full = readdirSync(join(ROOT, "test"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((folder) => ({
      folder: folder.slice(join(ROOT, "test/").length).replaceAll(sep, "/"),
      files: readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).length,
    }))
    .filter(({ folder, files }) => files > MOST_FILES && !COLLECTIONS.includes(folder));
  expect(full).toEqual([]);
});
