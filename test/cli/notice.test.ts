// The notices that `npm run build` writes: every package of every bundle is in them with its licence's text, also as
// wrangler and vite say what is bundled; a package without a licence fails the build.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { consolePackages } from "../../src/cli/console.ts";
import { noticeText, packagesOf } from "../../src/cli/notice.ts";

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);

let folder: string;
let notice: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "notice-test-"));
  await run(process.execPath, ["src/cli/build.ts"], { cwd: ROOT });
  notice = readFileSync(join(ROOT, "dist/NOTICE.txt"), "utf8");
});

afterAll(() => rmSync(folder, { recursive: true }));

/** The names of packages among files. */
const namesIn = (files: readonly string[]) =>
  new Set(files.flatMap((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.slice(1) ?? []));

/** What a package's own files say. */
function expectNoticed(name: string): void {
  const own = join(ROOT, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as {
    version: string;
    license: string;
  };
  expect(notice).toContain(`\n  ${name} ${version} (${license})\n`);
  const text = ["LICENSE", "license", "LICENSE.txt", "LICENSE.md"].flatMap((file) => {
    try {
      return [readFileSync(join(own, file), "utf8").trim()];
    } catch {
      return [];
    }
  });
  expect(text.length, name).toBeGreaterThan(0);
  expect(notice).toContain(`\n${name} ${version} (${license})\n\n${text[0]}\n`);
}

describe("the notices", () => {
  test.each([
    ["the coordinator", "wrangler.toml", "hono"],
    ["the reference agents", "fixtures/agents/wrangler.toml", "minisearch"],
  ])("name every package of %s, as wrangler bundles it", async (_, config, known) => {
    const outdir = join(folder, known);
    await run(
      process.execPath,
      ["node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--minify", "--metafile"].concat([
        "--outdir",
        outdir,
        "-c",
        config,
      ]),
      { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" } },
    );
    const { outputs } = JSON.parse(readFileSync(join(outdir, "bundle-meta.json"), "utf8")) as {
      outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
    };
    const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs));
    const names = namesIn(inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file));
    // wrangler adds a few lines of its own.
    const own = [...names].filter(
      (name) => !["wrangler", "unenv", "@cloudflare/unenv-preset"].includes(name),
    );
    expect(own).toContain(known);
    for (const name of own) expectNoticed(name);
  });

  test("name every package of the page, and what is built into one of them", () => {
    const names = namesIn(consolePackages());
    expect(names).toContain("preact");
    for (const name of [...names, "@dagrejs/graphlib"]) expectNoticed(name);
  });

  test("are served with the page", () => {
    expect(readFileSync(join(ROOT, "dist/console/NOTICE.txt"), "utf8")).toBe(notice);
  });

  test("name nothing that was replaced", () => {
    expect(notice).not.toContain("core-analytics");
  });
});

describe("a package", () => {
  const install = (name: string, manifest: object, files: Record<string, string> = {}) => {
    const own = join(folder, "node_modules", name);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, "package.json"), JSON.stringify({ name, version: "1.0.0", ...manifest }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), text);
    return join(own, "index.js");
  };
  const LICENCE = { "Licence.md": "Do as you like." };

  test("without a licence, or without its text, fails by its name", () => {
    const good = install("good", { license: "MIT" }, LICENCE);
    const none = install("none", {}, LICENCE);
    const silent = install("@scope/silent", { license: "MIT" }, { NOTICE: "only a notice" });
    expect(packagesOf([good, join(folder, "src/own.ts")])).toHaveLength(1);
    expect(() => packagesOf([good, none, silent])).toThrow(/: @scope\/silent 1\.0\.0, none 1\.0\.0$/);
  });

  test("brings what it needs, and its notice", () => {
    install("needed", { license: "ISC" }, { COPYING: "Copy." });
    install("replaced", { license: "ISC" }, LICENCE);
    const outer = install(
      "outer",
      { license: "Apache-2.0", dependencies: { needed: "1", replaced: "1", absent: "1" } },
      { LICENSE: "Apache", "NOTICE.txt": "of outer" },
    );
    const packages = packagesOf([outer], ["replaced"]);
    expect(packages.map(({ name }) => name)).toEqual(["needed", "outer"]);
    const text = noticeText([{ title: "It", packages }]);
    expect(text).toContain("It:\n  needed 1.0.0 (ISC)\n  outer 1.0.0 (Apache-2.0)\n");
    expect(text).toContain("outer 1.0.0 (Apache-2.0)\n\nApache\n\nof outer\n");
  });
});
