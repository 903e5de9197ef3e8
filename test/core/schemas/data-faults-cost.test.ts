// What a check may cost: hostile schemas and data are stopped at the budget, which is a fraction of a second, and
// ordinary ones over as much data as a result may have are not.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { dataFaults } from "../../../src/core/schemas/data-faults.ts";
import { schemaFaults } from "../../../src/core/schemas/schema-faults.ts";

/** Three times what the slowest takes on two busy cores; without a budget each takes minutes. */
const MOST_MS = 1_000;
const TRIES = 2;
const STOPPED = [{ pointer: "", detail: "takes too many steps to check against its schema" }];

/** The least CPU time of a few checks, in ms: other processes share the machine. */
function leastTime(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < TRIES; at += 1) {
    const before = process.cpuUsage().user;
    work();
    least = Math.min(least, (process.cpuUsage().user - before) / 1_000);
  }
  return least;
}

function wrapped(levels: number): unknown {
  let value: unknown = [];
  for (let at = 0; at < levels; at += 1) value = [value];
  return value;
}

/** Neither letter comes with a period. */
const mixed = (length: number) =>
  Array.from({ length }, (_, at) => ((Math.imul(at + 1, 2_654_435_761) >>> 13) % 2 ? "a" : "b")).join("");
const again = { items: { $ref: "#" } };
const below = { items: { $ref: "#/$defs/t" } };
const numbers = Array.from({ length: 200_000 }, (_, at) => at * 1e290);

describe("a check is stopped", () => {
  test.each<[string, Record<string, unknown>, unknown]>([
    ["of a schema that doubles at each level of the data", { allOf: [again, again] }, wrapped(30)],
    [
      "of one that does so by alternatives, and asks what they have evaluated",
      { anyOf: [{ ...again, minItems: 3 }, { ...again, minItems: 2 }, { unevaluatedItems: { $ref: "#" } }] },
      wrapped(30),
    ],
    [
      "of one that does so where nothing is said",
      { not: { $ref: "#/$defs/t" }, $defs: { t: { allOf: [below, below] } } },
      wrapped(30),
    ],
    ["of a pattern with very many sets of states", { pattern: "a[ab]{900}c" }, mixed(LIMITS.RESULT_BYTES)],
    [
      "of a pattern with many classes, each character another",
      { pattern: "(?:\\p{L}|.){900}$" },
      Array.from({ length: 65_536 }, (_, at) => String.fromCodePoint(0x4e00 + (at % 20_000))).join(""),
    ],
    [
      "of many patterns for many names",
      {
        patternProperties: Object.fromEntries(
          Array.from({ length: 400 }, (_, at) => [`a{${at % 5}}${at}`, {}]),
        ),
      },
      Object.fromEntries(numbers.slice(0, 50_000).map((_, at) => [`name${at}`, at])),
    ],
    [
      "of many required names",
      { items: { required: Array.from({ length: 1_000 }, (_, at) => `k${at}`) } },
      Array.from({ length: 10_000 }, () => ({})),
    ],
    ["of divisions of very long decimals", { items: { multipleOf: 1e-300 } }, numbers],
    [
      "of a large value among equal large values",
      { items: { anyOf: Array.from({ length: 300 }, (_, at) => ({ const: [at] })) } },
      Array.from({ length: 100 }, () => numbers.slice(0, 5_000)),
    ],
  ])("%s", (_name, schema, data) => {
    expect(schemaFaults(schema)).toEqual([]);
    expect(dataFaults(schema, data)).toEqual(STOPPED);
    expect(leastTime(() => dataFaults(schema, data))).toBeLessThan(MOST_MS);
  });
});

describe("a check comes to its end", () => {
  const words = "lorem ipsum dolor ".repeat(3);
  const records = Array.from({ length: 6_000 }, (_, at) => ({
    id: at,
    name: words,
    tags: ["a", "b"],
    at: "2026-11-27T12:00:00Z",
  }));
  const record = {
    type: "object",
    required: ["id", "name"],
    properties: {
      id: { type: "integer", minimum: 0 },
      name: { type: "string", minLength: 1, maxLength: 200, pattern: "^[a-z ]+$" },
      tags: { type: "array", items: { enum: ["a", "b"] }, uniqueItems: true },
      at: { type: "string", format: "date-time" },
    },
    additionalProperties: false,
  };
  test.each<[string, Record<string, unknown>, unknown]>([
    ["of records", { type: "array", items: record }, records],
    [
      "of the most numbers that a result may have",
      { items: { type: "integer" } },
      Array.from({ length: LIMITS.RESULT_BYTES / 2 }, () => 1),
    ],
    [
      "of a long text",
      { type: "string", minLength: 1, pattern: "^[\\s\\S]*\\S$" },
      words.repeat(LIMITS.RESULT_BYTES / words.length),
    ],
    ["of different items", { uniqueItems: true }, Array.from({ length: 150_000 }, (_, at) => at)],
    [
      "of a deep tree",
      { properties: { child: { $ref: "#" }, v: { type: "integer" } } },
      JSON.parse(`${'{"v":1,"child":'.repeat(31)}{}${"}".repeat(31)}`),
    ],
  ])("%s", (_name, schema, data) => {
    if (Array.isArray(data) && schema["uniqueItems"] === true) expect(dataFaults(schema, data)).toEqual([]);
    else expect(dataFaults(schema, data).filter(({ detail }) => detail.includes("steps"))).toEqual([]);
    expect(leastTime(() => dataFaults(schema, data))).toBeLessThan(MOST_MS);
  });

  test("of the longest chains on the deepest data, within the stack", () => {
    // With the whole and its items, each level of the data goes through as many as there may be.
    const length = LIMITS.SCHEMA_CHAIN - 2;
    const $defs: Record<string, unknown> = { d1: again };
    for (let at = 2; at <= length; at += 1) $defs[`d${at}`] = { $ref: `#/$defs/d${at - 1}` };
    const schema = { $ref: `#/$defs/d${length}`, $defs };
    expect(schemaFaults(schema)).toEqual([]);
    expect(dataFaults(schema, wrapped(LIMITS.JSON_DEPTH - 1))).toEqual([]);
  });

  test("of data that no reader gives: deeper than JSON may be", () => {
    expect(dataFaults({ items: { $ref: "#" } }, wrapped(100_000))).toEqual([
      { pointer: "", detail: "is nested too deep to check against its schema" },
    ]);
    expect(dataFaults({ uniqueItems: true }, wrapped(100_000))).toHaveLength(1);
  });
});
