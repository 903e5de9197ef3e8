// The documents against the repository: every invariant, file, link, npm script and section that they or the comments
// cite exists.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, matchesGlob, posix, sep } from "node:path";
import { describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "../..");
const FOLDERS = ["src", "test", "fixtures", ".github", ".ci"];
const ARCHITECTURE = "src/README.md";
const API = "src/contract/README.md";
const CONTRIBUTING = ".github/CONTRIBUTING.md";
const CHANGELOG = ".github/CHANGELOG.md";
const CI = ".github/workflows/ci.yml";
/** What says things of the repository, besides comments. */
const DOCUMENTS = ["README.md", ARCHITECTURE, API, CONTRIBUTING, CHANGELOG, ".github/SECURITY.md", CI];
const CODE = /^(?:src|test|fixtures)\/.*\.(?:tsx?|mjs)$/;

interface House {
  /** Files and folders, relative to the root. */
  paths: ReadonlySet<string>;
  /** The documents and the code, by path. */
  texts: ReadonlyMap<string, string>;
  scripts: readonly string[];
}

function readHouse(): House {
  const below = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map(
      (path) => `${folder}/${path.replaceAll(sep, "/")}`,
    ),
  );
  const top = readdirSync(ROOT);
  const read = [...DOCUMENTS, ...below.filter((path) => CODE.test(path))];
  return {
    paths: new Set([...top, ...below]),
    texts: new Map(read.map((path) => [path, readFileSync(join(ROOT, path), "utf8")])),
    scripts: Object.keys(manifest.scripts),
  };
}

const textOf = ({ texts }: House, path: string): string => texts.get(path) ?? "";
const unique = (found: Iterable<string>): string[] => [...new Set(found)];
const all = (text: string, pattern: RegExp): string[] =>
  Array.from(text.matchAll(pattern), (match) => match[1] ?? match[0]);

