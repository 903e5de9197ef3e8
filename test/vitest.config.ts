// The one configuration of the tests: what runs, where it is looked for, how long a test may take.
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    include: ["test/**/*.test.ts"],
    // wrangler.toml names dist/console: without it no Worker starts.
    globalSetup: ["test/support/console-built.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // workerd and the simulations share two cores in CI.
    maxWorkers: 2,
  },
});
