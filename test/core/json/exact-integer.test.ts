// Integers that a double would change: whatever walks, copies, weighs, compares, stores or redacts a value keeps their
// digits.
import { describe, expect, test } from "vitest";
import { type Chunk, decodeRecords, encodeRecord } from "../../../src/adapters/log/record.ts";
import { crc32 } from "../../../src/adapters/log/crc32.ts";
import { cacheKey } from "../../../src/core/caching/cache-key.ts";
import { entryText, readEntry } from "../../../src/core/caching/cached-result.ts";
import { parseJson, pointerToExact, writeJson } from "../../../src/core/json/exact-integer.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { canonicalJson } from "../../../src/core/json/json.ts";
import { jsonPieces } from "../../../src/core/json/json-pieces.ts";
import { evaluateCondition } from "../../../src/core/pipeline/condition.ts";
import { redactValue } from "../../../src/core/security/redact.ts";
import { jsonWeight } from "../../../src/core/json/json-weight.ts";
import { jsonBytes } from "../../../src/core/json/weight.ts";

const ID = 1234567890123456789n;

test("what is read is written with the same digits", () => {
  for (const text of [
    "1234567890123456789",
    '{"a":[-9007199254740993,{"b":1e+21,"c":0.1}],"d":"1234567890123456789"}',
    '{"s":"id: 9007199254740993, as text","n":9007199254740993}',
  ]) {
    expect(JSON.stringify(parseJson(text))).toBe(text);
  }
  expect(parseJson('{"a":9007199254740992,"b":12345678901234567000}')).toEqual({
    a: 2 ** 53,
    b: 12345678901234567000,
  });
  expect(() => parseJson("[1234567890123456789")).toThrow(SyntaxError);
});

test("what no double holds is infinite, for readers to refuse", () => {
  expect(parseJson(`[1${"0".repeat(308)}]`)).toEqual([10n ** 308n]);
  expect(parseJson(`[1${"0".repeat(309)},9007199254740993]`)).toEqual([
    Number.POSITIVE_INFINITY,
    9007199254740993n,
  ]);
});

test("a text says whether it holds any", () => {
  expect(writeJson({ a: [ID] })).toEqual({ json: '{"a":[1234567890123456789]}', hasExact: true });
  expect(writeJson({ a: ["1234567890123456789", 2 ** 60] }).hasExact).toBe(false);
});

test("the first of a value has a pointer", () => {
  expect(pointerToExact({ a: [1, { "b/c": { "~": ID } }], d: ID })).toBe("/a/1/b~1c/~0");
  expect(pointerToExact(ID)).toBe("");
  expect(pointerToExact({ a: [1, null, "9007199254740993"] })).toBeNull();
});

test("canonical text, pieces and weight have the digits", () => {
  const value = { b: ID, a: { c: [ID] } };
  expect(canonicalJson(value)).toBe(`{"a":{"c":[${ID}]},"b":${ID}}`);
  expect(canonicalJson({ id: 9007199254740993n })).not.toBe(canonicalJson({ id: 2 ** 53 }));
  expect([...jsonPieces(value, 2)].join("")).toBe(`{"b":${ID},"a":{"c":[${ID}]}}`);
  expect(jsonBytes(value)).toBe(`{"b":${ID},"a":{"c":[${ID}]}}`.length);
  expect(jsonWeight([ID])).toBeGreaterThan(jsonWeight([1]));
  expect(redactValue({ a: [ID, "a secret value"] }, ["secret"])).toEqual({ a: [ID, "a [redacted] value"] });
  expect(structuredClone(value)).toEqual(value);
});

test("inputs that differ in the last digit are no hit of each other's result", () => {
  const call = {
    execution_id: "ex",
    conversation_id: "c",
    stage: "s",
    agent_type: "a",
    attempt: 1,
    query: "q",
    config: {},
    inputs: {},
    context: {},
    history: [],
    timeout_ms: 1,
  };
  const keyOf = (id: unknown) => cacheKey("t", null, { ...call, inputs: { a: { id } } }).exact;
  expect(keyOf(9007199254740993n)).not.toBe(keyOf(9007199254740992));
  expect(keyOf(9007199254740993n)).not.toBe(keyOf("9007199254740993"));
});

test("a cached result has them when it is read again", () => {
  const result = { data: { id: ID }, context: { ids: [ID] }, bytes: 10 };
  const text = entryText({ by: "ex", result, at: 1, ttl_seconds: 2 });
  expect(readEntry(text)?.result).toEqual(result);
});

describe("the log", () => {
  /** The log keeps any data as it is. */
  const event = (seq: number, data: object): LogEvent => {
    const timestamp = "2026-11-23T12:00:00.000Z";
    const logged = { execution_id: "ex", seq, timestamp, type: "stage.completed", status: "completed" };
    return { ...logged, message: "m", data } as unknown as LogEvent;
  };
  const read = (chunks: readonly Chunk[]) => [
    ...decodeRecords(
      chunks.map(({ key, bytes }) => [key, bytes] as const),
      1,
    ),
  ];
  const bodyOf = ({ bytes }: Chunk) => new TextDecoder().decode(bytes.subarray(4));

  test("has them when it is read again", () => {
    const events = [event(1, { data: { id: ID, n: 2 ** 53 } }), event(2, { data: { ids: [-ID] } })];
    expect(read(encodeRecord(events))).toEqual(events);
    expect(read(events.flatMap((each) => encodeRecord([each])))).toEqual(events);
  });

  test("marks the records that hold any, and no others", () => {
    expect(bodyOf(encodeRecord([event(1, { id: ID })])[0] as Chunk)).toContain('"exact":true');
    expect(bodyOf(encodeRecord([event(1, { id: String(ID), n: 2 ** 60 })])[0] as Chunk)).not.toContain(
      "exact",
    );
  });

  test("of an earlier version has no marks and is read as that version read it", () => {
    const body = new TextEncoder().encode(
      `{"v":1,"events":[${JSON.stringify(event(1, { n: 1e20, t: ID }))}]}`,
    );
    const bytes = new Uint8Array(4 + body.byteLength);
    new DataView(bytes.buffer).setUint32(0, crc32(body));
    bytes.set(body, 4);
    const [found] = read([{ key: "log/0000000001/0000-0001", bytes }]);
    expect(found?.data).toEqual({ n: 1e20, t: Number(ID) });
  });
});

describe("in a condition such an integer is an int", () => {
  const scope = {
    query: "q",
    results: { a: { id: ID } },
    context: { id: 9007199254740993n, n: 5, least: -(2n ** 63n), huge: 2n ** 70n },
  };

  test.each([
    ["results.a.id == 1234567890123456789", true],
    ["results.a.id == 1234567890123456788", false],
    ["context.id == 9007199254740992.0", false],
    ["context.id > context.n", true],
    ["context.id + 1 == 9007199254740994", true],
    ["9007199254740993 in [context.id]", true],
    ["string(context.id) == '9007199254740993'", true],
    ["type(context.id) == int", true],
    ["context.least < 0", true],
    // Beyond 64 bits they compare by their value.
    ["context.huge > context.id", true],
    ["context.huge == context.huge", true],
  ])("%s: %s", (expression, value) => {
    expect(evaluateCondition(expression, scope)).toEqual({ ok: true, value });
  });

  test("and to reckon beyond 64 bits is an error", () => {
    expect(evaluateCondition("context.huge + 1 > 0", scope)).toMatchObject({
      ok: false,
      error: { found: "integer overflow" },
    });
  });
});
