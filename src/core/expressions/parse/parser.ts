// The grammar of expressions: CEL with optional types and cel.bind. The parser bounds nodes and depth while it reads:
// its work grows with the text's length alone, and no tree is too deep for a recursive walk.
import { LIMITS } from "../../../contract/limits.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import type { BinarySign, LoopMacro, Node } from "./ast.ts";
import { nextToken, SyntaxFault, type Token } from "./lexer.ts";
import { quoted } from "../values/values.ts";

/** Reserved words: a variable cannot have these names. */
const RESERVED: ReadonlySet<string> = new Set(
  "as break const continue else for function if import let loop package namespace return var void while __proto__ prototype".split(
    " ",
  ),
);
const KEYWORDS: ReadonlySet<string> = new Set(["true", "false", "null", "in"]);

/** Binary operators by precedence, the lowest first. Operators of one level are left-associative. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<", "<=", ">", ">=", "in"],
  ["+", "-"],
  ["*", "/", "%"],
];

/** The macros that loop, with the numbers of arguments that each accepts. */
const LOOPS: ReadonlyMap<string, readonly number[]> = new Map([
  ["all", [2]],
  ["exists", [2]],
  ["exists_one", [2]],
  ["map", [2, 3]],
  ["filter", [2]],
]);

/** The syntax tree of an expression, or its error in one line. */
export function parse(text: string): Result<Node, string> {
  if (text.length > LIMITS.CONDITION_CHARS) {
    return err(`is longer than ${LIMITS.CONDITION_CHARS} characters`);
  }
  try {
    return ok(new Parser(text).parse());
  } catch (cause) {
    if (cause instanceof SyntaxFault) return err(cause.message);
    throw cause;
  }
}

