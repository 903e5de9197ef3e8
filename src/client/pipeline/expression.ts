// Expressions that are written in TypeScript: what a callback reads of the run is recorded, and is CEL in the definition.

declare const VALUE: unique symbol;
declare const PERHAPS: unique symbol;

/**
 * An expression that gives a `Value` when the pipeline runs: in the definition it is CEL. What a stage's callbacks read
 * of `results`, `query` and the others is one, and so is what `cel` and `orElse` make.
 *
 * @example
 * const isLong: Expression<boolean> = cel`size(query) > 200`;
 * const decided = pipeline("decided").stage("think", { agent: "thinker", when: () => isLong });
 */
export interface Expression<out Value> {
  readonly [VALUE]: Value;
}

/**
 * What may be missing when the pipeline runs: an optional member, or any member of what may be null. By itself it would
 * fail the stage; `orElse` makes an expression of it.
 *
 * @example
 * const titleOf = (title: Perhaps<string>): Expression<string> => orElse(title, "untitled");
 */
export interface Perhaps<out Value> {
  readonly [PERHAPS]: Value;
}

/** A recorded value of type `T`, with its members. Of what the compiler does not know, any member may be read. */
export type Ref<T> = unknown extends T
  ? any
  : undefined extends T
    ? Missing<Exclude<T, undefined>>
    : Expression<T> & (null extends T ? MissingMembers<NonNullable<T>> : Members<T>);

type Members<T> = T extends readonly unknown[]
  ? unknown
  : T extends object
    ? string extends keyof T
      ? any
      : { readonly [Key in keyof T]-?: Ref<T[Key]> }
    : unknown;

type Missing<T> = unknown extends T ? any : Perhaps<T> & MissingMembers<NonNullable<T>>;

type MissingMembers<T> = T extends readonly unknown[]
  ? unknown
  : T extends object
    ? string extends keyof T
      ? any
      : { readonly [Key in keyof T]-?: Missing<Exclude<T[Key], undefined>> }
    : unknown;

/** What a callback may give: an expression, a JSON value, or JSON with expressions in it. */
export type Written =
  | Expression<unknown>
  | string
  | number
  | boolean
  | null
  | readonly Written[]
  | { readonly [key: string]: Written };

/**
 * Writes an expression as CEL text with values in it: expressions as they are, anything else as a literal. Numbers are
 * doubles, as they are in data.
 *
 * @param text of the template
 * @param values in it
 * @returns the expression; the compiler takes the type that is given for its value's. Nothing is thrown
 * @example
 * const search = agentRef<unknown, { passages: string[] }>("source_retrieval");
 * const checked = pipeline("checked")
 *   .stage("search", { agent: search })
 *   .stage("answer", {
 *     agent: "answer_generation",
 *     depends_on: ["search"],
 *     when: ({ results }) => cel<boolean>`size(${results.search.passages}) >= ${3}`,
 *   });
 */
export function cel<Value = any>(text: TemplateStringsArray, ...values: Written[]): Expression<Value> {
  return made(
    text.reduce((before, part, at) => before + operandOf(values[at - 1]) + part),
    false,
  );
}

/**
 * Gives something else where a value is missing when the pipeline runs: its stage was skipped or failed, or the member
 * is optional. A value that is there and null stays null.
 *
 * @param value as a callback reads it
 * @param other an expression, or a JSON value
 * @returns the expression. Nothing is thrown
 * @example
 * const rewriter = agentRef<unknown, { query: string }>("query_rewriter");
 * const optional = pipeline("optional")
 *   .stage("rewrite", { agent: rewriter, required: false })
 *   .stage("search", {
 *     agent: "source_retrieval",
 *     depends_on: ["rewrite"],
 *     input: ({ results, query }) => ({ question: orElse(results.rewrite.query, query) }),
 *   });
 */
export function orElse<const Other extends Written, Value = any>(
  value: Perhaps<Value>,
  other: Other,
): Expression<Value | ValueOf<Other>> {
  const { path, text } = recordOf(value) as Recorded;
  // A variable by itself is always there.
  const isSure = path === undefined || path.length < 2;
  return made(isSure ? text : `${pathText(path, "?")}.orValue(${celOf(other)})`, true);
}

type ValueOf<Other> = Other extends Expression<infer Value> ? Value : Other;

/** What is behind an expression. */
interface Recorded {
  text: string;
  /** Whether it needs no brackets within another expression. */
  isOperand: boolean;
  /** Of what was read of a variable: the variable's name and the keys. */
  path?: readonly string[];
}

const RECORD = Symbol("record");

/** An expression of the variables that are read of it; `scope.results.search` is `results.search`. */
export function recorder(path: readonly string[] = []): unknown {
  return new Proxy(
    {},
    {
      get(_, key) {
        if (key === RECORD) return { text: pathText(path, ""), isOperand: true, path } satisfies Recorded;
        if (key === Symbol.toPrimitive) throw new TypeError("an expression is written into text with cel`…`");
        return typeof key === "symbol" ? undefined : recorder([...path, key]);
      },
    },
  );
}

/** The CEL of what a callback gives. */
export function celOf(value: unknown): string {
  const recorded = recordOf(value);
  if (recorded !== undefined) return recorded.text;
  if (Array.isArray(value)) return `[${value.map(celOf).join(", ")}]`;
  // Numbers in data are doubles, and CEL adds no int to a double.
  if (Number.isInteger(value)) return `${JSON.stringify(value)}.0`.replace(/(e.*)\.0$/, "$1");
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}: ${celOf(member)}`)
    .join(", ")}}`;
}

function made(text: string, isOperand: boolean): Expression<any> {
  return { [RECORD]: { text, isOperand } satisfies Recorded } as never;
}

function recordOf(value: unknown): Recorded | undefined {
  return typeof value === "object" && value !== null ? (value as { [RECORD]?: Recorded })[RECORD] : undefined;
}

/** The CEL of a value within another expression. */
function operandOf(value: unknown): string {
  return recordOf(value)?.isOperand === false ? `(${celOf(value)})` : celOf(value);
}

const WORD = /^(?!(?:true|false|null|in)$)[A-Za-z_]\w*$/;

function pathText([variable = "", ...keys]: readonly string[], mark: "" | "?"): string {
  return keys.reduce(
    (text, key) => text + (WORD.test(key) ? `.${mark}${key}` : `[${mark}${JSON.stringify(key)}]`),
    variable,
  );
}
