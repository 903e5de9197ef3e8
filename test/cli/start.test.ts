// The launcher that every npm script goes through: on old versions of Node, with variables, in a shell that is killed.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runShell } from "../support/servers/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const START = join(ROOT, "src/cli/start.mjs");
const { scripts, engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  engines: { node: string };
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "start-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that prints its arguments and a variable. */
function program(name = "program.ts"): string {
  const file = join(folder, name);
  writeFileSync(
    file,
    "const words: string[] = process.argv.slice(1);\nconsole.log(JSON.stringify({ words, one: process.env.ONE }));\n",
  );
  return file;
}

describe("an old Node", () => {
  /** The launcher under this Node with another one's number. */
  function startUnder(version: string, ...args: string[]) {
    const versions = `{ ...process.versions, node: "${version}" }`;
    const disguise = `Object.defineProperty(process, "versions", { value: ${versions} })`;
    const preload = `data:text/javascript,${encodeURIComponent(disguise)}`;
    return spawnSync(process.execPath, ["--import", preload, START, ...args], { encoding: "utf8" });
  }

  test.each(["20.19.0", "22.17.1", "18.0.0", "12.22.12"])("%s is refused in one line", (version) => {
    const { status, stdout, stderr } = startUnder(version, program());
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toContain(`needs Node 22.18, this is ${version}.`);
  });

  test.each(["22.18.0", "22.21.1", "24.0.0"])("%s is not", (version) => {
    const { status, stdout, stderr } = startUnder(version, program());
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("program.ts");
  });

  test("is what package.json refuses, too", () => {
    expect(engines.node).toBe(">=22.18");
  });

  test("can read the launcher: nothing in it is newer than Node 13", async () => {
    const code = readFileSync(START, "utf8");
    const lowered = await transform(code, { target: "node13.2" });
    expect(lowered.code).toBe((await transform(code, { target: "esnext" })).code);
    expect(code).not.toMatch(/^import /m);
  });
});

test("variables come before the program, arguments after it", () => {
  const file = program();
  const output = execFileSync(process.execPath, [START, "ONE=1=one", file, "TWO=2", "--three"], {
    encoding: "utf8",
  });
  expect(JSON.parse(output)).toEqual({ words: [file, "TWO=2", "--three"], one: "1=one" });
});

test("the command of an installed package runs by its name", () => {
  const output = execFileSync(process.execPath, [START, "vitest", "--version"], { encoding: "utf8" });
  expect(output).toMatch(/^vitest\/\d/);
});

test("without a program it only looks at Node", () => {
  expect(execFileSync(process.execPath, [START], { encoding: "utf8" })).toBe("");
});

test("before npm ci it says so in one line", () => {
  mkdirSync(join(folder, "src/cli"), { recursive: true });
  const copy = join(folder, "src/cli/start.mjs");
  cpSync(START, copy);
  const { status, stderr } = spawnSync(process.execPath, [copy, program()], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toBe("The project's packages are not installed: run `npm ci` first.\n");
});

test("a program whose shell is killed ends by SIGTERM, as one that npm called itself would", async () => {
  const file = join(folder, "waits.ts");
  const mark = join(folder, "ended");
  writeFileSync(
    file,
    `import { writeFileSync } from "node:fs";
process.on("SIGTERM", () => { writeFileSync(${JSON.stringify(mark)}, ""); process.exit(0); });
setInterval(() => {}, 60_000);
console.log("ready");
`,
  );
  // A second command keeps the shell: some shells become the last one.
  const command = runShell(`"${process.execPath}" "${START}" "${file}"; true`, {
    cwd: folder,
    env: { npm_lifecycle_event: "dev" },
  });
  try {
    await command.says("ready");
    command.kill("SIGKILL");
    await command.ended;
    expect(command.left()).toEqual([]);
    expect(existsSync(mark)).toBe(true);
  } finally {
    command.destroy();
  }
});

describe("the scripts of package.json", () => {
  /** What cmd would not understand, or not as sh does. */
  const SHELL_ONLY = /\bexec\b|[$`;'\\]|^\w+=|&& *\w+=|\|/;

  test.each(Object.entries(scripts))("%s is a line that cmd and sh read alike", (_name, line) => {
    expect(line).not.toMatch(SHELL_ONLY);
    for (const command of line.split("&&").map((part) => part.trim())) {
      if (!/^node\b/.test(command)) continue;
      expect(command).toMatch(/^node src\/cli\/start\.mjs( |$)/);
      for (const [file] of command.matchAll(/\S+\.(?:ts|mjs)\b/g)) {
        expect(existsSync(join(ROOT, file)), file).toBe(true);
      }
    }
  });

  test.each(["dev", "demo", "deploy", "test"])("%s checks Node before anything else", (name) => {
    expect(scripts[name]).toMatch(/^node src\/cli\/start\.mjs /);
  });
});
