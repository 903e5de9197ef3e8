// The reference that editors show: each export of the client and of the agent's side has a comment with an example, each
// function and method says what it takes, gives and throws, and every example compiles as a caller would write it.
import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const ENTRIES = {
  "agent-coordinator": "src/client/index.ts",
  "agent-coordinator/agent": "src/agent-sdk/define-agent.ts",
};
const files = globSync(["src/client/**/*.ts", "src/agent-sdk/*.ts"], { cwd: ROOT });
const sources = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));

const CALLS = ["conversation", "wait", "pipeline", "management"];

const DOC = String.raw`\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*`;

interface Documented {
  name: string;
  /** The comment without its stars; empty where there is none. */
  doc: string;
  /** The parameters' names, of functions and methods. */
  parameters: string[];
  isFunction: boolean;
}

/** The names that an entry exports. */
function exportsOf(entry: string): string[] {
  const source = sources.get(entry) ?? "";
  const lists = Array.from(source.matchAll(/^export (?:type )?\{([^}]*)\} from/gm), ([, list = ""]) =>
    list.split(",").map((name) => name.replace(/^\s*type\s/, "").trim()),
  );
  const own = Array.from(
    source.matchAll(/^export (?:async )?(?:class|function|interface|type|const) (\w+)/gm),
    ([, name = ""]) => name,
  );
  return [...lists.flat(), ...own].filter((name) => name !== "");
}

/** Where a name is declared, with the comment right before it. */
function declared(name: string): Documented {
  const found = [...sources.values()].flatMap((source) => [
    ...source.matchAll(
      new RegExp(
        String.raw`(?:${DOC})?^export (?:abstract )?(?:async )?(class|function|interface|type|const) ${name}\b([\s\S]*?)(?:\n\n|$(?![\s\S]))`,
        "gm",
      ),
    ),
  ]);
  // Overloads: the comment is before the first.
  const [, doc = "", kind = "", rest = ""] = found[0] ?? [];
  return { name, doc: plain(doc), isFunction: kind === "function", parameters: parametersOf(rest) };
}

/** The public methods of the client's classes, each with the comment before it or its first overload. */
function methods(): Documented[] {
  return ["client", ...CALLS.map((name) => `calls/${name}-calls`)].flatMap((file) => {
    const source = sources.get(`src/client/${file}.ts`) ?? "";
    const seen = new Set<string>();
    return Array.from(
      source.matchAll(
        new RegExp(
          String.raw`(?:${DOC})?^ {2}(?:async )?([a-z]\w+)(\((?:[^;{]|\{[^}]*\})*\): (?:Promise|AsyncGenerator)<)`,
          "gm",
        ),
      ),
    ).flatMap(([, doc = "", name = "", rest = ""]) => {
      if (seen.has(name)) return [];
      seen.add(name);
      return [{ name, doc: plain(doc), isFunction: true, parameters: parametersOf(rest) }];
    });
  });
}

/** Names of parameters: what has a type at the first level of the first parentheses. */
function parametersOf(rest: string): string[] {
  const begin = rest.indexOf("(");
  let depth = 0;
  let list = "";
  for (const sign of rest.slice(begin)) {
    // The arrow of a function type closes nothing.
    if (")}]".includes(sign) || (sign === ">" && !list.endsWith("="))) depth -= 1;
    if (depth === 0 && list !== "") break;
    if (depth === 1) list += sign;
    if ("({[<".includes(sign)) depth += 1;
  }
  return Array.from(
    list.matchAll(/(?:^|,)\s*(?:\.\.\.)?(\w*)\??\s*(?=:)/g),
    ([, name = ""]) => name || "options",
  );
}

function plain(doc: string): string {
  return doc.replaceAll(/^\s*\* ?/gm, "");
}

/** The code of the examples of a comment. */
function examplesIn(source: string): string[] {
  return Array.from(source.matchAll(new RegExp(DOC, "g")), ([, doc = ""]) => plain(doc)).flatMap((doc) =>
    doc
      .split(/^@example\s*$/m)
      .slice(1)
      .map((code) => (code.split(/^@\w+/m)[0] ?? "").trim()),
  );
}

