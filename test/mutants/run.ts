// Mutation: plants each bug of this folder (NAME.patch, its first line says what is wrong) in a copy of the sources,
// alone, and runs the tests of core, engine, adapters and objects against it. A bug that no test notices, or a patch
// that no longer applies, fails. `npm run test:mutants [-- PART_OF_A_NAME]`.
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
const COPIED = ["package.json", "tsconfig.json", "src", "test", "fixtures"];
/** Few seeds: a bug that needs more of them is not caught by chance in CI either. */
const FEWER = { SIMULATION_RUNS: "600", DRIVER_RUNS: "200" };
const PATIENCE_MS = 120_000;

interface Hunk {
  before: string;
  after: string;
}

interface Patch {
  name: string;
  what: string;
  file: string;
  hunks: Hunk[];
}

type Verdict = { caught: true; by: string } | { caught: false; why: string };

function readPatch(name: string): Patch {
  const text = readFileSync(join(import.meta.dirname, name), "utf8");
  const [head, ...rest] = text.split(/^@@.*@@.*\n/m);
  const file = /^\+\+\+ b\/(.*)$/m.exec(head ?? "")?.[1];
  if (head === undefined || file === undefined) throw new Error(`${name} is no patch`);
  const side = (hunk: string, kept: RegExp) =>
    hunk
      .split("\n")
      .filter((line) => kept.test(line))
      .map((line) => line.slice(1))
      .join("\n");
  const hunks = rest.map((hunk) => ({ before: side(hunk, /^[ -]/), after: side(hunk, /^[ +]/) }));
  return { name: name.replace(/\.patch$/, ""), what: head.split("\n", 1)[0] as string, file, hunks };
}

/** The file with the bug in it, or null where the patch does not fit any more. */
function plant(source: string, hunks: readonly Hunk[]): string | null {
  let planted = source;
  for (const { before, after } of hunks) {
    if (planted.split(before).length !== 2) return null;
    planted = planted.replace(before, () => after);
  }
  return planted;
}

interface Report {
  success: boolean;
  testResults: { assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
}

/** Runs the tests of a copy; what the first failed one says, or null where all passed. */
async function firstFailure(copy: string): Promise<string | null> {
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const args = [
    "run",
    "--config",
    "test/vitest.config.ts",
    "--project",
    "unit",
    "--bail",
    "1",
    "--reporter",
    "json",
    "--outputFile",
    report,
  ];
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  await new Promise<void>((resolve) => {
    const options = {
      cwd: copy,
      env: { ...process.env, ...FEWER },
      timeout: PATIENCE_MS,
      maxBuffer: 1 << 28,
    };
    const which = [
      "test/core/",
      "test/engine/",
      "test/adapters/",
      "test/objects/",
      "--exclude",
      "test/core/exhaustive.test.ts",
    ];
    execFile(process.execPath, [vitest, ...args, ...which], options, () => resolve());
  });
  let told: Report;
  try {
    told = JSON.parse(readFileSync(report, "utf8")) as Report;
  } catch {
    return "the tests did not come to an end";
  }
  const failed = told.testResults
    .flatMap((file) => file.assertionResults)
    .find(({ status }) => status === "failed");
  if (failed !== undefined) return `${failed.fullName}: ${reasonOf(failed.failureMessages[0] ?? "")}`;
  if (told.success) return null;
  throw new Error("no test failed, and yet the run did: a test file could not be loaded");
}

function reasonOf(message: string): string {
  return (/(?:I\d+|metrics): [^\n]*/.exec(message)?.[0] ?? message.split("\n", 1)[0] ?? "").slice(0, 120);
}

async function judge(copy: string, patch: Patch): Promise<Verdict> {
  const path = join(copy, patch.file);
  const source = readFileSync(path, "utf8");
  const planted = plant(source, patch.hunks);
  if (planted === null) return { caught: false, why: "the patch does not apply any more" };
  writeFileSync(path, planted);
  try {
    const failure = await firstFailure(copy);
    return failure === null ? { caught: false, why: "no test noticed" } : { caught: true, by: failure };
  } finally {
    writeFileSync(path, source);
  }
}

function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), "mutants-"));
  for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

async function main(part: string): Promise<number> {
  const copy = makeCopy();
  try {
    const sound = await firstFailure(copy);
    if (sound !== null) {
      console.error(`the tests fail without any bug planted: ${sound}`);
      return 1;
    }
    const patches = readdirSync(import.meta.dirname)
      .filter((name) => name.endsWith(".patch") && name.includes(part))
      .toSorted()
      .map(readPatch);
    let caught = 0;
    for (const patch of patches) {
      const verdict = await judge(copy, patch);
      if (verdict.caught) caught += 1;
      console.log(`${verdict.caught ? "caught" : "MISSED"}  ${patch.name}: ${patch.what}`);
      console.log(`        ${verdict.caught ? verdict.by : verdict.why}`);
    }
    console.log(`${caught}/${patches.length} caught/planted`);
    return caught === patches.length && patches.length > 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv[2] ?? "");
