// Reads JSON that is being typed: the position of every value, and of the first error. JSON.parse reports neither.
// Pure; places are UTF-16 offsets, as a text field counts them.
import { type JSONPath, type ParseErrorCode, printParseErrorCode, visit } from "jsonc-parser";

export interface TextRange {
  from: number;
  to: number;
}

interface Token extends TextRange {
  kind: "key" | "string" | "number" | "word" | "mark" | "wrong";
}

export interface JsonText {
  /** The parsed value; undefined if the text is not JSON. */
  value: unknown;
  fault: (TextRange & { message: string }) | null;
  /** The places of values by path (`/stages/0/name`), and of keys by path and `#`. */
  ranges: ReadonlyMap<string, TextRange>;
  tokens: readonly Token[];
}

/** The parser recurses: beyond some thousand levels the browser's stack would overflow. Definitions have 32 at most. */
const DEPTH_MOST = 200;

/** An object or a list that is not closed yet. */
interface Open {
  path: string;
  from: number;
  close: "}" | "]";
  names: Set<string>;
}

class Reading {
  readonly ranges = new Map<string, TextRange>();
  fault: (TextRange & { message: string }) | null = null;
  private readonly text: string;
  /** By their places: the parser may read a value where it has reported an error. */
  private readonly found = new Map<number, Token>();
  private readonly open: Open[] = [];
  /** The last token. */
  private before = "";

  constructor(text: string) {
    this.text = text;
    try {
      this.read();
    } catch (cause) {
      if (!(cause instanceof TooDeep)) throw cause;
    }
  }

  private read(): void {
    visit(
      this.text,
      {
        onObjectBegin: (at, length, _line, _column, path) => this.begin(at, length, "}", path),
        onObjectProperty: (name, at, length, _line, _column, path) => this.key(name, at, length, path),
        onObjectEnd: (at, length) => this.end(at, length),
        onArrayBegin: (at, length, _line, _column, path) => this.begin(at, length, "]", path),
        onArrayEnd: (at, length) => this.end(at, length),
        onLiteralValue: (value, at, length, _line, _column, path) => this.literal(value, at, length, path),
        onSeparator: (_character, at, length) => this.token("mark", at, length),
        onError: (code, at, length) => this.error(code, at, length),
      },
      { disallowComments: true },
    );
  }

  get tokens(): readonly Token[] {
    return Array.from(this.found.values()).toSorted((a, b) => a.from - b.from);
  }

  private begin(at: number, length: number, close: Open["close"], path: () => JSONPath): void {
    this.token("mark", at, length);
    if (this.open.length === DEPTH_MOST) {
      this.blame(at, length, `More than ${DEPTH_MOST} levels`);
      throw new TooDeep();
    }
    this.open.push({ path: pathOf(path()), from: at, close, names: new Set() });
  }

  private end(at: number, length: number): void {
    this.token("mark", at, length);
    const whole = this.open.pop();
    if (whole !== undefined) this.ranges.set(whole.path, { from: whole.from, to: at + length });
  }

  private key(name: string, at: number, length: number, path: () => JSONPath): void {
    this.token("key", at, length);
    this.ranges.set(`${pathOf(path())}/${name}#`, { from: at, to: at + length });
    const names = this.open.at(-1)?.names;
    if (names?.has(name) === true) this.blame(at, length, `Duplicate name ${JSON.stringify(name)}`);
    names?.add(name);
  }

  private literal(value: unknown, at: number, length: number, path: () => JSONPath): void {
    const isNumber = typeof value === "number";
    this.token(isNumber ? "number" : typeof value === "string" ? "string" : "word", at, length);
    this.ranges.set(pathOf(path()), { from: at, to: at + length });
    const source = this.text.slice(at, at + length);
    if (isNumber && /^-?\d{16,}$/.test(source) && JSON.stringify(value) !== source) {
      this.blame(at, length, "This integer would lose digits: put it in double quotes");
    }
  }

  private error(code: ParseErrorCode, at: number, length: number): void {
    const close = this.open.at(-1)?.close ?? "}";
    const isName = close === "}" && (this.before === "{" || this.before === ",");
    const name = printParseErrorCode(code);
    const message = MESSAGES[name === "InvalidSymbol" && isName ? "PropertyNameExpected" : name];
    this.blame(at, length, message?.(close) ?? "A value is expected here");
    if (length > 0 && !this.found.has(at)) this.token("wrong", at, length);
  }

  /** Only the first fault counts: those after it may follow from it. */
  private blame(at: number, length: number, message: string): void {
    if (this.fault !== null) return;
    const end = this.text.trimEnd().length;
    // At the end there is nothing to mark but the last character.
    this.fault =
      at >= end ? { from: Math.max(0, end - 1), to: end, message } : { from: at, to: at + length, message };
  }

  private token(kind: Token["kind"], from: number, length: number): void {
    this.found.set(from, { kind, from, to: from + length });
    this.before = this.text.slice(from, from + length);
  }
}

/** Ends the parser's walk. */
class TooDeep extends Error {}

type Message = (close: Open["close"]) => string;
const unfinished: Message = (close) => `A comma or ${close} is expected here`;

const MESSAGES: Readonly<Record<string, Message>> = {
  InvalidSymbol: () => "Text must be in double quotes",
  InvalidNumberFormat: () => "Invalid number",
  PropertyNameExpected: () => "A name in double quotes is expected here",
  ValueExpected: () => "A value is expected here",
  ColonExpected: () => "A colon is expected here",
  CommaExpected: unfinished,
  CloseBraceExpected: unfinished,
  CloseBracketExpected: unfinished,
  EndOfFileExpected: () => "Unexpected text after the definition",
  InvalidCommentToken: () => "JSON has no comments",
  UnexpectedEndOfComment: () => "JSON has no comments",
  UnexpectedEndOfString: () => "Unterminated text",
  UnexpectedEndOfNumber: () => "Invalid number",
  InvalidUnicode: () => "Invalid escape: \\u needs four hexadecimal digits",
  InvalidEscapeCharacter: () => "Invalid escape: a backslash is written as \\\\",
  InvalidCharacter: () => "Line breaks and control characters in a text must be escaped",
};

function pathOf(path: JSONPath): string {
  return path.map((segment) => `/${segment}`).join("");
}

export function readJson(text: string): JsonText {
  const { ranges, tokens, fault } = new Reading(text);
  return { value: fault === null ? (JSON.parse(text) as unknown) : undefined, fault, ranges, tokens };
}
/** The innermost value or key around a place, or where its line begins: its path without `#`. */
export function pathAt({ ranges }: JsonText, text: string, cursor: number): string {
  const line = text.slice(text.lastIndexOf("\n", cursor - 1) + 1);
  const indent = line.length - line.trimStart().length;
  const place = Math.max(cursor, text.length - line.length + indent);
  let best = "";
  let width = Number.POSITIVE_INFINITY;
  for (const [path, { from, to }] of ranges) {
    if (from <= place && place <= to && to - from < width) {
      best = path.replace(/#$/, "");
      width = to - from;
    }
  }
  return best;
}

/** JSON as people write it: indented, with short lists in one line. */
export function writeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (whole, inner: string) => {
    const line = `[${inner.replace(/\n\s+/g, " ")}]`;
    return line.length <= 72 ? line : whole;
  });
}
