// Expressions beside an implementation that has nothing to do with this one (@marcbachmann/cel-js, which earlier
// versions evaluated with): random ones are parsed by both or by none, and give the same values, so that what was
// stored then means the same now.
import { Environment } from "@marcbachmann/cel-js";
import { Duration, UnsignedInt } from "@marcbachmann/cel-js/evaluator";
import {
  type Arbitrary,
  array,
  assert,
  constant,
  constantFrom,
  letrec,
  oneof,
  property,
  tuple,
} from "fast-check";
import { expect, test } from "vitest";
import { checkExpression, evaluate, parseExpression } from "../../../src/core/expressions/cel.ts";

const RUNS = 8_000;
const scope = {
  query: "renewable energy",
  results: {
    a: {
      n: 2,
      f: 1.5,
      list: [1, 2, 3],
      text: "yes",
      b: true,
      nil: null,
      objs: [
        { k: 1, t: ["x"] },
        { k: 2, t: [] },
      ],
      m: { x: 1, y: "z" },
    },
    nothing: null,
  },
  context: { locale: "en", at: "2026-11-23T12:00:00Z" },
};
const variables = { query: { kind: "string" }, results: { kind: "map" }, context: { kind: "map" } } as const;

/** It remembers every name and type that it has met: a new one from time to time. */
let theirs = environment();
let parses = 0;

function environment(): Environment {
  return new Environment({
    enableOptionalTypes: true,
    limits: { maxAstNodes: 256, maxDepth: 32, maxListElements: 64, maxMapEntries: 64, maxCallArguments: 8 },
  })
    .registerVariable("query", "string")
    .registerVariable("results", "map<string, dyn>")
    .registerVariable("context", "map<string, dyn>");
}

function parseTheirs(text: string) {
  parses += 1;
  if (parses % 2_000 === 0) theirs = environment();
  return theirs.parse(text);
}

