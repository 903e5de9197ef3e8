// One check of data against a schema while it is made: its budget, the faults found so far, and where it is.
import { LIMITS } from "../../contract/limits.ts";
import type { InputError } from "../../contract/problem.ts";
import { joinPointer } from "../json/exact-integer.ts";
import { Matcher, type Pattern } from "./pattern.ts";

/** A value's place in the data; null for the whole. */
export type Place = { readonly up: Place; readonly key: string | number } | null;

/** The members of an object or a list that some subschema has evaluated. */
export interface Evaluated {
  readonly keys: Set<string>;
  readonly items: Set<number>;
}

/** UTF-16 units of a text that is compared or counted, per step. */
export const UNITS_PER_STEP = 16;
/** As deep as data and schema may be together. */
const MOST_DEPTH = LIMITS.JSON_DEPTH * LIMITS.SCHEMA_CHAIN;

/** Of a sentence about a fault, and of its pointer with each level of it. */
export const FAULT_STEPS = 40;

/** The check was stopped at a bound. */
export class CheckStopped extends Error {}

export class Run {
  private left: number;
  private depth = 0;
  private faults: InputError[] = [];
  /** More than 0 where only the outcome counts: faults are not described, and the first one ends a subschema. */
  private silent = 0;
  private readonly matchers = new Map<Pattern, Matcher>();

  constructor(steps: number = LIMITS.SCHEMA_STEPS) {
    this.left = steps;
  }

  get isSilent(): boolean {
    return this.silent > 0;
  }

  get found(): readonly InputError[] {
    return this.faults;
  }

  /** @throws CheckStopped */
  readonly spend = (steps: number): void => {
    this.left -= steps;
    if (this.left < 0) throw new CheckStopped("takes too many steps to check against its schema");
  };

  /** @throws CheckStopped */
  enter(): void {
    this.spend(1);
    this.depth += 1;
    if (this.depth > MOST_DEPTH) throw new CheckStopped("is nested too deep to check against its schema");
  }

  leave(): void {
    this.depth -= 1;
  }

  /** Notes what is wrong with the value there. Always false, so that a check can end with it. */
  fault(place: Place, detail: () => string): false {
    if (!this.isSilent && this.faults.length < LIMITS.ERRORS) {
      this.spend(FAULT_STEPS + this.depth);
      this.faults.push({ pointer: pointerOf(place), detail: detail() });
    }
    return false;
  }

  /** Takes over faults of an alternative that was tried. */
  note(faults: readonly InputError[]): void {
    if (this.isSilent) return;
    this.spend(faults.length);
    this.faults.push(...faults.slice(0, LIMITS.ERRORS - this.faults.length));
  }

  /** A check whose faults are none of the data's by themselves: what it found, apart. */
  attempt(check: () => boolean): { ok: boolean; faults: readonly InputError[] } {
    const before = this.faults;
    this.faults = [];
    const ok = check();
    const { faults } = this;
    this.faults = before;
    return { ok, faults };
  }

  /** A check of which only the outcome counts. */
  quietly(check: () => boolean): boolean {
    this.silent += 1;
    const ok = check();
    this.silent -= 1;
    return ok;
  }

  matches(pattern: Pattern, text: string): boolean {
    let matcher = this.matchers.get(pattern);
    if (matcher === undefined) {
      matcher = new Matcher(pattern, this.spend);
      this.matchers.set(pattern, matcher);
    }
    return matcher.test(text);
  }

  /** Pays for writing a value as JSON. @throws CheckStopped */
  weigh(value: unknown, depth = 0): void {
    if (typeof value === "string") this.spend(1 + Math.ceil(value.length / UNITS_PER_STEP));
    else if (value === null || typeof value !== "object") this.spend(2);
    else {
      if (depth > MOST_DEPTH) throw new CheckStopped("is nested too deep to check against its schema");
      this.spend(2);
      for (const [key, child] of Object.entries(value)) {
        this.spend(1 + Math.ceil(key.length / UNITS_PER_STEP));
        this.weigh(child, depth + 1);
      }
    }
  }
}

/** The JSON pointer of a place. */
export function pointerOf(place: Place): string {
  let pointer = "";
  for (let at = place; at !== null; at = at.up) pointer = joinPointer("", `${at.key}`) + pointer;
  return pointer;
}
