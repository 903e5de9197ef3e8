// Results of up to 16 MB, the most that a run may hold, and expressions that try to hold the object with them: the
// hundred thousand objects, the long texts, the deep nesting and the wide maps that a run's agents can build together.
// The unit tests and the benchmark of expressions take the same ones.

/** Each of a stage's results, made when it is first read; as they are parsed from JSON. */
const MAKERS: Readonly<Record<string, () => unknown>> = {
  objects: () => ({
    items: many(100_000, (at) => ({
      id: at,
      a: `k${at}`,
      b: `l${at}`,
      n: at / 7,
      tags: ["x", "y"],
      text: `source ${at} ${"z".repeat(60)}`,
    })),
  }),
  texts: () => ({ a: "a".repeat(8_000_000), b: "a".repeat(8_000_000) }),
  texts2: () => ({ words: "renewable energy, ".repeat(440_000), spaces: " ".repeat(8_000_000) }),
  wide: () => ({ text: "é漢".repeat(1_500_000) }),
  million: () => ({ text: "a".repeat(1_000_000), almost: `${"a".repeat(999_999)}b` }),
  needles: () => ({
    last: `${"a".repeat(199)}b`,
    middle: `${"a".repeat(100)}b${"a".repeat(99)}`,
    periods: "ab".repeat(100),
    long: `${"a".repeat(15_000)}b`,
    number: `1${"0".repeat(300)}e-300`,
    digits: "9".repeat(128),
    hours: `${"9".repeat(127)}h`,
  }),
  deep: () => {
    const [list, map] = [nested((inner) => [inner]), nested((inner) => ({ a: inner }))];
    return { list, lists: list, map, maps: map };
  },
  keys: () => ({ map: keyed(40_000, (at) => `${at.toString(36)}x`) }),
  sparse: () => ({ items: many(8_000, (at) => keyed(64, (key) => `${at * 7 + key * 40_000_001}`)) }),
  named: () => ({ items: many(8_000, (at) => keyed(64, (key) => `k${at * 7 + key * 40_000_001}`)) }),
  decimals: () => ({ items: many(100_000, (at) => 1 / (at + 3)) }),
  halves: () => ({ text: "\ud83d".repeat(1_000_000), controls: "\u0001".repeat(1_000_000) }),
  controls: () => ({ text: "ctl\u0001".repeat(250_000) }),
};

/** Integers of 300 digits, which JSON.parse alone does not keep. */
const digits = () => ({ items: many(50_000, (at) => 10n ** 300n - BigInt(at)) });

const made = new Map<string, unknown>([["digits", digits()]]);

/** The results that an expression names. */
export function grownResults(text: string): Record<string, unknown> {
  const named = ["digits", ...Object.keys(MAKERS)].filter((name) => text.includes(`results.${name}`));
  return Object.fromEntries(named.map((name) => [name, grown(name)]));
}

function grown(name: string): unknown {
  const known = made.get(name) ?? JSON.parse(JSON.stringify(MAKERS[name]?.()));
  made.set(name, known);
  return known;
}

