// Where a text stops being JSON. The engine's own messages name the place of some faults only, and quote the text
// around it, which may hold a credential: this finds the place, and quotes nothing.

export interface TextPlace {
  /** In UTF-16 units, from 0. */
  position: number;
  /** From 1, as editors count. */
  line: number;
  column: number;
}

/** The place of a position in a text. */
export function placeAt(text: string, position: number): TextPlace {
  let line = 1;
  let lineStart = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < position; at = text.indexOf("\n", at + 1)) {
    line += 1;
    lineStart = at + 1;
  }
  return { position, line, column: position - lineStart + 1 };
}

/** The first position at which no JSON text can go on as this one does; the text's length where it only ends early. */
export function faultPosition(text: string): number {
  return new Scan(text).run();
}

const WHITE: ReadonlySet<string> = new Set([" ", "\t", "\n", "\r"]);
const WORDS = ["true", "false", "null"];
const ESCAPES = '"\\/bfnrt';

/** Thrown at the fault: it ends the scan from any depth. */
class Fault {
  readonly at: number;
  constructor(at: number) {
    this.at = at;
  }
}

/** What may come next. `first` is a value or the end of a list, `key` a name, `firstKey` a name or the object's end. */
type Expected = "value" | "first" | "key" | "firstKey" | "colon" | "next";

class Scan {
  private readonly text: string;
  private at = 0;
  /** Open brackets. On the heap: a text of a million brackets must not exhaust the stack. */
  private readonly open: ("[" | "{")[] = [];

  constructor(text: string) {
    this.text = text;
  }

  run(): number {
    try {
      let expected: Expected = "value";
      for (;;) {
        this.skipWhite();
        if (this.at >= this.text.length) return this.text.length;
        expected = this.step(expected);
      }
    } catch (cause) {
      if (cause instanceof Fault) return cause.at;
      throw cause;
    }
  }

  private step(expected: Expected): Expected {
    const char = this.text.charAt(this.at);
    switch (expected) {
      case "first":
        if (char === "]") return this.close();
        return this.value(char);
      case "value":
        return this.value(char);
      case "firstKey":
        if (char === "}") return this.close();
        return this.key(char);
      case "key":
        return this.key(char);
      case "colon":
        this.take(":");
        return "value";
      case "next": {
        const within = this.open.at(-1);
        if (within === undefined) throw new Fault(this.at);
        if (char === (within === "[" ? "]" : "}")) return this.close();
        this.take(",");
        return within === "[" ? "value" : "key";
      }
    }
  }

  private value(char: string): Expected {
    if (char === "[" || char === "{") {
      this.open.push(char);
      this.at += 1;
      return char === "[" ? "first" : "firstKey";
    }
    if (char === '"') this.string();
    else if (char === "-" || isDigit(char)) this.number();
    else this.word();
    return "next";
  }

  private key(char: string): Expected {
    if (char !== '"') throw new Fault(this.at);
    this.string();
    return "colon";
  }

  private close(): Expected {
    this.open.pop();
    this.at += 1;
    return "next";
  }

  private string(): void {
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x22) {
        this.at += 1;
        return;
      }
      if (code < 0x20) throw new Fault(this.at);
      if (code === 0x5c) this.escape();
    }
  }

  /** Leaves the scan at the escape's last character. */
  private escape(): void {
    this.at += 1;
    const char = this.text.charAt(this.at);
    if (char === "" || ESCAPES.includes(char)) return;
    if (char !== "u") throw new Fault(this.at);
    for (let digit = 0; digit < 4; digit += 1) {
      const next = this.text.charAt(this.at + 1);
      if (next === "") return;
      if (!/[\da-f]/i.test(next)) throw new Fault(this.at + 1);
      this.at += 1;
    }
  }

  private number(): void {
    if (this.text.charAt(this.at) === "-") this.at += 1;
    if (this.text.charAt(this.at) === "0") this.at += 1;
    else this.digits();
    if (this.text.charAt(this.at) === ".") {
      this.at += 1;
      this.digits();
    }
    if (!/[eE]/.test(this.text.charAt(this.at))) return;
    this.at += 1;
    if (/[+-]/.test(this.text.charAt(this.at))) this.at += 1;
    this.digits();
  }

  /** At least one digit. */
  private digits(): void {
    if (this.at < this.text.length && !isDigit(this.text.charAt(this.at))) throw new Fault(this.at);
    while (isDigit(this.text.charAt(this.at))) this.at += 1;
  }

  private word(): void {
    const word = WORDS.find((known) => known.charAt(0) === this.text.charAt(this.at));
    if (word === undefined) throw new Fault(this.at);
    for (const char of word) {
      if (this.at >= this.text.length) return;
      this.take(char);
    }
  }

  private take(char: string): void {
    if (this.text.charAt(this.at) !== char) throw new Fault(this.at);
    this.at += 1;
  }

  private skipWhite(): void {
    while (WHITE.has(this.text.charAt(this.at))) this.at += 1;
  }
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9" && char !== "";
}
