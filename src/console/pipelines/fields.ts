// The meaning of a stage's fields. Their allowed values come from the contract's schema, bundled when the page
// is built; the descriptions are this page's.
import schema from "virtual:stage-schema";
import type { PipelineStage } from "../../contract/stage.ts";

interface Field {
  name: keyof PipelineStage;
  words: string;
  /** The value inserted when the field is added. */
  sample: unknown;
}

const WORDS: Record<keyof PipelineStage, readonly [words: string, sample: unknown]> = {
  name: ["The stage’s name; other stages refer to it in depends_on.", "new_stage"],
  agent_type: ["The type of the registered agent that the stage calls.", "query_rewriter"],
  depends_on: ["Stages that must have ended before this one begins; their data are its inputs.", []],
  required: ["Whether a failure of this stage fails the run. If false, its dependants receive null.", false],
  parallel: ["Whether it may run in parallel with other such stages. If false, it runs alone.", true],
  config: ["Passed to the agent unchanged.", {}],
  timeout_seconds: ["Time limit of one try. Absent: the coordinator’s stage_timeout_seconds.", 30],
  retry_attempts: [
    "Maximum number of tries, including the first. Absent: the coordinator’s max_retry_attempts.",
    3,
  ],
  when: [
    "A condition in CEL over query, context and the results it depends on; false skips the stage.",
    "size(query) > 20",
  ],
  fallback: ["The result to use when the stage’s tries have failed.", "use_cached_results"],
  cache: ["Whether a result may be reused for the same input; set false if the agent is stateful.", false],
  hedge_after_ms: ["Delay after which a second, parallel call is made; the first answer wins.", 2_000],
  idle_timeout_seconds: ["Maximum time between two chunks of a streamed answer.", 10],
  wait: [
    "Instead of agent_type: the stage waits for an answer from outside. prompt is CEL and gives what is shown, schema is what the answer’s data must satisfy, timeout_seconds its time limit (absent: a day), on_timeout what happens then.",
    {
      prompt: "{'question': 'Publish this?'}",
      schema: { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } },
      timeout_seconds: 86_400,
      on_timeout: "fail",
    },
  ],
  callback_timeout_seconds: [
    "Lets the agent answer 202 and give its result later, by a callback within this time.",
    3_600,
  ],
  heartbeat_seconds: ["Maximum silence of an agent that answers later; needs callback_timeout_seconds.", 60],
};

export const FIELDS: readonly Field[] = Object.entries(WORDS).map(([name, [words, sample]]) => ({
  name: name as keyof PipelineStage,
  words,
  sample,
}));

/** Whether stages have a field of this name. */
export function isField(name: string): boolean {
  return Object.hasOwn(schema, name);
}

/** A field's allowed values, in short. */
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
