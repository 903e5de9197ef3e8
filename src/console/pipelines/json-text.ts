// Parses JSON that is being typed: the position of every value, and of the first error. JSON.parse reports neither.
// Pure; places are UTF-16 offsets, as a text field counts them.

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

const TOKEN = /("(?:[^"\\\n]|\\.)*"?)|(-?\d[\d.eE+-]*)|([A-Za-z_]\w*)|([[\]{}:,])|(\S)/g;
const KINDS = ["string", "number", "word", "mark", "wrong"] as const;
const WORDS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };

class Reading {
  readonly ranges = new Map<string, TextRange>();
  readonly tokens: Token[];
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
    this.tokens = Array.from(text.matchAll(TOKEN), (match) => {
      const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)] ?? "wrong";
      return { kind, from: match.index, to: match.index + match[0].length };
    });
  }

  whole(): unknown {
    const value = this.value("");
    const rest = this.tokens[this.at];
    if (rest !== undefined) throw new Fault(rest, "Unexpected text after the definition");
    return value;
  }

  private value(path: string): unknown {
    const token = this.next("A value is expected here");
    const source = this.sourceOf(token);
    let value: unknown;
    if (source === "{") value = this.object(path);
    else if (source === "[") value = this.list(path);
    else value = scalar(token, source);
    this.ranges.set(path, { from: token.from, to: this.tokens[this.at - 1]?.to ?? token.to });
    return value;
  }

  private object(path: string): unknown {
    const entries: [string, unknown][] = [];
    const seen = new Set<string>();
    if (this.takes("}")) return {};
    for (;;) {
      const key = this.next("A quoted name or } is expected here");
      if (key.kind !== "string") throw new Fault(key, "A name in double quotes is expected here");
      const name = scalar(key, this.sourceOf(key)) as string;
      key.kind = "key";
      if (seen.has(name)) throw new Fault(key, `Duplicate name ${JSON.stringify(name)}`);
      seen.add(name);
      this.ranges.set(`${path}/${name}#`, { from: key.from, to: key.to });
      this.expect(":", "A colon is expected here");
      entries.push([name, this.value(`${path}/${name}`)]);
      if (this.takes("}")) return Object.fromEntries(entries);
      this.expect(",", "A comma or } is expected here");
    }
  }

  private list(path: string): unknown {
    const items: unknown[] = [];
    if (this.takes("]")) return items;
    for (;;) {
      items.push(this.value(`${path}/${items.length}`));
      if (this.takes("]")) return items;
      this.expect(",", "A comma or ] is expected here");
    }
  }

  private takes(mark: string): boolean {
    const token = this.tokens[this.at];
    if (token === undefined || this.sourceOf(token) !== mark) return false;
    this.at += 1;
    return true;
  }

  private expect(mark: string, message: string): void {
    const token = this.next(message);
    if (this.sourceOf(token) !== mark) throw new Fault(token, message);
  }

  private next(message: string): Token {
    const token = this.tokens[this.at];
    const end = this.text.trimEnd().length;
    if (token === undefined) throw new Fault({ from: Math.max(0, end - 1), to: end }, message);
    this.at += 1;
    return token;
  }

  private sourceOf({ from, to }: TextRange): string {
    return this.text.slice(from, to);
  }
}

class Fault extends Error {
  readonly range: TextRange;

  constructor({ from, to }: TextRange, message: string) {
    super(message);
    this.range = { from, to };
  }
}

function scalar(token: Token, source: string): unknown {
  if (token.kind === "word" && Object.hasOwn(WORDS, source)) return WORDS[source];
  if (token.kind === "word") throw new Fault(token, "Text must be in double quotes");
  if (token.kind === "string" || token.kind === "number") {
    let value: unknown;
    try {
      value = JSON.parse(source);
    } catch {
      throw new Fault(token, token.kind === "string" ? "Unterminated text" : "Invalid number");
    }
    if (/^-?\d{16,}$/.test(source) && JSON.stringify(value) !== source) {
      throw new Fault(token, "This integer would lose digits: put it in double quotes");
    }
    return value;
  }
  throw new Fault(token, "A value is expected here");
}

export function readJson(text: string): JsonText {
  const reading = new Reading(text);
  const { ranges, tokens } = reading;
  try {
    return { value: reading.whole(), fault: null, ranges, tokens };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    return { value: undefined, fault: { ...cause.range, message: cause.message }, ranges, tokens };
  }
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
