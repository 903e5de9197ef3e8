// I15: one file sets the alarm of an execution's object. The other classes have alarms of their own.
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../../src");
const SETS = /\balarm(?:\(\))?!?\??\.set\b/;
/** Classes of other objects, and the adapter that is the port. */
const OTHERS = [
  "compose.ts",
  "objects/conversation.ts",
  "objects/delivery-queue.ts",
  "objects/execution-index/execution-index.ts",
  "objects/monitor.ts",
  "objects/result-cache/result-cache.ts",
  "objects/spending.ts",
];

function filesWith(form: RegExp): string[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && form.test(readFileSync(join(SRC, path), "utf8")))
    .map((path) => path.replaceAll(sep, "/"))
    .toSorted();
}

test("the keeper alone uses the port, and no file of an execution's object uses its storage's", () => {
  expect(filesWith(SETS)).toEqual(["engine/run/alarm-keeper.ts"]);
  expect(filesWith(/\bsetAlarm\b/)).toEqual(OTHERS);
});

test("the forms in which the alarm can be set are found", () => {
  for (const line of [
    "ports.alarm.set(at)",
    "this.alarm?.set(at)",
    "alarm().set(at)",
    "const set = alarm.set;",
  ]) {
    expect(SETS.test(line), line).toBe(true);
  }
});
