// The definitions that a stage which runs a pipeline comes to, as its run is pinned to them.
import type { ResolvedStage } from "../../contract/stage.ts";
import type { RunSpec } from "../execution/run-spec.ts";

/** By pipeline; none of a stage of another kind. */
export function stagesWithin(
  { pipeline }: ResolvedStage,
  pinned: RunSpec["pipelines"] = {},
): Record<string, readonly ResolvedStage[]> {
  const found: Record<string, readonly ResolvedStage[]> = {};
  const open = pipeline === undefined ? [] : [pipeline];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Object.hasOwn(found, next)) continue;
    const { stages } = Object.hasOwn(pinned, next) ? (pinned[next] ?? NONE) : NONE;
    found[next] = stages;
    open.push(...stages.flatMap((stage) => stage.pipeline ?? []));
  }
  return found;
}

const NONE = { stages: [] };
