// What a deployment carries: minified as `npm run deploy` minifies it. A language pack or a second copy of a library
// shows here before it shows in the start of an isolate.
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** Of which the packages that carry the product are 300 kB: Upstash's two 115, zod 100, CEL 83. */
const MOST_BYTES = 540_000;

test("the bundle is small, and holds one language of zod's messages", async () => {
  const { metafile } = await build({
    entryPoints: [join(import.meta.dirname, "..", "..", "src", "index.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["cloudflare:workers"],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const locales = inputs.map(([file]) => /zod\/v4\/locales\/(\w+)\.js$/.exec(file)?.[1]).filter(Boolean);
  // `import { z } from "zod"` brings all of them; `import * as z` is pruned.
  expect(locales).toEqual(["en"]);
  expect(output?.bytes).toBeLessThan(MOST_BYTES);
});
