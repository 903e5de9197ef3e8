// A real browser from npm alone: the Chromium of @sparticuz/chromium with the libraries that it brings, unpacked once
// under node_modules/.cache; where there is none for this machine, the Chrome that is installed.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { onLoopback } from "../servers/loopback.ts";

const ROOT = join(import.meta.dirname, "../../..");
const CACHE = join(ROOT, "node_modules", ".cache");
const UNPACKED = join(CACHE, "agent-coordinator-chromium");

/** A headless browser, ready for pages. */
export async function startBrowser(): Promise<Browser> {
  if (process.platform !== "linux" || process.arch !== "x64") return chromium.launch({ channel: "chrome" });
  if (!existsSync(UNPACKED)) await unpack();
  return chromium.launch({
    executablePath: join(UNPACKED, "chromium"),
    args: ["--no-sandbox"],
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(UNPACKED, "al2023", "lib"),
      FONTCONFIG_PATH: join(UNPACKED, "fonts"),
    },
  });
}

/** Unpacks beside, then moves into place: whoever finds the folder finds it whole. */
async function unpack(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(`${UNPACKED}-`);
  const temporary = process.env["TMPDIR"];
  // Where the package unpacks to.
  process.env["TMPDIR"] = folder;
  try {
    const { default: packed, inflate } = await import("@sparticuz/chromium");
    const build = createRequire(import.meta.url).resolve("@sparticuz/chromium");
    await packed.executablePath();
    await inflate(join(build, "..", "..", "bin", "al2023.tar.br"));
  } finally {
    if (temporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = temporary;
  }
  // It names the folder in which a function of Lambda's would find its fonts; without fonts a page hangs.
  const fonts = join(folder, "fonts", "fonts.conf");
  const text = await readFile(fonts, "utf8");
  await writeFile(fonts, text.replaceAll(/<dir>[^<]*<\/dir>/g, `<dir>${join(UNPACKED, "fonts")}</dir>`));
  await rename(folder, UNPACKED).catch(async (cause: unknown) => {
    // Another process was faster.
    await rm(folder, { recursive: true, force: true });
    if (!existsSync(UNPACKED)) throw cause;
  });
}

/** A page of a context of its own: no storage of another test's. */
export async function openPage(browser: Browser): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext();
  return { context, page: await context.newPage() };
}

export interface Site {
  origin: string;
  close(): Promise<void>;
}

/** An origin of its own: an empty page, and these scripts by path. */
export async function startSite(scripts: Record<string, string> = {}): Promise<Site> {
  const server = createServer((request, response) => {
    const script = scripts[request.url ?? ""];
    const type = script === undefined ? "text/html" : "text/javascript";
    response.writeHead(200, { "content-type": type }).end(script ?? "<!doctype html><title>site</title>");
  });
  const { url, close } = await onLoopback(server);
  return { origin: url, close };
}