const LITERALS = [
  '1 2 0 -3 9223372036854775807 1u 7u 1.5 0.0 1e3 0x1F "a" "yes" " x y " \'q\' r"a\\n" """t""" "\\u00e9\\n\\x41\\101"',
  'b"ab" "2026-11-23T12:00:00Z" "1h30m" true false null',
].flatMap((line) => line.match(/"[^"]*"|\S+/g) ?? []);
const NAMES =
  "query results context results.a results.a.n results.a.f results.a.list results.a.text results.a.b results.a.nil " +
  "results.a.objs results.a.m results.nothing results.missing context.locale context.at int string list " +
  "x y has(results.a) has(results.missing) has(results.a.zz) has(results.nothing.z) " +
  "has(results.a.text.q) optional.none()";
const FUNCTIONS = "size string int uint double bool type dyn bytes timestamp duration optional.of";
const METHODS =
  "size trim lowerAscii upperAscii join hasValue value getHours getFullYear getDayOfYear getSeconds getDayOfWeek " +
  "getMonth getDate hex base64 json string";
const METHODS_OF_ONE = "contains startsWith endsWith indexOf lastIndexOf split substring join at or orValue";
const MEMBERS = '.n .k .?n .?zz [0] [1] [?0] ["x"] [?"x"] .zz';
const OPERATORS = "== != < <= > >= + - * / % in && ||";
const LOOPS = "all exists exists_one map filter";
const word = (text: string) => constantFrom(...text.split(" "));

const { expression } = letrec<{ expression: string }>((tie) => {
  const e = tie("expression");
  const of = (...parts: (string | Arbitrary<string>)[]) =>
    tuple(...parts.map((part) => (typeof part === "string" ? constant(part) : part))).map((texts) =>
      texts.join(""),
    );
  const list = array(e, { maxLength: 3 }).map((items) => `[${items.join(", ")}]`);
  const map = array(of(constantFrom('"k"', '"x"', '"y"'), ": ", e), { minLength: 1, maxLength: 2 }).map(
    (entries) => `{${entries.join(", ")}}`,
  );
  const loop = of(oneof(word("results.a.list results.a.objs results.a.m [1,2,3]"), e), ".", word(LOOPS));
  return {
    expression: oneof(
      { maxDepth: 4, depthSize: "small" },
      oneof(constantFrom(...LITERALS), word(NAMES)),
      of(e, " ", word(OPERATORS), " ", e),
      of("(", e, " ", word(OPERATORS), " ", e, ")"),
      of(constantFrom("!", "-"), e),
      of("(", e, " ? ", e, " : ", e, ")"),
      list,
      map,
      of(word(FUNCTIONS), "(", e, ")"),
      of(e, ".", word(METHODS), "()"),
      of(e, ".", word(METHODS_OF_ONE), "(", e, ")"),
      of(e, ".", word("substring indexOf lastIndexOf split"), "(", e, ", ", e, ")"),
      of(e, word(MEMBERS)),
      of(loop, "(x, ", e, ")"),
      of(oneof(word("results.a.list [1,2]"), e), ".map(y, ", e, ", ", e, ")"),
      of("cel.bind(x, ", e, ", ", e, ")"),
    ),
  };
});

/** Refused here and not there: what would fail when it is evaluated, and loops that are nested over data. */
const STRICTER = /^no function|has no field|inside another loop|^\w+ over type/;

/** Where both are right, or theirs is wrong: `type(null)` has another name, "" is no number, none() is of any type. */
const DIFFERENT = /type\(|int\(|optional\.none/;

test("random expressions are accepted by both or by none, and give the same", () => {
  const counted = { same: 0, failed: 0 };
  assert(
    property(expression, (text) => {
      const parsed = attempt(() => parseTheirs(text));
      const ours = parseExpression(text);
      expect(ours.ok, text).toBe(parsed.ok);
      if (!ours.ok || !parsed.ok) return;
      const checked = attempt(() => parsed.value.check());
      const valid = checked.ok && checked.value.valid;
      const kind = checkExpression(ours.value, variables);
      if (valid && !kind.ok) expect(kind.error.message, text).toMatch(STRICTER);
      const value = attempt(() => plain(parseTheirs(text)(scope)));
      const result = evaluate(ours.value, scope);
      if (value.ok && !DIFFERENT.test(text) && (kind.ok || !STRICTER.test(kind.error.message))) {
        expect(result, text).toEqual({ ok: true, value: value.value });
        counted.same += 1;
      } else if (!value.ok && valid && value.error !== NO_JSON && !DIFFERENT.test(text)) {
        expect(result, text).toMatchObject({ ok: false });
        counted.failed += 1;
      }
    }),
    { numRuns: RUNS, seed: 7 },
  );
  expect(counted.same).toBeGreaterThan(RUNS / 20);
  expect(counted.failed).toBeGreaterThan(RUNS / 60);
});

const TOKENS =
  '( ) [ ] { } . , : ? ! - + * / % < <= > >= == != && || in a b true null 1 1.5 1e2 0x1F 2u "s" \'t\' b"x" r"y" """z""" ' +
  ".map( .exists(x, cel.bind(x, // .? [? 1. .5 1e 0x = & | # @ \\ \" ' é if __proto__ as";

test("random rows of tokens are accepted by both or by none", () => {
  const counted = { accepted: 0 };
  assert(
    property(
      array(word(TOKENS), { minLength: 1, maxLength: 8 }),
      word("_ ").map((gap) => gap.replace("_", " ")),
      (tokens, gap) => {
        const text = tokens.join(gap);
        const parsed = attempt(() => parseTheirs(text));
        expect(parseExpression(text).ok, text).toBe(parsed.ok);
        if (parsed.ok) counted.accepted += 1;
      },
    ),
    { numRuns: RUNS, seed: 7 },
  );
  expect(counted.accepted).toBeGreaterThan(RUNS / 100);
});

type Attempt<T> = { ok: true; value: T } | { ok: false; error: unknown };

function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error };
  }
}

const NO_JSON = Symbol("a value that has no JSON form");

/** One of their values as JSON. */
function plain(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (typeof value !== "object") throw NO_JSON;
  if (value instanceof UnsignedInt) return plain(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Duration) return `${Number(value.seconds) + value.nanos / 1e9}s`;
  if (Array.isArray(value)) return value.map(plain);
  const tag = Object.prototype.toString.call(value);
  if (tag === "[object optional]") {
    const optional = value as { hasValue(): boolean; value(): unknown };
    return optional.hasValue() ? plain(optional.value()) : null;
  }
  if (tag.startsWith("[object Type<")) return (value as { name: string }).name;
  if (Object.getPrototypeOf(value) !== Object.prototype) throw NO_JSON;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}
