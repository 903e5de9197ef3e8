// The one configuration of the tests: what runs, where it is looked for, how long a test may take. What holds the
// coordinator to a second while hundreds of runs come up again has the machine to itself, behind all the others.
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const ALONE = ["test/chaos/outage.test.ts", "test/chaos/kills.test.ts"];

const shared = {
  root: join(import.meta.dirname, ".."),
  // wrangler.toml names dist/console: without it no Worker starts.
  globalSetup: ["test/support/servers/console-built.ts"],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // CI's two cores carry workerd, Chromium, Redis and the tests at once: what fails for want of time there may be
  // run again; what is wrong fails each time.
  retry: process.env["CI"] === undefined ? 0 : 2,
};

export default defineConfig({
  test: {
    // workerd and the simulations share two cores in CI.
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: "together",
          include: ["test/**/*.test.ts"],
          exclude: ALONE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "alone",
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
