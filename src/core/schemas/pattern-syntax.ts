// What a `pattern` means: its text, which is JavaScript's with the flag `u`, as a tree. Whether a text is a regular
// expression at all is for the engine to say; what is refused here besides cannot be matched in linear time
// (references to groups, looking ahead or back) or is not a part of JSON Schema (modifiers).

export type Assertion = "start" | "end" | "boundary" | "inside";

export type PatternNode =
  | { kind: "empty" }
  | { kind: "char"; accepts: (codePoint: number) => boolean }
  | { kind: "assertion"; assertion: Assertion }
  | { kind: "sequence"; parts: readonly PatternNode[] }
  | { kind: "choice"; options: readonly PatternNode[] }
  | { kind: "repeat"; body: PatternNode; least: number; most: number };

/** Why a pattern is refused. */
export class PatternFault extends Error {}

const EMPTY: PatternNode = { kind: "empty" };
const QUANTIFIER = /(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y;
/** An escape of one character or a class of them; two halves of a surrogate pair are one character. */
const ESCAPE =
  /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u\{[\da-fA-F]+\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[pP]\{[^}]*\}|.)/suy;
/** A class in brackets: with `u` there are none within. */
const CLASS = /\[(?:\\.|[^\]\\])*\]/suy;
const NAMED_GROUP = /\?<[^=!][^>]*>/y;

/** @throws PatternFault */
export function parsePattern(source: string): PatternNode {
  if (!isExpression(source)) {
    throw new PatternFault("is not a regular expression of JavaScript with the flag u");
  }
  return new PatternParser(source).choice();
}

/** Whether the engine takes it. It compiles an expression at its first use alone, which does not come. */
export function isExpression(source: string): boolean {
  try {
    return new RegExp(source, "u").unicode;
  } catch {
    return false;
  }
}

class PatternParser {
  private readonly source: string;
  private at = 0;
  /** Of one pattern, by their text: each is compiled once. */
  private readonly classes = new Map<string, PatternNode>();

  constructor(source: string) {
    this.source = source;
  }

  /** Up to the end of the group or of the text. */
  choice(): PatternNode {
    const options = [this.sequence()];
    while (this.take("|")) options.push(this.sequence());
    return options.length === 1 ? (options[0] as PatternNode) : { kind: "choice", options };
  }

  private sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.at < this.source.length && !"|)".includes(this.source.charAt(this.at))) {
      parts.push(this.quantified(this.atom()));
    }
    return parts.length === 0
      ? EMPTY
      : parts.length === 1
        ? (parts[0] as PatternNode)
        : { kind: "sequence", parts };
  }

  private quantified(body: PatternNode): PatternNode {
    const found = this.match(QUANTIFIER);
    if (found === null) return body;
    const [text, least, comma, most] = found;
    if (text.startsWith("*")) return { kind: "repeat", body, least: 0, most: Infinity };
    if (text.startsWith("+")) return { kind: "repeat", body, least: 1, most: Infinity };
    if (text.startsWith("?")) return { kind: "repeat", body, least: 0, most: 1 };
    const from = Number(least);
    return { kind: "repeat", body, least: from, most: most ? Number(most) : comma ? Infinity : from };
  }

  private atom(): PatternNode {
    if (this.take("(")) return this.group();
    if (this.take("^")) return { kind: "assertion", assertion: "start" };
    if (this.take("$")) return { kind: "assertion", assertion: "end" };
    if (this.take("\\b")) return { kind: "assertion", assertion: "boundary" };
    if (this.take("\\B")) return { kind: "assertion", assertion: "inside" };
    if (this.take(".")) return this.class(".");
    const char = this.source.charAt(this.at);
    if (char === "[") return this.class(this.match(CLASS)?.[0] ?? "");
    if (char === "\\") return this.escape();
    const literal = this.source.codePointAt(this.at) as number;
    this.at += literal > 0xffff ? 2 : 1;
    return { kind: "char", accepts: (codePoint) => codePoint === literal };
  }

  private group(): PatternNode {
    if (this.source.startsWith("?", this.at) && !this.take("?:") && this.match(NAMED_GROUP) === null) {
      const looks = /^\?<?[=!]/.test(this.source.slice(this.at, this.at + 3));
      throw new PatternFault(
        looks
          ? "looks ahead or back, which cannot be matched in linear time"
          : "has modifiers, which are no part of JSON Schema",
      );
    }
    const inner = this.choice();
    this.take(")");
    return inner;
  }

  private escape(): PatternNode {
    const text = this.match(ESCAPE)?.[0] ?? "";
    if (/^\\[1-9k]/.test(text)) {
      throw new PatternFault("refers back to a group, which cannot be matched in linear time");
    }
    return this.class(text);
  }

  /** What one character may be: the engine itself is asked, character by character. */
  private class(text: string): PatternNode {
    const known = this.classes.get(text);
    if (known !== undefined) return known;
    const expression = new RegExp(`^${text}$`, "u");
    const node: PatternNode = {
      kind: "char",
      accepts: (codePoint) => expression.test(String.fromCodePoint(codePoint)),
    };
    this.classes.set(text, node);
    return node;
  }

  private take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  private match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.at;
    const found = expression.exec(this.source);
    if (found !== null) this.at += found[0].length;
    return found;
  }
}
