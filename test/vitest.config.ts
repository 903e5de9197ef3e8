// The one configuration of the tests: what runs, where it is looked for, how long a test may take. Three projects:
// `unit` is the quick loop (`npm run test:unit`); `servers` starts processes; `alone` holds the coordinator to a second
// while hundreds of runs come up again, and so has the machine to itself, after all the others.
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import LongestFirst from "./support/longest-first.ts";

const ALONE = ["test/chaos/outage.test.ts", "test/chaos/kills.test.ts"];
/** What starts workerd, a browser or another process, or compiles a whole program. */
const SERVERS = [
  "test/{worker,browser,chaos}/**/*.test.ts",
  "test/cli/*.test.ts",
  "test/client/{examples,package}.test.ts",
  "test/core/monitoring/metrics/exposition.test.ts",
  "test/house/retried-tests.test.ts",
];

const shared = {
  root: join(import.meta.dirname, ".."),
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // CI's two cores carry workerd, Chromium, Redis and the tests at once: what fails for want of time there may be
  // run again; what is wrong fails each time.
  retry: process.env["CI"] === undefined ? 0 : 2,
};

export default defineConfig({
  test: {
    // On two cores: most files of `servers` wait more than they compute.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./test/support/retried-tests.ts"],
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...SERVERS, ...ALONE],
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "servers",
          include: SERVERS,
          exclude: ALONE,
          // wrangler.toml names dist/console: without it no Worker starts.
          globalSetup: ["test/support/servers/console-built.ts"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "alone",
          include: ALONE,
          globalSetup: ["test/support/servers/console-built.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
