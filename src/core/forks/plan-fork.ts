// planFork: which results of an execution a fork of it takes over, and which stages it runs, each with the reason (I19:
// a result is reused only where a call would have been given the same bytes). A stage's call is made of its definition,
// its agent's registration, the question, the history, the results of its dependencies and the context as it was then;
// a stage is run where any of them differs, or may, since it comes from a stage that is run.
import type { RegisteredAgent } from "../../contract/agent.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../contract/problem.ts";
import type { ResolvedStage } from "../../contract/stage.ts";
import type { RunConfig } from "../execution/run-config.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import { canonicalJson } from "../json/json.ts";
import { type ConditionScope, evaluateCondition, evaluatePrompt } from "../pipeline/condition.ts";
import { fieldsOf, stagesNamed } from "../pipeline/validate.ts";
import { agentTypesOf, fallbackOf } from "../resilience/fallback.ts";
import { dataFaults } from "../schemas/data-faults.ts";
import type { ForkSource, SourceStage } from "./fork-source.ts";
import { stagesWithin } from "./stages-within.ts";

/** What the fork is pinned to. */
export interface ForkTarget {
  /** In definition order. */
  stages: readonly ResolvedStage[];
  agents: Readonly<Record<string, RegisteredAgent | null>>;
  config: RunConfig;
  query: string;
  context: JsonObject;
  history: readonly ConversationTurn[];
  inputs: Readonly<Record<string, JsonObject | null>>;
  left_out: readonly string[];
  pipelines?: RunSpec["pipelines"];
}

/** What the caller wants run, and what given. */
export interface ForkChoice {
  /** A stage, which is run with all that depend on it; or `failed`, for what had not completed. */
  from?: string | undefined;
  /** The data of stages, by name. */
  set?: Readonly<Record<string, JsonObject>> | undefined;
}

export interface ForkPlan {
  /** Completed and skipped stages, in the order in which they had ended. */
  reused: SourceStage[];
  /** The data that the caller has given, by stage, in definition order. */
  set: readonly (readonly [stage: string, data: JsonObject])[];
  /** In definition order. */
  rerun: { stage: string; reason: string }[];
}

/** The plan, or what is wrong with the choice. */
export function planFork(
  source: ForkSource,
  target: ForkTarget,
  { from, set = {} }: ForkChoice,
): Result<ForkPlan> {
  const fault = choiceFault(target, from, set);
  if (fault !== null) return err(fault);
  const planner = new Planner(source, target, from, set);
  const verdicts = target.stages.map(({ name }) => [name, planner.of(name)] as const);
  return ok({
    reused: verdicts
      .flatMap(([, verdict]) =>
        verdict.kind === "reused" || verdict.kind === "skipped" ? [verdict.stage] : [],
      )
      .toSorted((a, b) => a.ended_seq - b.ended_seq),
    set: verdicts.flatMap(([name, verdict]) => (verdict.kind === "set" ? [[name, verdict.data]] : [])),
    rerun: verdicts.flatMap(([stage, verdict]) =>
      verdict.kind === "rerun" ? [{ stage, reason: verdict.reason }] : [],
    ),
  });
}

/** The word for everything that had not completed, unless a stage has it for a name. */
const FAILED = "failed";

function choiceFault(
  { stages }: ForkTarget,
  from: string | undefined,
  set: Readonly<Record<string, JsonObject>>,
): CoordinatorError | null {
  const names = stages.map(({ name }) => name);
  const detail = `is not a stage of this pipeline (${names.join(", ")})`;
  const unknown: InputError[] = Object.keys(set)
    .filter((name) => !names.includes(name))
    .map((name) => ({ pointer: `/set/${name}`, detail: `${name} ${detail}` }));
  if (from !== undefined && from !== FAILED && !names.includes(from)) {
    unknown.unshift({ pointer: "/from", detail: `${from} ${detail}` });
  }
  if (unknown.length > 0) return { code: "INVALID_REQUEST", errors: unknown };
  for (const [stage, data] of Object.entries(set)) {
    const schema = schemaOf(stages.find(({ name }) => name === stage));
    const faults = schema === undefined ? [] : dataFaults(schema, data);
    if (faults.length === 0) continue;
    const errors = faults.map((fault) => ({ ...fault, pointer: `/set/${stage}${fault.pointer}` }));
    return { code: "SCHEMA_MISMATCH", stage, errors };
  }
  return null;
}

