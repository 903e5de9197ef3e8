// What stages have used, in tokens and dollars: of one, as its usage has it, and of many, by model. A usage that is the sum
// over several models counts for the last one. Added to in place.
import { LIMITS } from "../../../../contract/limits.ts";
import type { Usage } from "../../../../contract/stage.ts";
import { isAmount } from "../../../../contract/usage.ts";
import { admittedName, OTHER } from "../names.ts";
import { addValue, emptySketch, mergeSketch, type Sketch } from "../sketch.ts";

interface Amounts {
  input_tokens: number;
  output_tokens: number;
  /** Of models without a price. */
  unpriced_tokens: number;
}

/** What one stage, or one run, has used. */
export interface Used extends Amounts {
  /** "" where the agent names none. */
  model: string;
  /** Null where it is not known. */
  cost_usd: number | null;
}

/** What several have used. */
export interface Spent extends Amounts {
  /** Of those whose cost is known. */
  cost_usd: number;
  /** How many these are. */
  priced: number;
}

/** What the executions of a stage have used. */
export interface StageSpent {
  /** Of each execution whose cost is known, in millionths of a dollar. */
  costs: Sketch;
  /** In the order of admission. */
  models: Map<string, Spent>;
}

const MICRO = 1e-6;
/** Larger numbers of an agent count as these, so that sums of many remain finite. */
const MOST_USD = 1e9;
const MOST_TOKENS = Number.MAX_SAFE_INTEGER;

/** The figures of a usage; null where it has none. */
export function usedOf(usage: Usage | null | undefined): Used | null {
  if (usage == null) return null;
  const amount = (most: number, ...names: string[]) => {
    const value = names.map((name) => usage[name]).find(isAmount);
    return value === undefined ? null : Math.min(most, Math.max(0, Number(value)));
  };
  const cost_usd = amount(MOST_USD, "cost_usd");
  const tokens = [
    amount(MOST_TOKENS, "input_tokens", "prompt_tokens"),
    amount(MOST_TOKENS, "output_tokens", "completion_tokens"),
    amount(MOST_TOKENS, "unpriced_tokens"),
  ];
  if (cost_usd === null && tokens.every((count) => count === null)) return null;
  const [input_tokens, output_tokens, unpriced_tokens] = tokens.map((count) => count ?? 0) as [
    number,
    number,
    number,
  ];
  const { model } = usage;
  return {
    model: typeof model === "string" ? model : "",
    cost_usd,
    input_tokens,
    output_tokens,
    unpriced_tokens,
  };
}

export function emptySpent(): Spent {
  return { cost_usd: 0, priced: 0, input_tokens: 0, output_tokens: 0, unpriced_tokens: 0 };
}

export function addSpent(into: Spent, other: Spent): void {
  into.cost_usd += other.cost_usd;
  into.priced += other.priced;
  into.input_tokens += other.input_tokens;
  into.output_tokens += other.output_tokens;
  into.unpriced_tokens += other.unpriced_tokens;
}

export function sumOf(all: Iterable<Spent>): Spent {
  const sum = emptySpent();
  for (const spent of all) addSpent(sum, spent);
  return sum;
}

/** What they cost; null where something was used, and no cost of it is known. */
export function costOf({
  cost_usd,
  priced,
  input_tokens,
  output_tokens,
  unpriced_tokens,
}: Spent): number | null {
  return priced === 0 && input_tokens + output_tokens + unpriced_tokens > 0 ? null : cost_usd;
}

/** Stages of a pipeline, by name; those that have used nothing lack `spent`. */
type Stages = ReadonlyMap<string, { spent?: StageSpent }>;

/** @param stages of the pipeline, this one included: they share the models' limit */
export function addUsed(stages: Stages, stage: { spent?: StageSpent }, used: Used): void {
  const { model, cost_usd, ...amounts } = used;
  const spent = spentOf(stage);
  if (cost_usd !== null) addValue(spent.costs, cost_usd / MICRO);
  addSpent(modelIn(stages, spent, model), {
    ...amounts,
    cost_usd: cost_usd ?? 0,
    priced: cost_usd === null ? 0 : 1,
  });
}

export function mergeSpent(
  stages: Stages,
  stage: { spent?: StageSpent },
  other: StageSpent | undefined,
): void {
  if (other === undefined) return;
  const spent = spentOf(stage);
  mergeSketch(spent.costs, other.costs);
  for (const [model, of] of other.models) addSpent(modelIn(stages, spent, model), of);
}

/** Costs of runs by tag. @param usd by tag */
export function addTags(into: Map<string, number>, usd: Iterable<readonly [string, number]>): void {
  for (const [tag, cost] of usd) {
    const name = admittedName(into, tag, LIMITS.METRICS_TAGS);
    into.set(name, (into.get(name) ?? 0) + cost);
  }
}

/** In dollars, of a sketch of costs. */
export function usdOf(micros: number): number {
  return micros * MICRO;
}

function spentOf(stage: { spent?: StageSpent }): StageSpent {
  return (stage.spent ??= { costs: emptySketch(), models: new Map() });
}

function modelIn(stages: Stages, spent: StageSpent, model: string): Spent {
  const name = spent.models.has(model) ? model : admittedModel(stages, model);
  const known = spent.models.get(name) ?? emptySpent();
  spent.models.set(name, known);
  return known;
}

function admittedModel(stages: Stages, model: string): string {
  if (model.length > LIMITS.MODEL_CHARS) return OTHER;
  const known = new Map([...stages.values()].flatMap(({ spent }) => [...(spent?.models ?? [])]));
  return admittedName(known, model, LIMITS.METRICS_MODELS);
}
