// Expressions that are recorded: their CEL, read by the coordinator's own evaluator, gives what they say.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cel, celOf, type Expression, orElse, recorder } from "../../../src/client/pipeline/expression.ts";
import { type ConditionScope, evaluatePrompt } from "../../../src/core/pipeline/condition.ts";

const scope = recorder() as any;

const none: ConditionScope = { query: "q", results: {}, context: {} };

/** What an expression gives in a run with this context. */
function valueOf(expression: unknown, context: Record<string, unknown> = {}): unknown {
  const evaluated = evaluatePrompt(celOf({ value: expression }), { ...none, context });
  if (!evaluated.ok) throw new Error(JSON.stringify(evaluated.error));
  return evaluated.value["value"];
}

test.each<[string, unknown]>([
  ["results.search.passages", scope.results.search.passages],
  ['results["source-retrieval"]["a.b"]._c1', scope.results["source-retrieval"]["a.b"]._c1],
  ['context["in"]["1"]["say \\"so\\""]["null"]["é"]', scope.context.in["1"]['say "so"'].null["é"]],
  ["results.then.toString.for", scope.results.then.toString.for],
  ["query", scope.query],
  ['{"a": [1.0, "query", query], "b c": {"d": null}}', { a: [1, "query", scope.query], "b c": { d: null } }],
  ["size(results.a) > 2.0", cel`size(${scope.results.a}) > ${2}`],
  ['(query + "!") + "$"', cel`${cel`${scope.query} + "!"`} + ${"$"}`],
  ['context.?user.?name.orValue("x")', orElse(scope.context.user.name, "x")],
  ['results[?"a-b"].?c.orValue(query) + "!"', cel`${orElse(scope.results["a-b"].c, scope.query)} + "!"`],
  ["[-3.0, 0.5, 1e+21, 1e-7]", [-3, 0.5, 1e21, 1e-7]],
  // A variable is there by itself.
  ["item", orElse(scope.item, "x")],
])("%s", (text, expression) => {
  expect(celOf(expression)).toBe(text);
});

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false),
    fc.string({ unit: "binary" }),
    fc.maxSafeInteger(),
    // JSON knows no -0.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

test("a plain value is a literal", () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(valueOf(value)).toEqual(value);
    }),
  );
});

test("a path gives the member that it names, and orElse another value where there is none", () => {
  const path = fc.array(
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("in", "true", "for", "a-b")),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  fc.assert(
    fc.property(path, fc.integer({ min: -5, max: -1 }), fc.nat(9), (keys, cut, leaf) => {
      const at = (steps: readonly string[]) => steps.reduce((of, key) => of[key], scope.context);
      const context = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), leaf) as {};
      const shorter = keys
        .slice(0, cut)
        .reduceRight<Record<string, unknown>>((inner, key) => ({ [key]: inner }), {});
      expect(valueOf(at(keys), context)).toBe(leaf);
      expect(valueOf(orElse(at(keys), "other"), context)).toBe(leaf);
      expect(valueOf(orElse(at(keys), "other"), shorter)).toBe("other");
    }),
  );
});

test("a number calculates with those of data", () => {
  expect(valueOf(cel`${scope.context.n} * ${2} + ${-1}`, { n: 3 })).toBe(5);
  expect(valueOf(cel`${scope.context.list}[${orElse(scope.context.at, 1)}]`, { list: ["a", "b"] })).toBe("b");
});

test("an expression in ordinary template text is refused", () => {
  const title: Expression<string> = scope.results.a.title;
  // oxlint-disable-next-line typescript/restrict-template-expressions, typescript/no-base-to-string -- the fault itself
  expect(() => `${title}`).toThrow("cel`…`");
});