/** What the data of a stage satisfies; the schema of one with `map` is that of its items. */
function schemaOf(stage: ResolvedStage | undefined): JsonObject | undefined {
  return stage?.wait?.schema ?? (stage?.map === undefined ? stage?.output_schema : undefined);
}

type Verdict =
  | { kind: "reused"; stage: SourceStage }
  | { kind: "set"; data: JsonObject }
  /** It was skipped, and its condition is false again. */
  | { kind: "skipped"; stage: SourceStage }
  | { kind: "rerun"; reason: string };

class Planner {
  private readonly source: ForkSource;
  private readonly target: ForkTarget;
  private readonly set: Readonly<Record<string, JsonObject>>;
  private readonly there: ReadonlyMap<string, SourceStage>;
  private readonly here: ReadonlyMap<string, ResolvedStage>;
  /** The stage that is to run, and all that depend on it. */
  private readonly forced: ReadonlyMap<string, string>;
  private readonly verdicts = new Map<string, Verdict>();
  /** Equal for all stages. */
  private readonly common: string | null;

  constructor(
    source: ForkSource,
    target: ForkTarget,
    from: string | undefined,
    set: Readonly<Record<string, JsonObject>>,
  ) {
    this.source = source;
    this.target = target;
    this.set = set;
    this.there = new Map(source.stages.map((stage) => [stage.result.stage, stage]));
    this.here = new Map(target.stages.map((stage) => [stage.name, stage]));
    this.forced = forcedBy(target.stages, from);
    this.common = isEqual(source.spec.query, target.query)
      ? isEqual(source.spec.history, target.history)
        ? null
        : "history"
      : "query";
  }

  of(name: string): Verdict {
    const known = this.verdicts.get(name);
    if (known !== undefined) return known;
    // In another graph the stages that it depends on may have seen what it had added to the context.
    this.verdicts.set(name, { kind: "rerun", reason: "context" });
    const verdict = this.judge(name);
    this.verdicts.set(name, verdict);
    return verdict;
  }

  private judge(name: string): Verdict {
    if (Object.hasOwn(this.set, name)) return { kind: "set", data: this.set[name] as JsonObject };
    const forced = this.forced.get(name);
    if (forced !== undefined) return { kind: "rerun", reason: forced };
    const stage = this.here.get(name) as ResolvedStage;
    const before = this.there.get(name);
    const earlier = this.source.spec.stages.find((other) => other.name === name);
    if (before === undefined || earlier === undefined) return { kind: "rerun", reason: "new stage" };
    const { status } = before.result;
    if (status !== "completed" && status !== "skipped") return { kind: "rerun", reason: `it was ${status}` };
    const reason = this.difference(stage, earlier, before);
    if (reason !== null) return { kind: "rerun", reason };
    return { kind: status === "completed" ? "reused" : "skipped", stage: before };
  }

  /** What makes a further run of the stage another one; null where it would be the same. */
  private difference(stage: ResolvedStage, earlier: ResolvedStage, before: SourceStage): string | null {
    const wasSkipped = before.result.status === "skipped";
    // The result of one whose condition is not looked at again may come from a stage that is run.
    const named = fieldsOf(stage).flatMap(({ field }) => stagesNamed(field.text));
    for (const name of [...stage.depends_on, ...named]) {
      if (this.here.has(name) && this.of(name).kind === "rerun") return `depends on ${name}`;
    }
    if (this.common !== null) return this.common;
    const seen = this.contextSeen(before, before.asked_seq);
    if (seen === null) return "context";
    // A question without an answer is asked again.
    if (wasSkipped && before.result.answered_by !== null) return "it was skipped";
    if (stage.when !== undefined || wasSkipped) {
      const reason = this.conditionDifference(stage, earlier, before);
      if (reason !== null || wasSkipped) return reason;
    }
    if (stage.wait !== undefined) return questionDifference(stage, earlier, before, this.scope(seen));
    return (
      definitionDifference(stage, earlier) ??
      this.nestedDifference(stage) ??
      this.agentDifference(stage) ??
      this.fallbackDifference(stage, earlier, before) ??
      this.inputDifference(stage, earlier, named)
    );
  }

