// The cost of evaluating an expression, counted during the evaluation: a step for each operation, more for what
// touches a text or a list, by its length. Counted and not timed, since the core has no clock and a run must decide
// alike wherever it is decided.
import { LIMITS } from "../../contract/limits.ts";

/** UTF-16 units for a step. Each price is set so that a step takes 5 to 30 ns on the machine described in limits.ts. */
export const CHARS = {
  /** Copied or compared by the engine, in blocks. */
  COPIED: 64,
  /** Looked at one after another: counted, searched, split. */
  SCANNED: 12,
  /** Converted by the engine: letter case, UTF-8. */
  CONVERTED: 5,
  /** Compared here, with a table of the needle's. */
  MATCHED: 4,
  /** Taken apart or put together one by one: base64, hexadecimal digits, JSON. */
  PARSED: 1,
} as const;

/** Steps for each key of a large map whose keys are listed: the engine sorts them, for 80 to 400 ns each. */
const KEY_STEPS = 8;
/** Up to here the engine has them in order, and takes 2 to 40 ns for each. */
const SMALL_MAP_KEYS = 64;

/** Thrown past everything that absorbs faults: an expression that has spent its budget is over. */
export class CostExceeded extends Error {}

/** The budget of one evaluation. */
export class Meter {
  private readonly budget: number;
  private left: number;

  /** @param steps at most so many */
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

  /** Work on so many characters. @param rate one of CHARS @throws CostExceeded */
  chars(count: number, rate: number): void {
    this.spend(Math.ceil(count / rate));
  }

  /** A text, or bytes, of this length is about to be made. @throws CostExceeded */
  makeText(chars: number): void {
    if (chars > LIMITS.EXPRESSION_TEXT_CHARS)
      this.exceed(`a text of ${LIMITS.EXPRESSION_TEXT_CHARS} characters`);
    this.chars(chars, CHARS.COPIED);
  }

  /** A list of this length is about to be made. @throws CostExceeded */
  makeList(items: number): void {
    this.chargeLength(items);
    this.spend(items);
  }

  /** A list has grown to this length, by items that were paid for. @throws CostExceeded */
  chargeLength(items: number): void {
    if (items > LIMITS.EXPRESSION_ITEMS) this.exceed(`a list of ${LIMITS.EXPRESSION_ITEMS} items`);
  }

  /** The keys of a map. @throws CostExceeded */
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
