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
    // CI's two cores carry workerd, Chromium, Redis and the tests at once: what fails for want of time there may be
    // run again; what is wrong fails each time.
    retry: process.env["CI"] === undefined ? 0 : 2,
    // workerd and the simulations share two cores in CI.
    maxWorkers: 2,
  },
});
