// The summary of an execution that has ended: what it cost, where that is known.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { closing } from "../../../src/cli/terminal/ending.ts";
import type { Execution } from "../../../src/client/index.ts";

const execution = JSON.parse(readFileSync("fixtures/logs/v2-completed.execution.json", "utf8")) as Execution;

test.each([
  [{ cost_usd: 0.0421 }, ", cost $0.0421"],
  [{ cost_usd: 0.25, unpriced_tokens: 8 }, ", cost at least $0.25"],
  [{ cost_usd: null, unpriced_tokens: 8 }, ", cost unknown"],
  [{ output_tokens: 8 }, ""],
])("the usage %j is shown as %j", (usage, words) => {
  const { summary } = closing({ ...execution, usage });
  expect(
    summary.replace(/^.*in the coordinator(?:, \d+ (?:retry|retries))?(?:, .*from the cache)?/, ""),
  ).toBe(words);
});
