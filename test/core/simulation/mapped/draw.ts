// Stages with `map` and `repeat` in a scenario: which stages have them, their lists, and what their agents answer. Drawn
// from the scenario's chance.
import type { AgentStage, MapSpec, RepeatSpec, ResolvedStage } from "../../../../src/contract/stage.ts";
import type { CallEnding } from "../../../../src/core/execution/command.ts";
import type { RunSpec } from "../../../../src/core/execution/run-spec.ts";
import type { Random } from "../random.ts";
import { INPUTS, UNTIL_TEXTS } from "./expressions.ts";

const VALUES: readonly unknown[] = [1, "two", null, { n: 1 }, { n: { deep: [1] } }, {}, { n: 2, m: "ü" }];

function drawList(random: Random, most: number): unknown[] {
  return Array.from({ length: random.int(0, most) }, () => random.pick(VALUES));
}

/** Some stages map, some repeat, some do both. */
export function withUnits(random: Random, spec: RunSpec): RunSpec {
  const maps = random.pick([0, 0.4, 0.8]);
  const repeats = random.pick([0, 0.3, 0.7]);
  const stages = spec.stages.map((stage): ResolvedStage => {
    if (stage.agent_type === undefined) return stage;
    const one = random.odds(maps) ? mapping(random, stage) : stage;
    return random.odds(repeats) ? { ...one, repeat: drawRepeat(random) } : one;
  });
  return { ...spec, stages, context: { ...spec.context, docs: drawList(random, 12) } };
}

const OVERS = [...Array.from({ length: 6 }, () => "context.docs"), "[1, 2, 3, 4, 5]", "[]", "context.seen"];

function mapping(random: Random, stage: AgentStage): AgentStage {
  const map: MapSpec = {
    over: drawOver(random, stage),
    max_items: random.pick([3, 100, 100, 100]),
    concurrency: random.pick([1, 2, 3, 4]),
    on_error: random.pick(["fail", "collect"] as const),
  };
  return { ...stage, map, ...(random.odds(0.3) ? { input: random.pick(INPUTS) } : {}) };
}

function drawOver(random: Random, { depends_on }: AgentStage): string {
  if (depends_on.length === 0 || random.odds(0.6)) return random.pick(OVERS);
  return `results[${JSON.stringify(random.pick(depends_on))}].${random.pick(["list", "list", "items"])}`;
}

function drawRepeat(random: Random): RepeatSpec {
  return {
    until: random.odds(0.8) ? random.pick(UNTIL_TEXTS.slice(0, 5)) : random.pick(UNTIL_TEXTS),
    max: random.int(2, 4),
    on_max: random.pick(["accept", "fail"] as const),
  };
}

/** The answer with what lists and `until` look at. */
export function forUnits(random: Random, outcome: CallEnding): CallEnding {
  if (!outcome.ok) return outcome;
  const { answer } = outcome;
  const data = { ...answer.data, n: random.int(0, 3), list: drawList(random, 5) };
  const context = random.odds(0.1) ? { ...answer.context, docs: drawList(random, 3) } : answer.context;
  return { ...outcome, answer: { ...answer, data, ...(context === undefined ? {} : { context }) } };
}