function many<T>(count: number, make: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

function keyed(count: number, key: (at: number) => string): Record<string, number> {
  return Object.fromEntries(many(count, (at) => [key(at), 1]));
}

function nested(around: (inner: unknown) => unknown): unknown {
  return many(1_000, () => null).reduce<unknown>(around, 1);
}

/** Values bound to v0, v1 and so on, around an expression. */
const bound = (values: readonly string[], body: string) =>
  values.reduceRight((inner, value, at) => `cel.bind(v${at}, ${value}, ${inner})`, body);
const row = (count: number, text: string) => `[${many(count, () => text).join(",")}]`;
/** A value 8^6 times, in lists of lists that take no memory. */
const power = (value: string) => bound([value, ...many(6, (at) => row(8, `v${at}`))], "v6");
const five = (text: string) => `${row(5, text)} == []`;
/** Whether one of the objects satisfies a predicate: it never does. */
const any = (predicate: string) => `results.objects.items.exists(x, ${predicate})`;
const ZONES =
  "Europe/Berlin Asia/Tokyo America/New_York Africa/Cairo Australia/Sydney Pacific/Auckland America/Sao_Paulo Asia/Kolkata Europe/Moscow America/Anchorage Asia/Dubai Africa/Lagos America/Lima Asia/Seoul Europe/Paris America/Bogota Asia/Manila Pacific/Fiji Atlantic/Azores".split(
    " ",
  );

export interface GrownExpression {
  readonly name: string;
  readonly text: string;
  /** How evaluating it ends: at a limit (of steps, of a text, a list, a comparison or the result), in a fault or a value. */
  readonly outcome: "steps" | "text" | "list" | "comparison" | "result" | "fault" | "ends";
}

const ending = (
  outcome: GrownExpression["outcome"],
  expressions: Readonly<Record<string, string>>,
): GrownExpression[] => Object.entries(expressions).map(([name, text]) => ({ name, text, outcome }));

export const GROWN_EXPRESSIONS: readonly GrownExpression[] = [
  ...ending("steps", {
    "keys of many small maps": "results.named.items.all(x, size(x) > 1)",
    "numeric keys of many maps": "results.sparse.items.all(x, size(x) > 1)",
    "numeric keys of one map, many times": "results.sparse.items.all(x, size(results.sparse.items[0]) > 1)",
    "loops over numeric keys": "results.sparse.items.all(x, x.all(y, true))",
    "maps with numeric keys, handed on": "results.sparse.items",
    "a wide map, many times": "results.objects.items.all(x, size(results.keys.map) > 1)",
    "times, handed on": power("timestamp(1)"),
    "durations, handed on": power("duration('-90000h1.000000001s')"),
    "integers, handed on": power("9223372036854775807"),
    "unsigned integers, handed on": power("18446744073709551615u"),
    "empty bytes, handed on": power("b''"),
    "maps, handed on": power("{'a': 1, 'b': 2, 'c': 3}"),
    "integers of 300 digits multiplied": "results.digits.items.exists(x, x * x > 1)",
    "integers of 300 digits divided": "results.digits.items.exists(x, x / 3 > 1)",
    "integers of 300 digits as texts": "results.digits.items.all(x, string(x) != '')",
    "integers of 300 digits as keys": "results.digits.items.all(x, {x: 1} != {})",
    "integers of 300 digits as doubles": "results.digits.items.all(x, double(x) > 1.0)",
    "a text of 8 MB, handed on": "results.texts.a",
    "names of ever new texts, handed on":
      "results.objects.items.filter(x, x.id < 9000.0).map(x, {x.a: x.text})",
    "maps of ever new names": "results.objects.items.all(x, {x.a: 1, x.b: 1} != {})",
    "maps of ever new numbers": "results.objects.items.all(x, {x.n: 1, x.id * 40000.0: 2} != {})",
    "a needle that differs at its end": five("results.million.text.contains(results.needles.last)"),
    "a needle that differs in its middle": five("results.million.text.contains(results.needles.middle)"),
    "a needle of periods": five("results.million.text.contains(results.needles.periods)"),
    "a short needle": five("results.million.text.contains('aab')"),
    "characters of 8 MB": "size(results.texts.a) > 1",
    "spaces of 8 MB": "results.texts2.spaces.trim() == ''",
    "8 MB split": "results.texts2.words.split(',').size() > 1",
    "8 MB searched": "results.texts.a.contains('b')",
    "8 MB searched backwards": "results.texts.a.lastIndexOf('b') > 1",
    "8 MB as a key": "results.texts.a in results",
    "8 MB compared, four times": `${row(4, "results.texts.a == results.texts.b")} == []`,
    "8 MB as bytes": "bytes(results.wide.text).size() > 1",
    "ever new long texts, read as booleans": any(
      "bool(results.million.text.substring(int(x.id), int(x.id) + 16383))",
    ),
    "ever new long texts as keys": any(
      "{results.million.text.substring(int(x.id), int(x.id) + 16383): 1} == {}",
    ),
    "ever new short texts as keys": any(
      "results.million.text.substring(int(x.id), int(x.id) + 60) in results",
    ),
    "backwards from a position":
      "results.objects.items.all(x, results.million.text.lastIndexOf('b', 64) < 1)",
    "sums of short texts": any("(x.text + x.a + x.b).startsWith('q')"),
    "an object sought among 100,000, for each":
      "results.objects.items.all(x, {'id': 1} in results.objects.items)",
    "loops over parts": any("x.tags.exists(t, t == 'z')"),
    "loops over literals, in each other": any(
      "[1,2,3,4,5,6,7,8].exists(a, [1,2,3,4,5,6,7,8].exists(b, a + b == 99))",
    ),
    "faults that are absorbed": any("x.a.b.c.d == 1 || x.a / 2 == 1 || x.zzz > 1"),
    "calls of functions": any("size(x.tags) == 3 || size(x.a) == 99 || x.a.startsWith('z')"),
    "calls that no function takes": any("x.n.contains('a') || dyn(x.n).size() > 1"),
    "kinds of values": any("type(x.n) == type(x.a) && type(x) == list"),
    optionals: any("x.?a.?b.?c.?d.hasValue() || x[?'a'].or(optional.of(x.b)).orValue('c') == 'd'"),
    "times that are read": any("timestamp('2026-11-23T12:00:00Z').getDayOfYear() == 400"),
    "times that are none": any("timestamp('2026-99-23T12:00:00.000+01') > timestamp(0)"),
    "parts of times": any("timestamp(0).getFullYear() == 1 || timestamp(0).getDayOfYear() == 999"),
    "durations without a unit": any("duration(results.needles.digits) > duration('1s')"),
    "durations of 127 digits": any("duration(results.needles.hours) < duration('1s')"),
    "numbers of 300 digits": any("double(results.needles.number) > 2.0"),
    "short texts split and joined": any("x.text.split('').join('-') == ''"),
    "short texts in capitals": any("x.text.upperAscii() == ''"),
    "short texts as digits": any("bytes(x.text).hex() == '' || bytes(x.text).base64() == ''"),
    "JSON that is none": any("b'['.json() == 1 || b'x'.json() == 1"),
    "short bytes compared": any("bytes(x.text) == bytes(x.a) || b'abc'.at(1) == 3"),
    "numbers converted": any("int(x.n) * 3 / 2 % 7 == 99 || double(string(x.n)) < 0.0"),
    "45 comparisons for each": any(many(45, () => "x.id == 1.5").join(" || ")),
    "deep ternaries": any(`${"x.id >= 0.0 ? (".repeat(10)}false${") : true".repeat(10)}`),
  }),
  ...ending("text", {
    "8 MB and one more": "results.texts.a + 'x' == ''",
    "8 MB in small letters": "results.wide.text.lowerAscii() == ''",
    "sums of sums": bound(["results.million.text", ...many(6, (at) => `v${at} + v${at}`)], "v6.size() > 1"),
  }),
  ...ending("list", {
    "100,000 objects changed": "results.objects.items.map(x, x.id).size() > 1",
    "100,000 objects chosen": "results.objects.items.filter(x, x.n > 1.0).map(x, x.tags).exists(t, t == [])",
    "100,000 objects and one more": "(results.objects.items + [1]).size() > 1",
    "parts of 100,000 objects": "results.objects.items.map(x, x.tags.map(t, t + 'z')).size() > 1",
  }),
  ...ending("comparison", {
    "lists of 1,000 levels compared": "results.deep.list == results.deep.lists",
    "maps of 1,000 levels compared": "results.deep.map == results.deep.maps",
  }),
  ...ending("result", {
    "integers of 300 digits, handed on": "results.digits.items",
    "numbers with many digits, handed on": "results.decimals.items",
    "halves of characters, handed on": "results.halves.text",
    "control characters, handed on": "results.halves.controls",
    "100,000 objects, handed on": "results.objects.items",
    "maps with many names, handed on": "results.named.items",
    "a text, handed on many times": row(20, "results.controls.text"),
    "types, handed on": power("type(1)"),
  }),
  ...ending("fault", {
    "lists of 1,000 levels, handed on": "results.deep.list",
    "maps of 1,000 levels, handed on": "results.deep.map",
    "8 MB as a boolean": "bool(results.texts.a)",
    "8 MB as a number": "int(results.texts.a) == 1",
    "8 MB as JSON": "results.texts.a.json() == 1",
    "100,000 objects as a text": "string(dyn(results.objects.items)) == ''",
    "zones that do not exist": many(19, (at) => `timestamp(0).getHours("Nowhere/A${at}") == 99`).join(" || "),
  }),
  ...ending("ends", {
    "8 MB compared": "results.texts.a == results.texts.b && results.texts.a <= results.texts.b",
    "8 MB that begins as 8 MB": "results.texts.a.startsWith(results.texts.b)",
    "pieces of 8 MB": "results.texts.a.substring(1, 1000000) + results.texts.a.substring(2, 40000) == ''",
    "a long needle that differs at its end": "results.million.text.contains(results.needles.long)",
    "a wide map": "size(results.keys.map) > 1",
    "a list in itself": "results.objects.items in [results.objects.items]",
    "an integer among 50,000": "1 in results.digits.items",
    "zones of the world": ZONES.map((zone) => `timestamp(0).getHours("${zone}") == 99`).join(" || "),
    "25 levels of 1,000": `results.deep.map${".a".repeat(25)} == 1`,
  }),
];
