// What a stage's fields mean. What they may hold comes from the contract's own schema, made part of the page when it
// is built; the words are this page's.
import schema from "virtual:stage-schema";
import type { PipelineStage } from "../../contract/stage.ts";

interface Field {
  name: keyof PipelineStage;
  words: string;
  /** What is put in when the field is added. */
  sample: unknown;
}

const WORDS: Record<keyof PipelineStage, readonly [words: string, sample: unknown]> = {
  name: ["What the stage is called; others depend on it by this name.", "new_stage"],
  agent_type: ["The registered agent that does the work.", "query_rewriter"],
  depends_on: ["Stages that must have ended before this one begins; their data are its inputs.", []],
  required: ["Whether the run fails when this stage does. False gives its dependants null instead.", false],
  parallel: ["Whether other parallel stages may run beside it. False runs it alone.", true],
  config: ["Handed to the agent as it is.", {}],
  timeout_seconds: ["How long one try may take. Absent: the coordinator’s stage_timeout_seconds.", 30],
  retry_attempts: ["How many tries there are in all. Absent: the coordinator’s max_retry_attempts.", 3],
  when: [
    "A condition in CEL over query, context and the results it depends on; false skips the stage.",
    "size(query) > 20",
  ],
  fallback: ["What is given instead when the stage would fail.", "use_cached_results"],
  cache: [
    "Whether the same input gives the same answer again; false where the agent remembers things.",
    false,
  ],
  hedge_after_ms: ["After this long a second call is made beside the first; the faster one counts.", 2_000],
  idle_timeout_seconds: ["The longest silence between two pieces of a streamed answer.", 10],
};

export const FIELDS: readonly Field[] = Object.entries(WORDS).map(([name, [words, sample]]) => ({
  name: name as keyof PipelineStage,
  words,
  sample,
}));

/** What a field may hold, in short. */
export function typeOf(name: string): string {
  return shape(schema[name] ?? {});
}

function shape(rule: Record<string, unknown>): string {
  const { type, minimum, maximum, anyOf, const: fixed, enum: values } = rule;
  if (fixed !== undefined) return JSON.stringify(fixed);
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(" or ");
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map((each) => shape(each as typeof rule)))].join(", ");
  if (type === "array") return "list of names";
  if (type === "string") return "text";
  if (type !== "number" && type !== "integer") return typeof type === "string" ? type : "any value";
  const word = type === "integer" ? "whole number" : "number";
  if (typeof minimum !== "number" || typeof maximum !== "number") return word;
  return `${word} from ${minimum} to ${maximum.toLocaleString("en")}`;
}
