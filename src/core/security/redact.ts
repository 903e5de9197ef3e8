// Removes credentials from an agent's output before it is stored or shown: an agent that echoes the headers it was
// called with must not bring them into the log, the stream or the answer.

const REDACTED = "[redacted]";
/** Shorter texts occur in ordinary words: replacing those would destroy answers and hide nothing. */
const LEAST_CHARS = 6;
/** A text that was cut may end in the beginning of a credential; this much of one gives it away. */
const LEAST_PREFIX = 8;

/** The texts to look for: each credential, and what follows its scheme (`Bearer …`). The longest comes first. */
export function credentialTexts(values: readonly string[]): string[] {
  const texts = values.flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)]);
  return [...new Set(texts.map((text) => text.trim()))]
    .filter((text) => text.length >= LEAST_CHARS)
    .toSorted((a, b) => b.length - a.length);
}

/** The text without any of the credentials. */
export function redactText(text: string, credentials: readonly string[]): string {
  let clean = text;
  for (const credential of credentials) clean = clean.replaceAll(credential, REDACTED);
  const tail = openTail(clean, credentials);
  return tail >= LEAST_PREFIX ? clean.slice(0, clean.length - tail) + REDACTED : clean;
}

/**
 * A text that was cut out of a longer one, without any of the credentials: also where it begins in the middle of one, or
 * is a piece of one.
 */
export function redactExcerpt(text: string, credentials: readonly string[]): string {
  const isPiece = credentials.some((credential) => text.length >= LEAST_PREFIX && credential.includes(text));
  if (isPiece) return REDACTED;
  let head = 0;
  for (const credential of credentials) {
    for (let length = Math.min(credential.length - 1, text.length); length > head; length -= 1) {
      if (text.startsWith(credential.slice(-length))) head = length;
    }
  }
  const kept = head >= LEAST_PREFIX ? REDACTED + text.slice(head) : text;
  return redactText(kept, credentials);
}

/** A JSON value without any of the credentials, in keys too. */
export function redactValue<T>(value: T, credentials: readonly string[]): T {
  if (typeof value === "string") return redactText(value, credentials) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => redactValue(item, credentials)) as T;
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).map(([key, field]) => [
    redactText(key, credentials),
    redactValue<unknown>(field, credentials),
  ]);
  return Object.fromEntries(fields) as T;
}

/**
 * Removes credentials from a text that arrives in pieces: a possible beginning of one is buffered. A piece may replace the
 * end of what came before it.
 */
export class RedactingStream {
  private readonly credentials: readonly string[];
  /** The text as it came: an offset in it is none in the text that was passed on. */
  private came = "";
  private passed = "";
  private pending = "";

  constructor(credentials: readonly string[]) {
    this.credentials = credentials;
  }

  /** What may be passed on now. */
  push(piece: string): string {
    this.came += piece;
    let text = this.pending + piece;
    for (const credential of this.credentials) text = text.replaceAll(credential, REDACTED);
    const keep = openTail(text, this.credentials);
    this.pending = text.slice(text.length - keep);
    const free = text.slice(0, text.length - keep);
    this.passed += free;
    return free;
  }

  /**
   * As push, of a piece that replaces all from `offset` on, in UTF-16 units of the text as it came.
   * @returns with the offset in the text that was passed on, none where nothing of it is replaced
   */
  replace(piece: string, offset: number): { text: string; offset?: number } {
    if (offset >= this.came.length) return { text: this.push(piece) };
    const before = this.passed;
    const whole = this.came.slice(0, offset) + piece;
    this.came = "";
    this.passed = "";
    this.pending = "";
    const text = this.push(whole);
    const common = commonStart(before, text);
    return common === before.length
      ? { text: text.slice(common) }
      : { text: text.slice(common), offset: common };
  }

  /** The buffered rest, which is harmless, at the end. */
  rest(): string {
    return redactText(this.pending, this.credentials);
  }
}

/** The length of the text with which both begin, in whole characters. */
function commonStart(one: string, other: string): number {
  const longest = Math.min(one.length, other.length);
  let length = 0;
  while (length < longest && one.charCodeAt(length) === other.charCodeAt(length)) length += 1;
  const last = one.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length;
}

/** The length of the longest end of `text` with which a credential begins. */
function openTail(text: string, credentials: readonly string[]): number {
  let longest = 0;
  for (const credential of credentials) {
    for (let length = Math.min(credential.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(credential.slice(0, length))) longest = length;
    }
  }
  return longest;
}
