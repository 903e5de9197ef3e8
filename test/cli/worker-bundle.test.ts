// What a deployment carries: minified as `npm run deploy` minifies it. A language pack or a second copy of a library
// shows here before it shows in the start of an isolate.
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { COORDINATOR_CONFIG, readWorkerConfig } from "../../src/cli/config/wrangler-config.ts";

/**
 * Of which the packages that carry the product are 190 kB: Upstash's two 105, zod 60, hono 14, parser and p-limit 6; and
 * what waits for the outside needs 80: JSON Schema 31, the page of a question 13, its routes 7, callbacks and the rest 29;
 * queued runs and forks, as far as they are in the core, 15, and the places of a conversation 17;
 * the routes of forks and conversations with what they plan, the turns that are replaced and the deletion 20;
 * other people's protocols: the encoders 36, their routes with the schemas of their requests 42, agents by openai, AG-UI,
 * LangGraph, MCP and A2A of two versions 32;
 * stages with map, repeat and pipeline 29, of which what draws them 3;
 * what agents can bear and runs may cost 60, of which the config's budgets 10, costs as figures 9.
 */
const MOST_BYTES = 912_000;
const ROOT = join(import.meta.dirname, "..", "..");

test("the bundle is small, and holds one language of zod's messages", async () => {
  const { metafile } = await build({
    entryPoints: [join(ROOT, "src", "index.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["cloudflare:workers"],
    // What wrangler.toml puts in a package's place.
    alias: Object.fromEntries(
      Object.entries(readWorkerConfig(COORDINATOR_CONFIG).alias).map(([name, path]) => [
        name,
        join(ROOT, path),
      ]),
    ),
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const locales = inputs
    .map(([file]) => /zod\/v4\/locales\/(?!index)([\w-]+)\.js$/.exec(file)?.[1])
    .filter(Boolean);
  // `import { z } from "zod"` brings all of them, and zod's methods, too: schemas come from contract/zod.ts.
  expect(locales).toEqual(["en"]);
  expect(inputs.map(([file]) => file).filter((file) => /zod\/v4\/classic|core-analytics/.test(file))).toEqual(
    [],
  );
  expect(output?.bytes).toBeLessThan(MOST_BYTES);
});
