// Validates a definition of any shape: all errors at once (the first of them, and their number), of
// single stages and of the whole, and the graph as far as it is known.
import { DEFAULT_CONFIG } from "../../contract/config.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Validation } from "../../contract/management.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import { PipelineStage } from "../../contract/stage.ts";
import { hintsOf } from "./hints.ts";
import { type Lookup, nestingOf } from "./nesting.ts";
import { graphOf, nestedGraphs } from "./outline.ts";
import { triesFault } from "./tries.ts";
import { validatePipeline } from "./validate.ts";

/**
 * @param observed_ms how long stages of these names take on average
 * @param max_retry_attempts the config's, as it is now
 * @param isRegistered whether there is an agent of this type
 * @param find the stages of other pipelines, which its stages may run
 */
export function checkDefinition(
  candidates: readonly unknown[],
  observed_ms: ReadonlyMap<string, number> = new Map(),
  max_retry_attempts = DEFAULT_CONFIG.max_retry_attempts,
  isRegistered: (agent_type: string) => boolean = () => true,
  find: Lookup = () => [],
): Validation {
  // Far beyond the limit nothing else is worth the time that it would take.
  if (candidates.length > LIMITS.STAGES) {
    const message = `a pipeline has at most ${LIMITS.STAGES} stages, not ${candidates.length}`;
    const errors = [{ code: "INVALID_PIPELINE_CONFIG" as const, message, pointer: "/stages" }];
    return { valid: false, errors, error_count: 1, hints: [], ...graphOf([], observed_ms, find) };
  }
  const errors: DefinitionError[] = [];
  /** Stages without errors: hints on others would be guesses. */
  const whole: PipelineStage[] = [];
  /** The candidates' places of `stages`: those without a name are missing there. */
  const places: number[] = [];
  const stages = candidates.flatMap((candidate, at) => {
    const parsed = PipelineStage.safeParse(candidate);
    if (parsed.success) {
      whole.push(parsed.data);
      places.push(at);
      return [parsed.data];
    }
    errors.push(...parsed.error.issues.map((issue) => fault(candidate, at, issue)));
    const rest = edgesOf(candidate);
    if (rest === null) return [];
    places.push(at);
    return [rest];
  });
  errors.push(...validatePipeline(stages).map((error) => relocated(error, places)));
  const tries = triesFault(stages, max_retry_attempts);
  if (tries !== null) errors.push(tries);
  errors.push(...nestingOf(null, stages, find).faults.map((error) => relocated(error, places)));
  const pipelines = nestedGraphs(stages, observed_ms, find);
  return {
    valid: errors.length === 0,
    errors: errors.slice(0, LIMITS.ERRORS),
    ...(errors.length === 0 ? {} : { error_count: errors.length }),
    hints: hintsOf(whole, stages, isRegistered, (name) => find(name) !== null),
    ...graphOf(stages, observed_ms, find),
    ...(Object.keys(pipelines).length === 0 ? {} : { pipelines }),
  };
}

function fault(
  candidate: unknown,
  at: number,
  issue: { path: readonly PropertyKey[]; message: string; keys?: readonly string[] },
): DefinitionError {
  const { path, message, keys = [] } = issue;
  const field = path.length === 0 ? "" : `${path.map(String).join("/")}: `;
  const name = nameIn(candidate);
  return {
    code: "INVALID_PIPELINE_CONFIG",
    message: `${name === null ? `stage ${at}: ` : ""}${field}${message}`,
    ...(name === null ? {} : { stage: name }),
    pointer: `/stages/${at}${[...path, ...keys.slice(0, 1)].map(segment).join("")}`,
  };
}

/** RFC 6901: a segment's `~` and `/` are escaped. */
function segment(key: PropertyKey): string {
  return `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The error with its pointer into the candidates. @param places the candidates' indexes of the stages validated */
function relocated(error: DefinitionError, places: readonly number[]): DefinitionError {
  const [root, list, at, ...rest] = error.pointer?.split("/") ?? [];
  if (at === undefined) return error;
  return { ...error, pointer: [root, list, places[Number(at)], ...rest].join("/") };
}

/** The valid edges of a stage with errors, so that edges to it are not reported as missing. */
function edgesOf(candidate: unknown): PipelineStage | null {
  const name = nameIn(candidate);
  if (name === null) return null;
  const { depends_on, when, wait, pipeline, retry_attempts } = candidate as Record<string, unknown>;
  const edges = PipelineStage.shape.depends_on.safeParse(depends_on);
  const condition = PipelineStage.shape.when.safeParse(when);
  const tries = PipelineStage.shape.retry_attempts.safeParse(retry_attempts);
  const waits = PipelineStage.shape.wait.safeParse(wait);
  const isWait = waits.success && waits.data !== undefined;
  const nested = PipelineStage.shape.pipeline.safeParse(pipeline);
  const runs = nested.success && nested.data !== undefined && !isWait ? { pipeline: nested.data } : null;
  return PipelineStage.parse({
    name,
    ...(isWait ? { wait: waits.data } : (runs ?? { agent_type: name })),
    depends_on: edges.success ? edges.data : [],
    ...(condition.success ? { when: condition.data } : {}),
    ...(tries.success && !isWait && runs === null ? { retry_attempts: tries.data } : {}),
  });
}

function nameIn(candidate: unknown): string | null {
  if (candidate === null || typeof candidate !== "object" || !("name" in candidate)) return null;
  const name = PipelineStage.shape.name.safeParse(candidate.name);
  return name.success ? name.data : null;
}
