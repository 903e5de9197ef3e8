// The version is written twice, in package.json for npm and in src/version.ts for the Worker: they are the same.
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { VERSION } from "../../src/version.ts";

test("the version that is answered is the package's", () => {
  expect(VERSION).toBe(manifest.version);
});
