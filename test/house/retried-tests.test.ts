// A test that passes only when it is run again is named at the end of the run.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

test("each test that was run again is named with its error and its outcome, and no other", async () => {
  // Below the root, so that it finds vitest.
  const folder = mkdtempSync(join(ROOT, "node_modules/.retried-"));
  try {
    writeFileSync(
      join(folder, "some.test.mjs"),
      `import { expect, test } from "vitest";
let runs = 0;
test("at once", () => {});
test("the second time", () => expect(++runs).toBe(2));
test("never", () => expect(1).toBe(2));`,
    );
    const output = await new Promise<string>((resolve) => {
      const reporter = join(ROOT, "test/support/retried-tests.ts");
      const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
      const args = ["run", "--root", folder, "--retry", "2", "--reporter", reporter];
      const options = { cwd: folder, env: { ...process.env, NO_COLOR: "1" } };
      execFile(process.execPath, [vitest, ...args], options, (_, out) => resolve(out));
    });
    const [, report = ""] = output.split("Tests that were run again: ");
    expect(report.trim().split("\n")).toEqual([
      "2",
      expect.stringMatching(
        /^ {2}some\.test\.mjs > the second time: passed after 1 more \(expected 1 to be 2/,
      ),
      expect.stringMatching(/^ {2}some\.test\.mjs > never: failed after 2 more \(expected 1 to be 2/),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
