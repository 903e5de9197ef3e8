// What RFC 8259 accepts and what it refuses, written from its grammar. Every text stands for one value and keeps its
// verdict also as a member's value inside an object, so that the same case can be sent as a whole text, in a
// caller's body and in an agent's answer.
export interface JsonCase {
  text: string;
  valid: boolean;
}

const BACKSLASH = "\\";
const control = (code: number) => String.fromCharCode(code);

/** Section 3: values are objects, arrays, numbers, strings and three names in lower case. */
// biome-ignore format: a table
const NAMES = {
  valid: ["true", "false", "null"],
  invalid: [
    "True", "TRUE", "False", "FALSE", "Null", "NULL", "nul", "tru", "fals", "truee", "nulll", "undefined",
    "NaN", "nan", "Infinity", "-Infinity", "inf", "None", "t", "a", "*", "'a'", "`a`", "true false",
    "null,", "truenull",
  ],
};

/** Section 6: [ minus ] int [ frac ] [ exp ], no leading zeros, digits of ASCII alone. */
// biome-ignore format: a table
const NUMBERS = {
  valid: [
    "0", "-0", "1", "-1", "9", "10", "1234567890", "-1234567890", "0.0", "-0.0", "0.5", "-0.5", "1.5",
    "10.01", "1e1", "1E1", "1e+1", "1E+1", "1e-1", "1E-1", "0e0", "0E0", "0e+1", "0e-1", "-0e1", "-1e-7",
    "1.5e10", "1.5E-10", "1e00", "1e01", "1e-001", "123.456e78", "9007199254740992", "-9007199254740991",
    "1000000000000000000000", "0.1234567890123456789012345678901234567890", "1e-400",
    "1.7976931348623157e308", "5e-324", "2.2250738585072014e-308",
  ],
  invalid: [
    "-", "+1", "+0", "--1", "- 1", "01", "-01", "00", "-00", "007", "012", "1.", "-1.", "0.", ".5", "-.5",
    ".", "1..2", "1.2.3", "1e", "1E", "1e+", "1e-", "1E+", "1e1.5", "1e 1", "1 e1", "e1", "1.e1", ".e1",
    "1ee1", "1e++1", "1e+-1", "0x1", "0xFF", "0b1", "0o7", "1_000", "1,000.", "1n", "1f", "1a", "1-", "1+1",
    "1/2", "0e", "0e+", "0.e1", "-e1", "\uff11", "\u0661", "1\u00a0", "$1", "1%", "#1",
  ],
};

/** Section 7: quotes, and everything but quote, backslash and U+0000 to U+001F; nine escapes. */
// biome-ignore format: a table
const STRINGS = {
  valid: [
    '""', '" "', '"a"', '"\u00e9"', '"\u20ac"', '"\u{1f30d}"', '"\u007f"', '"\u0080"', '"\u2028"',
    '"\u2029"', '"\ufeff"', '"\ufffd"', '"\uffff"', '"/"', '"\'"', '"{}[]:,"', '"// not a comment"',
    ...['"', BACKSLASH, "/", "b", "f", "n", "r", "t"].map((escape) => `"${BACKSLASH}${escape}"`),
    `"${BACKSLASH}u0000"`, `"${BACKSLASH}u0041"`, `"${BACKSLASH}u00e9"`, `"${BACKSLASH}u00E9"`,
    `"${BACKSLASH}uFFFF"`, `"${BACKSLASH}ud83c${BACKSLASH}udf0d"`, `"${BACKSLASH}${BACKSLASH}u0041"`,
    `"${BACKSLASH}u2028"`, `"a${BACKSLASH}nb"`, `"${BACKSLASH}u0022"`, `"${BACKSLASH}u005C"`,
  ],
  invalid: [
    '"', '"a', 'a"', "''", "'a'", '"a" "b"', '"a""b"', '"a"b', `"${BACKSLASH}`, `"${BACKSLASH}"`,
    ...["a", "v", "0", "x41", "'", " ", "N", "T", "U0041", "1", "e", "\n"].map((e) => `"${BACKSLASH}${e}"`),
    `"${BACKSLASH}u"`, `"${BACKSLASH}u0"`, `"${BACKSLASH}u00"`, `"${BACKSLASH}u004"`, `"${BACKSLASH}u004g"`,
    `"${BACKSLASH}u+041"`, `"${BACKSLASH}u 041"`, `"${BACKSLASH}u{41}"`, `"${BACKSLASH}uD83C${BACKSLASH}u"`,
    `${BACKSLASH}u0022a"`, "\u201ca\u201d",
    ...[0x00, 0x01, 0x08, 0x09, 0x0a, 0x0d, 0x0c, 0x1b, 0x1f].map((code) => `"a${control(code)}b"`),
  ],
};

