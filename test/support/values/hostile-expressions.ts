// Expressions that try to hold the object, to fill its memory or to crash it, and the data that they do it with: one
// stage's result of about 1 MiB each. The unit tests and the tests on workerd take the same ones.

const TEXT_CHARS = 1_000_000;
const OPENING = "renewable energy, ";

/** What each stage of this name gives. */
export const HOSTILE_DATA: Readonly<Record<string, Record<string, unknown>>> = {
  text: { text: "a".repeat(TEXT_CHARS), needle: `b${"a".repeat(30_000)}` },
  words: { text: OPENING.repeat(TEXT_CHARS / OPENING.length) },
  wide: { text: "é漢".repeat(200_000) },
  numbers: { items: Array.from({ length: 500_000 }, () => 1) },
  lists: { items: Array.from({ length: 300_000 }, () => []) },
  objects: {
    items: Array.from({ length: 20_000 }, (_, at) => ({ id: at, tags: ["x", "y"], text: `source ${at}` })),
  },
  keys: { map: Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [`k${at.toString(36)}`, 1])) },
  deep: { value: Array.from({ length: 24 }).reduce<unknown>((inner) => [inner], "a".repeat(900_000)) },
};

/** 2,000 sources as a retrieval gives them. */
export const SOURCES = Array.from({ length: 2_000 }, (_, at) => ({
  score: (at % 100) / 100,
  text: `Passage ${at} of a document on renewable energy, its cost and its limits.`,
  tags: ["energy", `t${at % 7}`],
}));

export interface HostileExpression {
  readonly name: string;
  readonly when: string;
  /**
   * `refused` when it is written; else what evaluating it gives: the cost `limit`, another `fault`, or a decision
   * (`ends`).
   */
  readonly outcome: "refused" | "limit" | "fault" | "ends";
}

/** A value bound to a name, that one four times to the next, and so on. */
const fourfold = (first: string, times: number, last: (name: string) => string) =>
  bound(
    [first, ...Array.from({ length: times }, (_, at) => Array(4).fill(`v${at}`).join(" + "))],
    last(`v${times}`),
  );

/** Values bound to v0, v1 and so on, around an expression. */
const bound = (values: readonly string[], body: string) =>
  values.reduceRight((inner, value, at) => `cel.bind(v${at}, ${value}, ${inner})`, body);

/** Lists that hold the one before eight times: few in memory, two million to a reader. Two such, side by side. */
const twice = (last: (left: string, right: string) => string) => {
  const lists = (from: number) =>
    Array.from(
      { length: 6 },
      (_, at) =>
        `[${Array(8)
          .fill(`v${from + at}`)
          .join(", ")}]`,
    );
  return bound(["[1]", ...lists(0), "[1]", ...lists(7)], last("v6", "v13"));
};

const hostile = (
  outcome: HostileExpression["outcome"],
  expressions: Readonly<Record<string, string>>,
): HostileExpression[] => Object.entries(expressions).map(([name, when]) => ({ name, when, outcome }));

