// Hints on a definition that is valid and may still not do what its author expects: stages that run alone although
// nothing makes them wait for each other, agents and pipelines that are not there, and tests that are always true. A hint
// refuses nothing.
import { LIMITS } from "../../contract/limits.ts";
import type { Hint } from "../../contract/management.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { testedKeysIn } from "../expressions/field.ts";
import type { Node } from "./graph.ts";
import { fieldsOf } from "./validate.ts";

/** Of the stages beside which one could run. */
const NAMES_MOST = 5;

/**
 * The hints on these stages, in definition order.
 * @param graph every stage that is known by name and edges, also those that are not among `stages`
 */
export function hintsOf(
  stages: readonly PipelineStage[],
  graph: readonly Node[],
  isRegistered: (agent_type: string) => boolean,
  isPipeline: (name: string) => boolean = () => true,
): Hint[] {
  const upstream = upstreamOf(graph);
  const depends = (stage: string, on: string) => upstream.get(stage)?.has(on) === true;
  // A question takes no place, and keeps none from another.
  const calling = stages.filter(({ wait }) => wait === undefined);
  const hints = stages.flatMap((stage) => {
    const beside =
      stage.parallel || stage.wait !== undefined
        ? []
        : calling.filter(
            ({ name }) => name !== stage.name && !depends(name, stage.name) && !depends(stage.name, name),
          );
    return [
      ...aloneHint(stage, beside),
      ...agentHints(stage, isRegistered),
      ...nestedHints(stage, isPipeline),
      ...hasHints(stage),
    ];
  });
  return hints.slice(0, LIMITS.ERRORS);
}

function aloneHint({ name }: PipelineStage, beside: readonly PipelineStage[]): Hint[] {
  if (beside.length === 0) return [];
  const names = beside.slice(0, NAMES_MOST).map((other) => other.name);
  const more = beside.length > names.length ? ` and ${beside.length - names.length} more` : "";
  const message =
    `runs alone, although it could overlap ${names.join(", ")}${more}: ` +
    'stages overlap where each of them has "parallel": true';
  return [{ code: "INDEPENDENT_STAGES_ALONE", message, stage: name }];
}

function nestedHints({ name, pipeline }: PipelineStage, isPipeline: (name: string) => boolean): Hint[] {
  if (pipeline === undefined || isPipeline(pipeline)) return [];
  const message = `there is no pipeline ${pipeline}: PUT /v1/pipelines/${pipeline} before this one runs`;
  return [{ code: "PIPELINE_NOT_FOUND", message, stage: name }];
}

/** A stage without a result is a null in `results`, and not missing there. */
function hasHints(stage: PipelineStage): Hint[] {
  return fieldsOf(stage).flatMap(({ field: { key, text } }) =>
    testedKeysIn(text, "results").map((name): Hint => {
      const message =
        `${key}: has(results.${name}) is always true: of a stage without a result it is null, ` +
        `so write results.${name} != null`;
      return { code: "HAS_OF_A_STAGE", message, stage: stage.name };
    }),
  );
}

function agentHints(stage: PipelineStage, isRegistered: (agent_type: string) => boolean): Hint[] {
  const { name, agent_type, fallback } = stage;
  if (agent_type === undefined) return [];
  const simple = typeof fallback === "object" && "agent_type" in fallback ? fallback.agent_type : undefined;
  const named = new Map([[agent_type, `the agent ${agent_type} is not registered`]]);
  if (simple !== undefined && simple !== agent_type) {
    named.set(simple, `the agent ${simple} of its fallback is not registered`);
  }
  return [...named]
    .filter(([agent]) => !isRegistered(agent))
    .map(([agent, fault]) => {
      const message = `${fault}: PUT /v1/agents/${agent} before the pipeline runs`;
      return { code: "AGENT_NOT_REGISTERED" as const, message, stage: name };
    });
}

/** All stages that each one waits for, at any distance. In a cycle each waits for all. */
function upstreamOf(graph: readonly Node[]): Map<string, ReadonlySet<string>> {
  const byName = new Map(graph.map((node) => [node.name, node]));
  const all = new Map<string, ReadonlySet<string>>();
  for (const { name } of graph) {
    const found = new Set<string>();
    const open = [name];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const dependency of byName.get(at)?.depends_on ?? []) {
        if (found.has(dependency)) continue;
        found.add(dependency);
        open.push(dependency);
      }
    }
    all.set(name, found);
  }
  return all;
}
