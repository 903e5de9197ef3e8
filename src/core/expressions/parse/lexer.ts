// Splits an expression's text into tokens: signs, words, numbers, strings and bytes with their escapes.
import { MAX_INT, MAX_UINT, Uint, type Value } from "../values/values.ts";

export interface Token {
  /** `word` is a name or a keyword, `sign` an operator or a bracket. */
  readonly kind: "end" | "word" | "sign" | "literal";
  /** The text as written; of a literal its beginning. */
  readonly text: string;
  readonly value: Value;
  /** The position of its first UTF-16 unit. */
  readonly at: number;
}

/** A syntax error in an expression, with its position. */
export class SyntaxFault extends Error {
  constructor(what: string, at: number) {
    super(`${what} at character ${at + 1}`);
  }
}

const SPACE = /(?:[ \t\r\n]|\/\/[^\n]*)*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const HEX = /0[xX][0-9a-fA-F]+/y;
const NUMBER = /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const SIGN = /==|!=|<=|>=|&&|\|\||[-+*/%<>!()[\]{}.,:?]/y;
const STRING = /[bBrR]?["']/y;

/** The first token at or after `from`, and the position after it. @throws SyntaxFault */
export function nextToken(text: string, from: number): { token: Token; end: number } {
  const at = endOf(SPACE, text, from) ?? from;
  if (at >= text.length) return { token: { kind: "end", text: "", value: null, at }, end: at };
  const string = endOf(STRING, text, at);
  if (string !== null) return readString(text, at, string - 1);
  const word = endOf(WORD, text, at);
  if (word !== null) {
    return { token: { kind: "word", text: text.slice(at, word), value: null, at }, end: word };
  }
  const number = readNumber(text, at);
  if (number !== null) return number;
  const sign = endOf(SIGN, text, at);
  if (sign !== null) {
    return { token: { kind: "sign", text: text.slice(at, sign), value: null, at }, end: sign };
  }
  throw new SyntaxFault(`unexpected ${JSON.stringify(text.slice(at, at + 1))}`, at);
}

function endOf(pattern: RegExp, text: string, from: number): number | null {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : null;
}

function readNumber(text: string, at: number): { token: Token; end: number } | null {
  const hex = endOf(HEX, text, at);
  const decimal = hex ?? endOf(NUMBER, text, at);
  if (decimal === null) return null;
  const written = text.slice(at, decimal);
  const literal = (value: Value, end: number) => ({
    token: { kind: "literal" as const, text: written.slice(0, 20), value, at },
    end,
  });
  if (hex === null && /[.eE]/.test(written)) {
    const value = Number(written);
    if (!Number.isFinite(value)) throw new SyntaxFault("a number too large", at);
    return literal(value, decimal);
  }
  const unsigned = text[decimal] === "u" || text[decimal] === "U";
  const value = BigInt(written);
  // The smallest integer is a minus sign before a number that is too large by one.
  if (value > (unsigned ? MAX_UINT : MAX_INT + 1n))
    throw new SyntaxFault("an integer of more than 64 bits", at);
  return unsigned ? literal(new Uint(value), decimal + 1) : literal(value, decimal);
}

/** @param open the position of the opening quote */
function readString(text: string, at: number, open: number): { token: Token; end: number } {
  const prefix = open === at ? "" : text.slice(at, open).toLowerCase();
  const quote = text.slice(open, open + 1);
  const triple = text.startsWith(quote.repeat(3), open);
  const delimiter = triple ? quote.repeat(3) : quote;
  const begin = open + delimiter.length;
  let end = begin;
  while (!text.startsWith(delimiter, end)) {
    if (end >= text.length) throw new SyntaxFault("an unterminated string", at);
    if (!triple && (text[end] === "\n" || text[end] === "\r")) {
      throw new SyntaxFault("a line break inside a string", end);
    }
    end += text[end] === "\\" ? 2 : 1;
  }
  const written = text.slice(begin, end);
  const content = prefix === "r" ? written : unescape(written, begin, prefix === "b");
  const value = prefix === "b" ? Uint8Array.from(content, (unit) => unit.charCodeAt(0) & 0xff) : content;
  return {
    token: { kind: "literal", text: text.slice(at, at + 20), value, at },
    end: end + delimiter.length,
  };
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "?": "?",
  '"': '"',
  "'": "'",
  "`": "`",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** The number of digits of an escape and their base, by its first letter; an octal escape has no letter. */
const CODES: Readonly<Record<string, { pattern: RegExp; base: number }>> = {
  x: { pattern: /[0-9a-fA-F]{2}/y, base: 16 },
  u: { pattern: /[0-9a-fA-F]{4}/y, base: 16 },
  U: { pattern: /[0-9a-fA-F]{8}/y, base: 16 },
};
const OCTAL = { pattern: /[0-3][0-7]{2}/y, base: 8 };

function unescape(written: string, offset: number, bytes: boolean): string {
  if (!written.includes("\\")) return written;
  let result = "";
  let at = 0;
  while (at < written.length) {
    const next = written.indexOf("\\", at);
    if (next === -1) return result + written.slice(at);
    result += written.slice(at, next);
    const letter = written[next + 1] ?? "";
    const simple = ESCAPES[letter];
    if (simple !== undefined) {
      result += simple;
      at = next + 2;
      continue;
    }
    const isOctal = letter >= "0" && letter <= "7";
    const code = isOctal ? OCTAL : CODES[letter === "X" ? "x" : letter];
    const begin = isOctal ? next + 1 : next + 2;
    const end = code === undefined ? null : endOf(code.pattern, written, begin);
    const wide = letter === "u" || letter === "U";
    if (code === undefined || end === null || (bytes && wide)) {
      throw new SyntaxFault(`an unknown escape ${JSON.stringify(`\\${letter}`)}`, offset + next);
    }
    const point = Number.parseInt(written.slice(begin, end), code.base);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      throw new SyntaxFault("an escape that is not a valid character", offset + next);
    }
    result += String.fromCodePoint(point);
    at = end;
  }
  return result;
}
