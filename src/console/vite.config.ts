// How the page is built: src/console becomes dist/console, files of text that a browser needs nothing more for. No
// inline script, no data in attributes: the policy in public/_headers allows neither.
import { join } from "node:path";
import { defineConfig } from "vite";
import * as z from "zod";
import { PipelineStage } from "../contract/stage.ts";

const SCHEMA = "virtual:stage-schema";

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  logLevel: "warn",
  // Set explicitly: under a test NODE_ENV is another, and the page would be one with the names of its source files in
  // it.
  oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
  build: {
    outDir: join(import.meta.dirname, "../../dist/console"),
    emptyOutDir: true,
    target: "es2023",
    // What the first view needs is asked for at once. What is loaded later belongs to a view that is not open yet.
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_file, needed, { hostType }) => (hostType === "html" ? needed : []),
    },
    assetsInlineLimit: 0,
  },
  plugins: [
    {
      // What the contract's schema says of a stage's fields, for the editor's help; zod itself stays out of the page.
      name: "stage-schema",
      resolveId: (id) => (id === SCHEMA ? `\0${SCHEMA}` : null),
      load: (id) => {
        if (id !== `\0${SCHEMA}`) return null;
        const { properties } = z.toJSONSchema(PipelineStage, { io: "input", unrepresentable: "any" });
        const read = Object.entries(properties ?? {}).map(([name, rule]) => [name, summary(rule as Rule)]);
        return `export default JSON.parse(${JSON.stringify(JSON.stringify(Object.fromEntries(read)))});`;
      },
    },
  ],
});

interface Rule extends Record<string, unknown> {
  anyOf?: Rule[];
}

/** What the help says of a field's values. */
function summary({ type, minimum, maximum, const: fixed, enum: values, anyOf }: Rule): Rule {
  const own = { type, minimum, maximum, const: fixed, enum: values };
  return anyOf === undefined ? own : { ...own, anyOf: anyOf.map(summary) };
}