  /** What its condition says now, beside what it said there. */
  private conditionDifference(
    stage: ResolvedStage,
    earlier: ResolvedStage,
    before: SourceStage,
  ): string | null {
    const seen = this.contextSeen(before, before.began_seq);
    if (seen === null) return "context";
    const verdict = stage.when === undefined ? ok(true) : evaluateCondition(stage.when, this.scope(seen));
    const wasSkipped = before.result.status === "skipped";
    if (verdict.ok) return verdict.value === wasSkipped ? "definition.when" : null;
    // Its fallback has taken the place of a condition that cannot be evaluated.
    const isSame = stage.when === earlier.when && before.result.fallback !== null;
    return isSame ? null : "definition.when";
  }

  private scope(context: JsonObject): ConditionScope {
    return { query: this.target.query, results: this.results(), context };
  }

  /**
   * The context that the stage would see, where it is the one that it saw; else null.
   * @param until the `seq` of the event with which it saw it
   */
  private contextSeen(before: SourceStage, until: number): JsonObject | null {
    const patches = patchesSeen(this.source, before, until);
    const isTakenOver = ({ result }: SourceStage) =>
      this.here.has(result.stage) && this.of(result.stage).kind === "reused";
    if (!patches.every(isTakenOver)) return null;
    const over = (context: JsonObject) =>
      patches.reduce<JsonObject>((seen, { patch }) => ({ ...seen, ...patch }), context);
    const here = over(this.target.context);
    return isEqual(here, over(this.source.spec.context)) ? here : null;
  }

  /** A result that the fallback gave is the fallback's. */
  private fallbackDifference(
    stage: ResolvedStage,
    earlier: ResolvedStage,
    before: SourceStage,
  ): string | null {
    if (before.result.fallback === null) return null;
    const here = fallbackOf(stage, this.target.config);
    return isEqual(here, fallbackOf(earlier, this.source.spec.config)) ? null : "definition.fallback";
  }

  /** The definitions that its pipeline comes to. */
  private nestedDifference(stage: ResolvedStage): string | null {
    const here = stagesWithin(stage, this.target.pipelines);
    return isEqual(here, stagesWithin(stage, this.source.spec.pipelines)) ? null : "definition.pipeline";
  }

  private agentDifference(stage: ResolvedStage): string | null {
    const within = Object.values(stagesWithin(stage, this.target.pipelines)).flat();
    const types = agentTypesOf([stage, ...within], this.target.config);
    const isSame = (type: string) =>
      isEqual(this.source.spec.agents[type] ?? null, this.target.agents[type] ?? null);
    return types.every(isSame) ? null : "registration";
  }

  /** @param named the stages whose results its expressions name, which it may depend on through others alone */
  private inputDifference(
    stage: ResolvedStage,
    earlier: ResolvedStage,
    named: readonly string[],
  ): string | null {
    const given = { ...this.source.spec.inputs };
    if (!isEqual(given, this.target.inputs)) return "inputs";
    const names = new Set([...stage.depends_on, ...earlier.depends_on]);
    for (const name of names) {
      const isHere = stage.depends_on.includes(name);
      if (isHere !== earlier.depends_on.includes(name)) return `input ${name}`;
      if (!this.isAsBefore(name)) return `input ${name}`;
    }
    const changed = named.find((name) => !this.isAsBefore(name));
    return changed === undefined ? null : `input ${changed}`;
  }