export const HOSTILE_EXPRESSIONS: readonly HostileExpression[] = [
  ...hostile("refused", {
    "a literal four times, 13 times": fourfold('"aaaaaaaa"', 13, (v) => `size(${v}) > 0`),
    "the query four times, 13 times": fourfold("query", 13, (v) => `size(${v}) > 0`),
    "a list four times, 13 times": fourfold("[1, 2]", 13, (v) => `size(${v}) > 0`),
    "loops over data in loops over data":
      "results.numbers.items.all(x, results.numbers.items.exists(y, x == y))",
    "a loop over data in a filter":
      "results.numbers.items.filter(x, results.lists.items.all(y, x == y)) == []",
    "five loops over 40 literals": Array.from({ length: 5 }, (_, at) => at).reduceRight(
      (body, at) => `[${Array.from({ length: 40 }, (__, n) => n).join(",")}].all(x${at}, ${body})`,
      "x0 == x1",
    ),
    "a pattern that backtracks": 'results.text.text.matches("(a+)+$")',
    "a pattern on a data's method": 'results.text["text"].matches(results.text.text)',
    "parentheses, 2,000 deep": `${"(".repeat(2_000)}true${")".repeat(2_000)}`,
    "lists, 1,000 deep": `${"[".repeat(1_000)}${"]".repeat(1_000)} == []`,
    "4,000 signs": `${"!".repeat(4_000)}true`,
    "4,000 minus signs": `${"-".repeat(3_990)}1 == 1`,
    "a chain of &&": Array.from({ length: 500 }, () => "true").join("&&"),
    "a chain of ||": Array.from({ length: 500 }, () => "false").join("||"),
    "a chain of ternaries": `${"true ? true : ".repeat(250)}true`,
    "a chain of fields": `results${".a".repeat(1_000)} == 1`,
    "2,000 literals": `[${"1,".repeat(2_000)}] == []`,
    "500 entries": `{${Array.from({ length: 300 }, (_, at) => `"${at}":1`).join(",")}} == {}`,
    "400 unknown functions": Array.from({ length: 400 }, (_, at) => `f${at}()`).join("||"),
    "a function that does not exist": "shutdown()",
    "a macro with a shadowing name": "results.objects.items.map(true, 1) == []",
    "a number of 4,000 digits": `${"9".repeat(4_000)} == 1`,
    "a double beyond all": `1e${"9".repeat(400)} > 1.0`,
    "an unterminated string": `"${"a".repeat(4_000)}`,
    "an escape that is not a valid character": '"\\uD800" == query',
    "a reserved word": "__proto__ == null",
  }),
  ...hostile("limit", {
    "data four times, 12 times": fourfold("results.text.text", 12, (v) => `size(${v}) > 0`),
    "data four times, 12 times, and never used": fourfold("results.text.text", 12, () => "true"),
    "lists of data four times, 12 times": fourfold("results.objects.items", 12, (v) => `size(${v}) > 0`),
    "lists that hold others eight times, compared": twice((left, right) => `${left} == ${right}`),
    "lists that hold others eight times, searched": twice((left, right) => `[${left}] in [[${right}], [1]]`),
    "sums of texts in map": "results.objects.items.map(x, results.words.text + x.text).size() > 0",
    "sums of texts in filter": 'results.objects.items.filter(x, results.words.text + x.text == "") == []',
    "sums of texts in exists": 'results.objects.items.exists(x, results.words.text + x.text == "")',
    "sums of texts in all": 'results.objects.items.all(x, results.words.text + x.text != "")',
    "sums of texts in exists_one": 'results.objects.items.exists_one(x, results.words.text + x.text == "")',
    "sums of lists in all": "results.objects.items.all(x, ([1, 2, 3] + results.numbers.items) != [])",
    "in, over a long list, in a loop": "results.objects.items.exists(x, x.id in results.lists.items)",
    "in, for a text, in a loop": "results.objects.items.exists(x, x.text in results.numbers.items)",
    "contains in a loop": 'results.objects.items.exists(x, results.text.text.contains("ab"))',
    "contains of a needle that nearly fits":
      "results.objects.items.all(x, !results.text.text.contains(results.text.needle))",
    "lastIndexOf of a needle that nearly fits":
      "results.objects.items.all(x, results.text.text.lastIndexOf(results.text.needle) == -1)",
    "indexOf in a loop": 'results.objects.items.all(x, results.words.text.indexOf("limit") == -1)',
    "size of a text in a loop": "results.objects.items.all(x, size(results.wide.text) > 1)",
    "size of a map in a loop": "results.objects.items.all(x, size(results.keys.map) > 1)",
    "size of what is converted, in a loop":
      "results.objects.items.all(x, size(string(bytes(results.wide.text))) > 1)",
    "split in a loop": 'results.objects.items.all(x, results.words.text.split("zzz").size() == 1)',
    "split into a million": 'results.words.text.split(",").size() > 1',
    "split into units": 'results.text.text.split("").size() > 1',
    "join of what was split": 'results.objects.items.map(x, x.text).join(results.words.text) == ""',
    "letter case in a loop": 'results.objects.items.all(x, results.wide.text.upperAscii() != "")',
    "base64 of a text": 'bytes(results.text.text).base64() == ""',
    "hexadecimal digits of a text": 'bytes(results.text.text).hex() == ""',
    "JSON of a text": "bytes(results.words.text).json() == 1",
    "large maps compared": "results.objects.items.exists(x, results.keys.map == results.keys)",
    "long lists compared": "results.numbers.items == results.lists.items + [] || true",
    "500,000 items": "results.numbers.items.exists(x, x > 2.0)",
    "500,000 faults that are absorbed": "results.numbers.items.exists(x, x.missing.field == 1)",
    "500,000 values that are no bool": "results.numbers.items.exists(x, dyn(x))",
    "a map of 500,000": "results.numbers.items.map(x, x).size() > 0",
    "a filter of 500,000": "results.numbers.items.filter(x, true).size() > 0",
    "literals made in a loop":
      "results.numbers.items.all(x, [x, x, x, x, x, x, x, x] != [] && {'a': x, 'b': x} != {})",
    "loops over literals in a loop":
      "results.numbers.items.all(x, ![1, 2, 3].exists(y, [y].exists(z, z == 4)))",
    "loops over parts in a loop":
      "results.objects.items.all(x, !x.tags.exists(y, x.tags.exists(z, x.tags.exists(w, y == z && z == w && false))))",
    "nested bindings in a loop":
      "results.numbers.items.all(x, cel.bind(a, [x, x], cel.bind(b, [a, a], cel.bind(c, [b, b], c != [a]))))",
    "times in a loop": 'results.numbers.items.all(x, timestamp("2026-11-23T12:00:00Z") > timestamp(0))',
    "durations in a loop": 'results.numbers.items.all(x, duration("1h2m3s4ms5us6ns") > duration("1ns"))',
    "time zones in a loop": 'results.numbers.items.all(x, timestamp(0).getHours("Europe/Berlin") == 1)',
    "numbers from texts in a loop": 'results.numbers.items.all(x, double("1.5e10") + double(x) > 0.0)',
    "integers in a loop": "results.numbers.items.all(x, int(x) * 4611686018427387904 > 0)",
    "optionals in a loop":
      "results.numbers.items.all(x, optional.of(x).or(optional.none()).orValue(2.0) == 1.0)",
    "optional fields in a loop": "results.numbers.items.all(x, x.?a.?b.?c.orValue(true))",
    "deep values in a loop": "results.numbers.items.all(x, results.deep.value != [x])",
    "types in a loop": "results.numbers.items.all(x, type(x) == double)",
    "ternaries in a loop": "results.numbers.items.all(x, x > 0.0 ? x > 0.0 ? true : false : false)",
    "a cost behind ||": "results.numbers.items.exists(x, x > 2.0) || true",
    "a cost before &&": "results.numbers.items.all(x, x < 2.0) && false",
  }),
  ...hostile("fault", {
    "an overflow": "9223372036854775807 + 1 > 0",
    "the least integer negated": "-(-9223372036854775808) > 0",
    "an unsigned underflow": "1u - 2u > 0u",
    "a division by zero": "1 / 0 > 0",
    "a duration of 30,000 characters": "duration(results.text.needle) > duration('1s')",
    "a time of 30,000 characters": "timestamp(results.text.needle) > timestamp(0)",
    "a time zone of 30,000 characters": "timestamp(0).getHours(results.text.needle) == 1",
    "a number of 30,000 characters": "double(results.text.needle) > 1.0",
    "a time beyond all": "timestamp(9223372036854775807) > timestamp(0)",
    "a string of everything": "string(dyn(results)) == ''",
    "the prototype": "results.text.constructor == null",
    "a value that an optional lacks": "results.text.?missing.value() == 1",
  }),
  ...hostile("ends", {
    "ternaries, 30 deep": `${"true ? (".repeat(15)}false${") : true".repeat(15)}`,
    Unicode: `"${"\u{1f600}".repeat(500)}".size() == 500`,
    "bytes of a literal": `b"${"\\xff".repeat(900)}".size() == 900`,
    "the largest texts compared":
      "results.text.text == results.text.text && results.text.text < results.words.text",
    "an empty optional": "optional.none().orValue(false)",
    "a shadowed variable": "[1].exists(results, results == 1)",
  }),
];