/** Section 5: values separated by commas, none missing, none too many. */
// biome-ignore format: a table
const ARRAYS = {
  valid: [
    "[]", "[ ]", "[1]", "[1,2]", "[1 , 2]", "[[]]", "[[],[]]", "[{}]", '[1,"a",true,false,null,{},[]]',
    "[\t1\n,\r2 ]", "[1,1,1]", "[[[[[[1]]]]]]",
  ],
  invalid: [
    "[", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]", "(1)", "[1}", "[[]",
    "[]]", "][", "[1],", "[...]", "[a]", "[1,2", '["a', "[1]2", "[]{}", "[-]", "[1 true]", "[\u000b1]",
    "[1,\u00a02]",
  ],
};

/** Section 4: names are strings, each with a colon and a value; the last of equal names is taken. */
// biome-ignore format: a table
const OBJECTS = {
  valid: [
    "{}", "{ }", '{"a":1}', '{ "a" : 1 }', '{"a":1,"b":2}', '{"":1}', '{"a":{}}', '{"a":[]}',
    '{"a":{"b":{"c":1}}}', '{"a":1,"a":2}', '{"\u00e9":1}', `{"${BACKSLASH}u0061":1}`, '{"a b":1}',
    '{"1":1}', '{"\n":1}'.replace("\n", `${BACKSLASH}n`), '{"toString":1,"hasOwnProperty":2}',
  ],
  invalid: [
    "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,"a":1}', "{,}", '{"a" 1}', '{"a":1 "b":2}',
    '{"a"::1}', '{"a":1;"b":2}', "{a:1}", "{'a':1}", "{1:1}", "{null:1}", "{[]:1}", '{"a"=1}', '{"a":}',
    "{:1}", '{"a"}', '{"a":1]', '{"a":1}}', '{"a":1}{"b":2}', '{"a":1,,"b":2}', '{"a":1 /* one */}',
    '{"a":1} // one', '{"a",1}', "{{}}", '{"a":b}',
  ],
};

/** Section 2: four kinds of white space and no other, around values and structural characters. */
// biome-ignore format: a table
const WHITE_SPACE = {
  valid: [" 1", "1 ", "\t1", "1\n", "\r\n1\r\n", " \t\n\r1", "[\n]", '{\r"a"\t:\n1 }'],
  invalid: [
    "\u000b1", "1\u000c", "\u00a01", "\u20281", "1\u2029", "\u30001", "1\u0000", "\ufeff 1", "1\u180e",
    "\u00851", "", " ", "\n",
  ],
};

/** Comments and what other notations know. */
// biome-ignore format: a table
const OTHERS = {
  valid: [],
  invalid: [
    "// one\n1", "/* one */1", "# one\n1", "<a/>", "a: 1", "1;", ")]}'\n1", "=1", "&1", "@1", "\\1",
    "\u00b71",
  ],
};

export const JSON_CASES: readonly JsonCase[] = [
  NAMES,
  NUMBERS,
  STRINGS,
  ARRAYS,
  OBJECTS,
  WHITE_SPACE,
  OTHERS,
].flatMap(({ valid, invalid }) => [
  ...valid.map((text) => ({ text, valid: true })),
  ...invalid.map((text) => ({ text, valid: false })),
]);

/** Bytes that are no UTF-8 (section 8.1), each inside a string. */
export const NOT_UTF8: readonly (readonly [string, readonly number[]])[] = [
  ["a lone continuation byte", [0x80]],
  ["a start byte alone", [0xc3]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong slash of three bytes", [0xe0, 0x80, 0xaf]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["a pair of surrogates", [0xed, 0xa0, 0xbc, 0xed, 0xbc, 0x8d]],
  ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["five bytes", [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ["0xFE", [0xfe]],
  ["0xFF", [0xff]],
  ["Latin-1", [0xe9]],
  ["three bytes of four", [0xf0, 0x9f, 0x8c]],
];

/** An agent's answer with the text as a member's value. */
export function inAnswer(text: string): string {
  return `{"data":{"value":${text}}}`;
}