const exported = Object.values(ENTRIES).flatMap(exportsOf);

test("the entries have the exports that these tests look for", () => {
  expect(exported.length).toBeGreaterThan(35);
  expect(exported).toEqual(
    expect.arrayContaining(["CoordinatorClient", "foldEvent", "RunView", "defineAgent", "AgentPiece"]),
  );
  expect(methods().length).toBeGreaterThan(25);
  expect(methods().map(({ name }) => name)).toEqual(
    expect.arrayContaining(["stream", "addStage", "getAlerts", "regenerate"]),
  );
  expect(declared("foldEvent").parameters).toEqual(["view", "event"]);
});

test.each(exported)("the export %s has a comment with an example", (name) => {
  const { doc } = declared(name);
  expect(doc).toMatch(/^@example\s*\n\S/m);
  expect(doc.trim().startsWith("@")).toBe(false);
});

const functions = exported.map(declared).filter(({ isFunction }) => isFunction);

test.each(functions)("the function $name says what it takes, gives and throws", ({ doc, parameters }) => {
  for (const parameter of parameters) expect(doc).toMatch(new RegExp(`^@param ${parameter} \\S`, "m"));
  expect(doc).toMatch(/^@returns \S/m);
  expect(doc).toMatch(/^@throws \S|Nothing is thrown/m);
});

test.each(methods())(
  "the method $name has a comment with an example that says what it takes",
  ({ doc, parameters }) => {
    expect(doc).toMatch(/^@example\s*\n\S/m);
    // `options` of a call alone are described once, at CallOptions.
    for (const parameter of parameters.filter((each) => each !== "options" && each !== "call"))
      expect(doc).toMatch(new RegExp(`^@param ${parameter} \\S`, "m"));
  },
);

describe("the examples", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-coordinator-examples-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** What an example uses of a package without importing it, as an import. */
  const importsFor = (code: string): string =>
    Object.entries(ENTRIES)
      .map(([from, entry]) => {
        const used = exportsOf(entry).filter(
          (name) =>
            new RegExp(`\\b${name}\\b`).test(code) && !new RegExp(`^import .*\\b${name}\\b`, "m").test(code),
        );
        return used.length === 0 ? "" : `import { ${used.join(", ")} } from "${from}";\n`;
      })
      .join("");

  async function compiled(examples: readonly string[]): Promise<string> {
    const modules = examples.map(
      (code, at) => [`example-${at}.ts`, `${importsFor(code)}${code}\nexport {};\n`] as const,
    );
    await Promise.all(modules.map(([file, code]) => writeFile(join(folder, file), code)));
    await writeFile(
      join(folder, "given.d.ts"),
      `import type { CoordinatorClient, RunView } from "agent-coordinator";
declare global {
  const client: CoordinatorClient;
  const execution_id: string;
  let view: RunView;
}
`,
    );
    const compilerOptions = {
      target: "es2024",
      lib: ["esnext", "dom", "dom.iterable"],
      module: "esnext",
      moduleResolution: "bundler",
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      paths: {
        ...Object.fromEntries(Object.entries(ENTRIES).map(([from, entry]) => [from, [join(ROOT, entry)]])),
        zod: [join(ROOT, "node_modules", "zod")],
      },
    };
    const all = ["given.d.ts", ...modules.map(([file]) => file)];
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: all }));
    return promisify(execFile)(process.execPath, [TSC, "-p", folder]).then(
      ({ stdout }) => stdout,
      (failed: { stdout: string }) => failed.stdout,
    );
  }

  test("compile", async () => {
    const examples = [...sources.values()].flatMap(examplesIn);
    expect(examples.length).toBeGreaterThan(60);
    expect(await compiled(examples)).toBe("");
  });

  test("do not compile where one is wrong", async () => {
    expect(await compiled(["const { state } = await client.getExecution(execution_id);"])).toContain(
      "'state'",
    );
  });
});
