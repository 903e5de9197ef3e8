// Matches a pattern in a time that grows with the text's length alone, for every pattern: the engine's own
// matcher tries every way in which a pattern could match, of which there are exponentially many. All ways are followed
// at once here, as a set of states; sets that were met are remembered, so that most characters cost one step.
import { type Assertion, parsePattern, PatternFault, type PatternNode } from "./pattern-syntax.ts";

/** A state of the automaton: one of a character, an assertion, or a fork. The accepting state has none of them. */
interface State {
  accepts?: (codePoint: number) => boolean;
  assertion?: Assertion;
  next: readonly number[];
}

export interface Pattern {
  readonly source: string;
  readonly states: readonly State[];
  readonly start: number;
}

const ACCEPTING = 0;

/**
 * @param most maximum number of states: as many as the pattern has characters once its repetitions are written out
 * @throws PatternFault
 */
export function compilePattern(source: string, most: number): Pattern {
  const tree = parsePattern(source);
  // Before any of them is made: `(x{999}){999}` is short.
  if (!(sizeOf(tree) < most)) {
    throw new PatternFault(`has more than ${most} characters once its repetitions are written out`);
  }
  const states: State[] = [{ next: [] }];
  return { source, states, start: emit(tree, ACCEPTING, states) };
}

function sizeOf(node: PatternNode): number {
  switch (node.kind) {
    case "sequence":
      return node.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case "choice":
      return node.options.reduce((sum, option) => sum + sizeOf(option), 1);
    case "repeat": {
      // Each copy that may be left out has a fork; without a bound, there is one such copy that is entered again.
      const free = node.most === Infinity ? 1 : node.most - node.least;
      return Math.max(1, node.least * sizeOf(node.body) + free * (sizeOf(node.body) + 1));
    }
    case "empty":
    case "char":
    case "assertion":
      return 1;
  }
}

/** Adds the node's states, which go on at `next`. Gives the first of them. */
function emit(node: PatternNode, next: number, states: State[]): number {
  switch (node.kind) {
    case "empty":
      return next;
    case "char":
      return states.push({ accepts: node.accepts, next: [next] }) - 1;
    case "assertion":
      return states.push({ assertion: node.assertion, next: [next] }) - 1;
    case "sequence":
      return node.parts.reduceRight((after, part) => emit(part, after, states), next);
    case "choice":
      return states.push({ next: node.options.map((option) => emit(option, next, states)) }) - 1;
    case "repeat":
      return emitRepeat(node.body, node.least, node.most, next, states);
  }
}

function emitRepeat(body: PatternNode, least: number, most: number, next: number, states: State[]): number {
  let first = next;
  if (most === Infinity) {
    first = states.push({ next: [] }) - 1;
    states[first] = { next: [emit(body, first, states), next] };
  } else {
    for (let at = least; at < most; at += 1)
      first = states.push({ next: [emit(body, first, states), next] }) - 1;
  }
  for (let at = 0; at < least; at += 1) first = emit(body, first, states);
  return first;
}

/** What is before or after a place in the text. */
type Side = "edge" | "word" | "other";

/** A set of states that was met, with what stood before it. */
interface Met {
  readonly states: readonly number[];
  readonly before: Side;
  /** By the next character; null where the pattern has matched. */
  readonly after: Map<number, Met | null>;
  end: boolean | null;
}

/** Numbers remembered by one matcher; then it begins again. */
const MOST_REMEMBERED = 100_000;
/** Of a text, besides its characters. */
const TEST_STEPS = 3;
/** UTF-16 units per step where the set that follows is known. */
const UNITS_PER_STEP = 4;
/** Of the question whether a class has a character. */
const CLASS_STEPS = 3;

/** A pattern in use. It remembers what it has met, and belongs to one evaluation. */
export class Matcher {
  private readonly pattern: Pattern;
  private readonly spend: (steps: number) => void;
  private first: Met | null = null;
  private met = new Map<string, Met>();
  private remembered = 0;
  /** The round in which a state was last visited. */
  private readonly visited: Uint32Array;
  private round = 0;

  /** @param spend called with the steps of all work, before it is done; it may throw */
  constructor(pattern: Pattern, spend: (steps: number) => void) {
    this.pattern = pattern;
    this.spend = spend;
    this.visited = new Uint32Array(pattern.states.length);
  }

  /** Whether the pattern matches anywhere in the text, as RegExp.test says with the flag `u`. */
  test(text: string): boolean {
    this.spend(TEST_STEPS + Math.ceil(text.length / UNITS_PER_STEP));
    let here = (this.first ??= this.remember([this.pattern.start], "edge"));
    for (let at = 0; at < text.length; ) {
      const codePoint = text.codePointAt(at) as number;
      let next = here.after.get(codePoint);
      if (next === undefined) {
        next = this.step(here, codePoint);
        here.after.set(codePoint, next);
      }
      if (next === null) return true;
      here = next;
      at += codePoint > 0xffff ? 2 : 1;
    }
    here.end ??= this.reach(here, "edge") === null;
    return here.end;
  }

  /** The set after one more character; null where the pattern has matched before it. */
  private step(from: Met, codePoint: number): Met | null {
    const side = isWord(codePoint) ? "word" : "other";
    const reached = this.reach(from, side);
    if (reached === null) return null;
    this.spend(reached.length * CLASS_STEPS);
    // A match may begin at any character.
    const next = new Set([this.pattern.start]);
    for (const state of reached) if (state.accepts?.(codePoint) === true) next.add(state.next[0] as number);
    return this.remember(
      [...next].toSorted((a, b) => a - b),
      side,
    );
  }

  private remember(states: readonly number[], before: Side): Met {
    const key = `${before} ${states.join(" ")}`;
    const known = this.met.get(key);
    if (known !== undefined) return known;
    this.remembered += states.length + 8;
    if (this.remembered > MOST_REMEMBERED) {
      this.met = new Map();
      this.remembered = 0;
    }
    const met: Met = { states, before, after: new Map(), end: null };
    this.met.set(key, met);
    return met;
  }

  /** The states of characters that are reached without reading one; null where the accepting state is. */
  private reach(from: Met, after: Side): State[] | null {
    this.round += 1;
    const reached: State[] = [];
    const stack = [...from.states];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (at === ACCEPTING) return null;
      if (this.visited[at] === this.round) continue;
      this.visited[at] = this.round;
      this.spend(1);
      const state = this.pattern.states[at] as State;
      if (state.accepts !== undefined) reached.push(state);
      else if (state.assertion === undefined || holds(state.assertion, from.before, after))
        stack.push(...state.next);
    }
    return reached;
  }
}

function holds(assertion: Assertion, before: Side, after: Side): boolean {
  switch (assertion) {
    case "start":
      return before === "edge";
    case "end":
      return after === "edge";
    case "boundary":
      return (before === "word") !== (after === "word");
    case "inside":
      return (before === "word") === (after === "word");
  }
}

/** As `\w` has it. */
function isWord(codePoint: number): boolean {
  return codePoint < 0x80 && /\w/.test(String.fromCodePoint(codePoint));
}