  private isAsBefore(name: string): boolean {
    return isEqual(this.dataOf(name), this.there.get(name)?.result.data ?? null);
  }

  /** What expressions see of the stages whose results are known. */
  private results(): ConditionScope["results"] {
    const known = this.target.stages.flatMap(({ name }) => {
      const verdict = this.verdicts.get(name);
      return verdict === undefined || verdict.kind === "rerun" ? [] : [[name, this.dataOf(name)] as const];
    });
    const left_out = this.target.left_out.map((name) => [name, null] as const);
    return { ...Object.fromEntries(left_out), ...this.target.inputs, ...Object.fromEntries(known) };
  }

  private dataOf(name: string): JsonObject | null {
    const verdict = this.verdicts.get(name);
    if (verdict?.kind === "set") return verdict.data;
    return verdict?.kind === "reused" ? verdict.stage.result.data : null;
  }
}

/**
 * The stages whose additions to the context a stage had seen, in the order in which they were made.
 * @param until the `seq` of the event with which it saw them; of one that was taken over itself its log knows the names
 */
export function patchesSeen(
  source: ForkSource,
  { saw }: SourceStage,
  until: number,
): (SourceStage & { patch: JsonObject })[] {
  return source.stages
    .filter((stage): stage is SourceStage & { patch: JsonObject } => {
      if (stage.patch === undefined || stage.ended_seq === 0) return false;
      return saw === undefined ? stage.ended_seq < until : saw.includes(stage.result.stage);
    })
    .toSorted((a, b) => a.ended_seq - b.ended_seq);
}

function forcedBy(stages: readonly ResolvedStage[], from: string | undefined): Map<string, string> {
  const forced = new Map<string, string>();
  if (from === undefined || !stages.some(({ name }) => name === from)) return forced;
  forced.set(from, "from");
  // In a list of any order, each round finds what depends on what was found before.
  for (let size = 0; size < forced.size; ) {
    size = forced.size;
    for (const { name, depends_on } of stages) {
      const on = depends_on.find((dependency) => forced.has(dependency));
      if (on !== undefined && !forced.has(name)) forced.set(name, `depends on ${on}`);
    }
  }
  return forced;
}

const OF_CALLS = [
  "pipeline",
  "timeout_seconds",
  "input",
  "query",
  "context",
  "map",
  "repeat",
  "output_schema",
] as const satisfies readonly (keyof ResolvedStage)[];

/** What of a definition a call is made of: the rest decides how often, beside what and under which conditions. */
function definitionDifference(stage: ResolvedStage, earlier: ResolvedStage): string | null {
  if (earlier.wait !== undefined) return "definition.agent_type";
  if (stage.agent_type !== earlier.agent_type) return "definition.agent_type";
  for (const key of new Set([...Object.keys(stage.config), ...Object.keys(earlier.config)])) {
    if (!isEqual(stage.config[key], earlier.config[key])) return `config.${key}`;
  }
  for (const field of OF_CALLS) {
    if (!isEqual(stage[field] ?? null, earlier[field] ?? null)) return `definition.${field}`;
  }
  return null;
}

/** A person would be asked the same. */
function questionDifference(
  stage: ResolvedStage,
  earlier: ResolvedStage,
  before: SourceStage,
  scope: ConditionScope,
): string | null {
  if (earlier.wait === undefined) return "definition.wait";
  if (!isEqual(stage.wait?.schema ?? null, earlier.wait.schema ?? null)) return "definition.wait.schema";
  const text = stage.wait?.prompt;
  // Where its data was given nothing was shown.
  if (before.prompt === undefined) return text === earlier.wait.prompt ? null : "definition.wait.prompt";
  const prompt = text === undefined ? ok({}) : evaluatePrompt(text, scope);
  return prompt.ok && isEqual(prompt.value, before.prompt) ? null : "definition.wait.prompt";
}

function isEqual(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
