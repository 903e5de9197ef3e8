// Counts the cost of an evaluation while it runs: one step for each operation, and more for an operation on a text or a
// list, by its length. Steps are counted and not timed: the core has no clock, and a run must decide the same on every
// machine.
import { LIMITS } from "../../../contract/limits.ts";

/** UTF-16 units per step. With these prices a step takes 5 to 30 ns on the machine described in limits.ts. */
export const CHARS = {
  /** Copied or compared in blocks, by the JavaScript engine. */
  COPIED: 64,
  /** Read one after another: counted, searched, split. */
  SCANNED: 12,
  /** Converted by the JavaScript engine: letter case, UTF-8. */
  CONVERTED: 5,
  /** Searched by this code, with a table of the needle. */
  MATCHED: 4,
  /** Encoded or decoded one by one: base64, hexadecimal digits, JSON. */
  PARSED: 1,
} as const;

/** Steps for each key when the keys of a large map are listed: the engine sorts them, in 80 to 400 ns each. */
const KEY_STEPS = 8;
/** Up to this number of keys the engine has them in order and takes 2 to 80 ns for each. */
const SMALL_MAP_KEYS = 64;
const SMALL_MAP_KEY_STEPS = 2;
/** Keys that are whole numbers come first, sorted in a map of any size, and are made texts each time. */
const NUMERIC_KEY = /^\d/;

/** Up to 64 bits an integer takes as long as any number; data may have integers of 309 digits. */
const WIDE = 2n ** 64n;
/** Steps for an operation on one of those, at most 2 µs. */
const WIDE_STEPS = 100;

/** The budget is spent. Not a fault, which `||`, `&&`, `all` and `exists` could absorb: it ends the evaluation. */
export class CostExceeded extends Error {}

/** The budget of one evaluation. */
export class Meter {
  private readonly budget: number;
  private left: number;
  private room: number = LIMITS.RESULT_BYTES;

  /** @param steps maximum number of steps */
  constructor(steps: number = LIMITS.EXPRESSION_STEPS) {
    this.budget = steps;
    this.left = steps;
  }

  /** Steps spent so far. */
  get spent(): number {
    return this.budget - this.left;
  }

  /** @throws CostExceeded */
  spend(steps: number): void {
    this.left -= steps;
    if (this.left < 0) this.exceed(`${this.budget} steps`);
  }

  /** Charges work on this number of characters. @param rate one of CHARS @throws CostExceeded */
  chars(count: number, rate: number): void {
    this.spend(Math.ceil(count / rate));
  }

  /** Charges a text or bytes of this length before they are created. @throws CostExceeded */
  makeText(chars: number): void {
    if (chars > LIMITS.EXPRESSION_TEXT_CHARS)
      this.exceed(`a text of ${LIMITS.EXPRESSION_TEXT_CHARS} characters`);
    this.chars(chars, CHARS.COPIED);
  }

  /** Charges a list of this length before it is created. @throws CostExceeded */
  makeList(items: number): void {
    this.chargeLength(items);
    this.spend(items);
  }

  /** Checks the length of a list that grows by items that were charged already. @throws CostExceeded */
  chargeLength(items: number): void {
    if (items > LIMITS.EXPRESSION_ITEMS) this.exceed(`a list of ${LIMITS.EXPRESSION_ITEMS} items`);
  }

  /** Charges and lists the keys of a map. @throws CostExceeded */
  keys(map: object): string[] {
    const keys = Object.keys(map);
    const isSmall = keys.length <= SMALL_MAP_KEYS && !NUMERIC_KEY.test(keys[0] ?? "");
    this.spend(1 + keys.length * (isSmall ? SMALL_MAP_KEY_STEPS : KEY_STEPS));
    return keys;
  }

  /** Charges an operation on an integer, which may be of more than 64 bits. @throws CostExceeded */
  integer(value: number | bigint): void {
    if (typeof value === "bigint" && (value >= WIDE || value <= -WIDE)) this.spend(WIDE_STEPS);
  }

  /** Bytes of the JSON of all results so far. */
  get given(): number {
    return LIMITS.RESULT_BYTES - this.room;
  }

  /** Charges bytes of a result's JSON. @throws CostExceeded */
  give(bytes: number): void {
    this.room -= bytes;
    if (this.room < 0) this.exceed(`a result of ${LIMITS.RESULT_BYTES} bytes`);
  }

  /** Ends the evaluation. @throws CostExceeded */
  exceed(limit: string): never {
    this.left = 0;
    throw new CostExceeded(`exceeds the cost limit of an expression (${limit})`);
  }
}