/** A comment of several lines as one line, since a citation may be broken. */
function unwrapped(text: string): string {
  return text.replaceAll(/\n[ \t]*(?:\/\/|\*(?!\/)|#)?[ \t]*/g, " ");
}

/** Rows of the table of invariants, by their number. */
function invariants(house: House): Map<number, string> {
  const rows = textOf(house, ARCHITECTURE).matchAll(/^\| I(\d+) \|(.*)$/gm);
  return new Map(Array.from(rows, ([, number, row = ""]) => [Number(number), row]));
}

function invariantFaults(house: House): string[] {
  const defined = invariants(house);
  const cited = [...house.texts].flatMap(([path, text]) =>
    unique(all(text, /\bI(\d{1,2})\b/g))
      .filter((number) => !defined.has(Number(number)))
      .map((number) => `${path}: I${number} is not defined in ${ARCHITECTURE}`),
  );
  const patches = [...house.paths].filter((path) => /^test\/mutants\/.*\.patch$/.test(path));
  const planted = patches.flatMap((path) =>
    all(path, /\/I(\d+)-/g).map((number) => [path, Number(number)] as const),
  );
  const orphans = planted
    .filter(([path, number]) => {
      const globs = all(defined.get(number) ?? "", /`(test\/mutants\/[^`]+)`/g);
      return !globs.some((glob) => matchesGlob(path, glob));
    })
    .map(([path, number]) => `${path}: not in the row of I${number} in ${ARCHITECTURE}`);
  const unproved = [...defined].flatMap(([number, row]) => {
    const [, , keepers = "", tests = ""] = row
      .split("|")
      .map((cell) => cell.trim())
      .toSpliced(0, 0, "");
    const kept = /`src\/[^`]+\.tsx?`/.test(keepers);
    const proved = /`test\/[^`]+\.test\.ts`/.test(tests);
    return kept && proved ? [] : [`${ARCHITECTURE}: I${number} lacks a file that keeps it or a test`];
  });
  return [...cited, ...orphans, ...unproved];
}

/** Paths below the folders, wherever a document names one; `*` is any part of a name. */
const PATH = /(?<![\w./-])(?:src|test|fixtures|\.github|\.ci)\/[\w./*-]*[\w*]/g;

function pathFaults(house: House): string[] {
  const exists = (path: string) =>
    path.includes("*") ? [...house.paths].some((known) => matchesGlob(known, path)) : house.paths.has(path);
  return DOCUMENTS.flatMap((document) => {
    const text = textOf(house, document);
    const named = unique(all(text, PATH)).map((path) => [path, path] as const);
    const linked = unique(all(text, /\]\(([^)\s]+)\)/g))
      .filter((link) => !/^(?:[a-z]+:|#)/.test(link))
      .map((link) => [link, posix.join(posix.dirname(document), link.split("#")[0] ?? "")] as const);
    return [...named, ...linked]
      .filter(([, path]) => !exists(path))
      .map(([name]) => `${document}: no file ${name}`);
  });
}

const COMMENT = /^\s*(?:\/\/|\/?\*).*$|\s\/\/ .*$/gm;
/** A file of a room, as comments name it with its folder and without `src/`. */
const ROOM_FILE =
  /(?<![\w./-])(?:contract|core|engine|adapters|objects|http|client|agent-sdk|console|cli)\/[\w./-]*\.tsx?\b/g;

/** Files that comments name; what they only show the form of is not one. */
function commentFaults(house: House): string[] {
  return [...house.texts]
    .filter(([path]) => CODE.test(path))
    .flatMap(([path, text]) => {
      const comments = all(text, COMMENT).join("\n");
      const whole = unique(all(comments, PATH)).filter((name) => /\.\w+$/.test(name) && !name.includes("*"));
      const missing = [
        ...whole.filter((name) => !house.paths.has(name)),
        ...unique(all(comments, ROOM_FILE)).filter((name) => !house.paths.has(`src/${name}`)),
      ];
      return missing.map((name) => `${path}: no file ${name}`);
    });
}

function scriptFaults(house: House): string[] {
  const named = (document: string) =>
    unique([
      ...all(unwrapped(textOf(house, document)), /\bnpm run ([a-z][\w-]*(?::[\w-]+)*)/g),
      ...all(textOf(house, document), /\bnpm (test)\b/g),
    ]);
  const unknown = DOCUMENTS.flatMap((document) =>
    named(document)
      .filter((script) => !house.scripts.includes(script))
      .map((script) => `${document}: no npm script ${script}`),
  );
  const listed = named(CONTRIBUTING);
  const missing = house.scripts
    .filter((script) => !listed.includes(script))
    .map((script) => `${CONTRIBUTING}: lacks the npm script ${script}`);
  return [...unknown, ...missing];
}

const sections = (text: string): ReadonlySet<string> => new Set(all(text, /^## (\d+)\. /gm));

/** `PATH section 1`, `PATH sections 1 and 2`, `section 1 of PATH`; without a path, what it is about is the API. */
const CITATION =
  /(?:([\w./-]+\.md)`? )?\bsections? (\d+(?:(?:, | and |, and | to )\d+)*)(?![\d.]*\.\d)(?: of `([\w./-]+\.md)`)?/g;
/** Sections of a standard are named right after it. */
const STANDARD = /(?:RFC \d+|WHATWG[ \w]*),? ?\(?$/;

function sectionFaults(house: House): string[] {
  const documents = new Map([ARCHITECTURE, API].map((path) => [path, sections(textOf(house, path))]));
  return [...house.texts].flatMap(([path, source]) => {
    const text = unwrapped(source);
    const own = documents.has(path) ? path : API;
    return Array.from(text.matchAll(CITATION)).flatMap(
      ({ 0: cited, 1: before, 2: numbers = "", 3: after, index }) => {
        if (before === undefined && STANDARD.test(text.slice(Math.max(0, index - 40), index))) return [];
        const document = after ?? before ?? own;
        const there = documents.get(document);
        if (there === undefined) return [`${path}: ${cited}: ${document} has no sections`];
        return all(numbers, /\d+/g)
          .filter((number) => !there.has(number))
          .map((number) => `${path}: no section ${number} in ${document}`);
      },
    );
  });
}

/** Documents in capitals that the repository does not have; licences are those of packages. */
function strangers(house: House): string[] {
  const known = new Set([...house.paths].map((path) => posix.basename(path)));
  return [...house.texts].flatMap(([path, text]) =>
    unique(all(text, /(?<![\w*])([A-Z]{3,}\.md)\b/g))
      .filter((name) => !known.has(name) && !/^LICEN[CS]E/.test(name))
      .map((name) => `${path}: cites ${name}, which is not in the repository`),
  );
}

function releaseFaults(house: House): string[] {
  const released = all(textOf(house, CHANGELOG), /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$/gm);
  const unpinned = all(textOf(house, CI), /uses: (\S+)/g).filter((action) => !/@v\d+$/.test(action));
  return [
    ...(released[0] === manifest.version
      ? []
      : [`${CHANGELOG}: ${manifest.version} is not its newest version`]),
    ...unpinned.map((action) => `${CI}: ${action} is not pinned to a major version`),
  ];
}

function faults(house: House): string[] {
  return [
    ...invariantFaults(house),
    ...pathFaults(house),
    ...commentFaults(house),
    ...scriptFaults(house),
    ...sectionFaults(house),
    ...strangers(house),
    ...releaseFaults(house),
  ];
}

describe("the documents", () => {
  const house = readHouse();
  const count = (find: RegExp, of = house.texts) =>
    [...of.values()].reduce((sum, text) => sum + all(unwrapped(text), find).length, 0);

  test("are there, and what is to be checked is found in them", () => {
    for (const document of DOCUMENTS) expect(existsSync(join(ROOT, document)), document).toBe(true);
    expect(invariants(house).size).toBeGreaterThanOrEqual(16);
    expect(sections(textOf(house, API)).size).toBe(16);
    expect(sections(textOf(house, ARCHITECTURE)).size).toBe(8);
    expect(count(PATH, new Map([[ARCHITECTURE, textOf(house, ARCHITECTURE)]]))).toBeGreaterThan(150);
    expect(count(CITATION)).toBeGreaterThan(60);
    expect(house.scripts.length).toBeGreaterThan(15);
  });

  test("cite nothing that does not exist", () => {
    expect(faults(house)).toEqual([]);
  });

  // The same checks over a wrong line put into a real file: each must be seen. The numbers and names are put together
  // here, so that this file cites nothing wrong itself.
  const nine = 99;
  test.each([
    ["src/core/execution/decide.ts", `// I${nine}: never`, `I${nine} is not defined`],
    [ARCHITECTURE, `I${nine} holds.`, `I${nine} is not defined`],
    [ARCHITECTURE, `| I${nine} | It holds. | – | – | – |`, `I${nine} lacks a file that keeps it or a test`],
    [ARCHITECTURE, "`src/core/execution/gone.ts`", "no file src/core/execution/gone.ts"],
    [ARCHITECTURE, "`test/mutants/gone-*.patch`", "no file test/mutants/gone-*.patch"],
    ["src/http/app.ts", "// See src/core/gone.ts.", "src/http/app.ts: no file src/core/gone.ts"],
    ["src/http/app.ts", "/**\n * Of core/gone.ts.\n */", "src/http/app.ts: no file core/gone.ts"],
    [
      "src/http/app.ts",
      `const a = 1; // ${["core", "gone.ts"].join("/")}`,
      "src/http/app.ts: no file core/gone.ts",
    ],
    ["README.md", "[gone](fixtures/corpus/gone.md)", "no file fixtures/corpus/gone.md"],
    [".github/SECURITY.md", "[gone](../GONE.txt)", "no file ../GONE.txt"],
    [API, "[gone](../gone.ts#L1)", "no file ../gone.ts#L1"],
    [CI, "      - run: .ci/gone", "no file .ci/gone"],
    [CI, "      - uses: actions/cache@main", "actions/cache@main is not pinned"],
    [CONTRIBUTING, "`npm run gone`", "no npm script gone"],
    ["README.md", "`npm run\ntest:gone`", "no npm script test:gone"],
    ["src/http/app.ts", `// ${API} section ${nine}.`, `no section ${nine} in ${API}`],
    ["src/http/app.ts", `// ${API}\n// sections 1 and ${nine}.`, `no section ${nine} in ${API}`],
    [
      "src/http/app.ts",
      `/**\n * ${ARCHITECTURE} section\n * ${nine}.\n */`,
      `no section ${nine} in ${ARCHITECTURE}`,
    ],
    ["test/core/caching/cached-result.test.ts", `// Of section ${nine}.`, `no section ${nine} in ${API}`],
    [CONTRIBUTING, `Section 2; section ${nine} of \`${API}\`.`, `no section ${nine} in ${API}`],
    [ARCHITECTURE, `See section ${nine}.`, `no section ${nine} in ${ARCHITECTURE}`],
    ["src/http/app.ts", `// fixtures/logs/README.md section ${nine}.`, "has no sections"],
    ["src/http/app.ts", `// As ${["PLAN", "md"].join(".")} has it.`, "which is not in the repository"],
    [CHANGELOG, `\n## [${nine}.0.0] - 2099-01-01\n`, "is not its newest version"],
  ])("a wrong line in %s is seen: %s", (path, line, fault) => {
    const before = house.texts.get(path);
    expect(before).toBeDefined();
    const spoilt = new Map(house.texts).set(path, `${line}\n${before ?? ""}`);
    expect(faults({ ...house, texts: spoilt }).join("\n")).toContain(fault);
  });

  test.each([
    ["a heading", API, /^## 4\. .*$/m, `no section 4 in ${API}`],
    ["an invariant", ARCHITECTURE, /^\| I7 \|.*$/m, `I7 is not defined`],
    ["an npm script", CONTRIBUTING, /^\| `npm run size` .*$/m, "lacks the npm script size"],
    ["a mutant's row", ARCHITECTURE, /`test\/mutants\/I14-\*\.patch`/, "not in the row of I14"],
  ])("%s that is taken out is missed", (_, path, taken, fault) => {
    const before = textOf(house, path);
    expect(before).toMatch(taken);
    const spoilt = new Map(house.texts).set(path, before.replace(taken, ""));
    expect(faults({ ...house, texts: spoilt }).join("\n")).toContain(fault);
  });

  test("a script or a file that is added or taken away is seen", () => {
    expect(faults({ ...house, scripts: [...house.scripts, "new"] })).toContain(
      `${CONTRIBUTING}: lacks the npm script new`,
    );
    const paths = new Set(house.paths);
    paths.delete("src/core/execution/decide.ts");
    expect(faults({ ...house, paths }).join("\n")).toContain("no file src/core/execution/decide.ts");
  });

  test("sections of a standard are not looked for here", () => {
    const line = `// RFC 9110, section ${nine}, and RFC 9110 (section ${nine}); section ${nine}.2.`;
    const spoilt = new Map(house.texts).set("src/http/app.ts", line);
    expect(sectionFaults({ ...house, texts: spoilt })).toEqual([]);
  });
});
