// The native protocol's answers: what they are read as, and their sizes.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { outcomeOf } from "../../../src/adapters/agents/answer.ts";
import { parseAnswer } from "../../../src/adapters/agents/native.ts";
import { LIMITS } from "../../../src/contract/limits.ts";

/** UTF-8 bytes of an answer's parts, as they are written again. */
function weight({ data, context, usage }: { data: unknown; context?: unknown; usage?: unknown }): number {
  const parts = [data, context, usage].filter((part) => part !== undefined);
  return parts.reduce<number>((sum, part) => sum + Buffer.byteLength(JSON.stringify(part)), 0);
}

describe("an answer weighs the UTF-8 bytes of what is kept of it", () => {
  test.each([
    '{"data":{}}',
    '{"data":{"a":"ascii"},"context":{"k":1},"usage":{"tokens":1}}',
    '{"data":{"a":"漢字"}}',
    '{"data":{"a":"\\u6f22\\u0061\\ud83e\\udd81"}}',
    '{"data":{"a":"\\ud83e"}}',
    '{"data":{"n":1e20,"m":1.0,"o":1E-7,"p":-0}}',
    '{"data":{"a":1,"a":2}}',
    '{"data":{"a":1},"other":"not kept","context":null,"usage":{"note":"not kept","model":"m"}}',
    `   {\n"data"  : {"a" : [ 1 , 2 ]}${" ".repeat(10_000)}}`,
    JSON.stringify({ data: { text: "漢".repeat(100_000) } }),
  ])("%#", (text) => {
    const outcome = outcomeOf(parseAnswer(text, 200));
    if (!outcome.ok) throw new Error(JSON.stringify(outcome.failure));
    expect(outcome.bytes).toBe(weight(outcome.answer));
  });

  test("of any value", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 })), (data) => {
        const outcome = outcomeOf(parseAnswer(JSON.stringify({ data }), 200));
        // Keys that could change a prototype are refused.
        fc.pre(outcome.ok);
        expect(outcome.ok && outcome.bytes).toBe(Buffer.byteLength(JSON.stringify(data)));
      }),
    );
  });

  test("and is too large beyond 1 MiB of them, whichever part holds them", () => {
    const fits = {
      data: { t: "漢".repeat(100_000) },
      context: { c: "x".repeat(400_000) },
      usage: { model: "" },
    };
    const rest = LIMITS.RESULT_BYTES - weight(fits);
    for (const [extra, ok] of [
      [rest, true],
      [rest + 1, false],
    ] as const) {
      const text = JSON.stringify({ ...fits, usage: { model: "m".repeat(extra) } });
      const outcome = outcomeOf(parseAnswer(text, 200));
      expect(outcome.ok).toBe(ok);
      if (!outcome.ok) {
        expect(outcome.failure).toEqual({
          kind: "result_too_large",
          limit_bytes: LIMITS.RESULT_BYTES,
          bytes: LIMITS.RESULT_BYTES + 1,
        });
      }
    }
  });
});

test("an answer whose data or context has an object of too many members is refused where it is", () => {
  const members = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 1]));
  const read = (answer: object) => outcomeOf(parseAnswer(JSON.stringify(answer), 200));
  expect(read({ data: { found: [members(LIMITS.MEMBERS)] } }).ok).toBe(true);
  const wide = members(LIMITS.MEMBERS + 1);
  for (const [answer, pointer] of [
    [{ data: { found: [wide] } }, "/data/found/0"],
    [{ data: {}, context: wide }, "/context"],
  ] as const) {
    const detail = `${pointer} has more than ${LIMITS.MEMBERS} members`;
    expect(read(answer)).toEqual({ ok: false, failure: { kind: "contract", detail, status: 200 } });
  }
});

describe("an answer is invalid", () => {
  test.each([
    ['{"context":{}}', "/data"],
    ['{"data":null}', "/data"],
    ['{"data":[1]}', "/data"],
    ["[]", ""],
    ["null", ""],
    ['{"data":12345678901234567890}', "/data"],
    [`{"data":{"n":1${"0".repeat(309)}}}`, "/data/n is not a finite number"],
  ])("%s", (text, detail) => {
    const read = parseAnswer(text, 200);
    expect(read).toMatchObject({ ok: false, error: { kind: "contract", status: 200 } });
    expect(!read.ok && read.error.kind === "contract" && read.error.detail).toContain(detail);
  });
});