class Parser {
  private readonly text: string;
  private token: Token;
  private end: number;
  private nodes = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    const first = nextToken(text, 0);
    this.token = first.token;
    this.end = first.end;
  }

  parse(): Node {
    const node = this.expression();
    if (this.token.kind !== "end") throw this.unexpected();
    return node;
  }

  private expression(): Node {
    this.enter();
    const condition = this.binary(0);
    if (!this.take("?")) return this.leave(condition);
    const yes = this.expression();
    this.expect(":");
    const no = this.expression();
    return this.leave(this.node({ op: "if", condition, yes, no }));
  }

  private binary(level: number): Node {
    const signs = LEVELS[level];
    if (signs === undefined) return this.unary();
    let left = this.binary(level + 1);
    while (this.isOperator() && signs.includes(this.token.text)) {
      const sign = this.advance().text;
      const right = this.binary(level + 1);
      if (sign === "||" || sign === "&&") {
        left = this.node({ op: sign === "||" ? "or" : "and", left, right });
      } else {
        left = this.node({ op: "binary", sign: sign as BinarySign, left, right });
      }
    }
    return left;
  }

  private unary(): Node {
    const signs: string[] = [];
    while (this.is("!") || this.is("-")) {
      signs.push(this.advance().text);
      // Counted while they are read: a row of 4,096 signs is refused before a tree is built.
      this.count(signs.length);
    }
    let node = this.postfix();
    for (const sign of signs.toReversed()) {
      node = this.node({ op: sign === "!" ? "not" : "negate", of: node });
    }
    return node;
  }

  private postfix(): Node {
    let node = this.primary();
    const before = this.depth;
    for (;;) {
      if (this.take(".")) {
        this.enter();
        const optional = this.take("?");
        const name = this.name();
        if (!optional && this.take("(")) node = this.call(name, node);
        else node = this.node({ op: "field", of: node, name, optional });
      } else if (this.take("[")) {
        this.enter();
        const optional = this.take("?");
        const index = this.expression();
        this.expect("]");
        node = this.node({ op: "index", of: node, index, optional });
      } else {
        this.depth = before;
        return node;
      }
    }
  }

  private primary(): Node {
    const { kind, text } = this.token;
    if (kind === "literal") return this.node({ op: "literal", value: this.advance().value });
    if (kind === "word") {
      if (text === "true" || text === "false" || text === "null") {
        this.advance();
        return this.node({ op: "literal", value: text === "null" ? null : text === "true" });
      }
      const at = this.token.at;
      const name = this.name();
      if (RESERVED.has(name)) throw new SyntaxFault(`the reserved word ${name}`, at);
      return this.take("(") ? this.call(name, null) : this.node({ op: "name", name });
    }
    if (this.take("(")) {
      const node = this.expression();
      this.expect(")");
      return node;
    }
    if (this.take("["))
      return this.node({ op: "list", items: this.sequence("]", LIMITS.EXPRESSION_ENTRIES) });
    if (this.take("{")) return this.map();
    throw this.unexpected();
  }

  private map(): Node {
    const entries: [Node, Node][] = [];
    while (!this.take("}")) {
      const key = this.expression();
      this.expect(":");
      entries.push([key, this.expression()]);
      this.bound(entries.length, LIMITS.EXPRESSION_ENTRIES, "entries");
      if (!this.is("}")) this.expect(",");
    }
    return this.node({ op: "map", entries });
  }

  /** The expressions up to the closing sign. A comma may follow the last one. */
  private sequence(close: string, most: number): Node[] {
    const items: Node[] = [];
    while (!this.take(close)) {
      items.push(this.expression());
      this.bound(items.length, most, close === "]" ? "items" : "arguments");
      if (!this.is(close)) this.expect(",");
    }
    return items;
  }

  /** A call after its opening bracket. Macros become nodes of their own. */
  private call(name: string, receiver: Node | null): Node {
    const { at } = this.token;
    const args = this.sequence(")", LIMITS.EXPRESSION_ARGUMENTS);
    const [first, second, third] = args;
    if (receiver === null) {
      if (name !== "has" || args.length !== 1) return this.node({ op: "call", name, receiver, args });
      if (first?.op !== "field" || first.optional)
        throw new SyntaxFault("has needs a field, as in has(a.b),", at);
      return this.node({ op: "has", of: first.of, name: first.name });
    }
    if (first !== undefined && second !== undefined && LOOPS.get(name)?.includes(args.length) === true) {
      const variable = this.variable(name, first, at);
      const macro = name as LoopMacro;
      return this.node(
        third === undefined
          ? { op: "loop", macro, range: receiver, variable, filter: null, body: second }
          : { op: "loop", macro, range: receiver, variable, filter: second, body: third },
      );
    }
    const isBind = name === "bind" && receiver.op === "name" && receiver.name === "cel";
    if (isBind && args.length === 3 && first !== undefined) {
      const variable = this.variable("cel.bind", first, at);
      return this.node({ op: "bind", variable, value: second as Node, body: third as Node });
    }
    if ((name === "or" || name === "orValue") && first !== undefined && args.length === 1) {
      return this.node({ op: "or_else", of: receiver, other: first, plain: name === "orValue" });
    }
    return this.node({ op: "call", name, receiver, args });
  }

  private variable(macro: string, node: Node, at: number): string {
    if (node.op === "name") return node.name;
    throw new SyntaxFault(`${macro} needs a name as its first argument`, at);
  }

  private name(): string {
    if (this.token.kind !== "word" || KEYWORDS.has(this.token.text)) throw this.unexpected();
    return this.advance().text;
  }

  private isOperator(): boolean {
    return this.token.kind === "sign" || (this.token.kind === "word" && this.token.text === "in");
  }

  private is(sign: string): boolean {
    return this.token.kind === "sign" && this.token.text === sign;
  }

  private take(sign: string): boolean {
    if (!this.is(sign)) return false;
    this.advance();
    return true;
  }

  private expect(sign: string): void {
    if (!this.take(sign)) throw this.unexpected(`, expected ${sign}`);
  }

  private advance(): Token {
    const { token } = this;
    const next = nextToken(this.text, this.end);
    this.token = next.token;
    this.end = next.end;
    return token;
  }

  private unexpected(expected = ""): SyntaxFault {
    const { kind, text, at } = this.token;
    return new SyntaxFault(`unexpected ${kind === "end" ? "end" : quoted(text)}${expected}`, at);
  }

  private node(node: Node): Node {
    this.nodes += 1;
    this.count(0);
    return node;
  }

  private count(more: number): void {
    this.bound(this.nodes + more, LIMITS.EXPRESSION_NODES, "parts");
  }

  private enter(): void {
    this.depth += 1;
    this.bound(this.depth, LIMITS.EXPRESSION_DEPTH, "levels");
  }

  private leave(node: Node): Node {
    this.depth -= 1;
    return node;
  }

  private bound(count: number, most: number, what: string): void {
    if (count > most) throw new SyntaxFault(`more than ${most} ${what}`, this.token.at);
  }
}
