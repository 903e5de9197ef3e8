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
/** Up to this number of keys the engine has them in order and takes 2 to 40 ns for each. */
const SMALL_MAP_KEYS = 64;

/** The budget is spent. Not a fault, which `||`, `&&`, `all` and `exists` could absorb: it ends the evaluation. */
export class CostExceeded extends Error {}

/** The budget of one evaluation. */
export class Meter {
  private readonly budget: number;
  private left: number;

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
    this.spend(1 + keys.length * (keys.length > SMALL_MAP_KEYS ? KEY_STEPS : 1));
    return keys;
  }

  /** Ends the evaluation. @throws CostExceeded */
  exceed(limit: string): never {
    this.left = 0;
    throw new CostExceeded(`exceeds the cost limit of an expression (${limit})`);
  }
}
