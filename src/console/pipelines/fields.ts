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
  pipeline: ["Instead of agent_type: the pipeline that the stage runs, as an execution of its own.", "rag"],
  query: ["The question of that execution: CEL that gives a string. Absent: the run’s own.", "query"],
  context: ["The context of that execution: CEL that gives an object. Absent: the run’s own.", "context"],
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
  input: [
    "What the agent gets as input: for each member a CEL expression over query, context and results.",
    { question: "query" },
  ],
  output_schema: [
    "JSON Schema that the agent’s data must satisfy; an answer that does not is asked for once more.",
    { type: "object" },
  ],
  map: [
    "Calls the agent once for each item of the list that a CEL expression gives.",
    { over: "results.query_rewriter.queries", max_items: 100, concurrency: 4, on_error: "fail" },
  ],
  repeat: [
    "Calls the stage again until a CEL expression over its result is true.",
    { until: "result.good", max: 3, on_max: "accept" },
  ],
  on_input_required: [
    "What follows where the agent asks for input: the stage fails, or a person is asked and the agent is called with the answer.",
    "wait",
  ],
  input_timeout_seconds: [
    "How long such a question is open. Absent: a day. Needs on_input_required wait.",
    3_600,
  ],
  wait: [
    "Instead of agent_type: the stage asks, and waits for the answer of a person or a system.",
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

const FIELDS: readonly Field[] = Object.entries(WORDS).map(([name, [words, sample]]) => ({
  name: name as keyof PipelineStage,
  words,
  sample,
}));

/** What a stage is, and which fields only a stage of that kind, or of two of them, may have. */
const KINDS = ["agent_type", "wait", "pipeline"] as const satisfies readonly (keyof PipelineStage)[];
type Kind = (typeof KINDS)[number];
const ONLY: Readonly<Partial<Record<keyof PipelineStage, readonly Kind[]>>> = {
  parallel: ["agent_type", "pipeline"],
  config: ["agent_type"],
  timeout_seconds: ["agent_type", "pipeline"],
  retry_attempts: ["agent_type"],
  cache: ["agent_type"],
  hedge_after_ms: ["agent_type"],
  idle_timeout_seconds: ["agent_type"],
  callback_timeout_seconds: ["agent_type"],
  heartbeat_seconds: ["agent_type"],
  input: ["agent_type"],
  output_schema: ["agent_type", "pipeline"],
  map: ["agent_type", "pipeline"],
  repeat: ["agent_type", "pipeline"],
  on_input_required: ["agent_type"],
  input_timeout_seconds: ["agent_type"],
  query: ["pipeline"],
  context: ["pipeline"],
};

function isKind(name: string): name is Kind {
  return KINDS.some((kind) => kind === name);
}

/** Whether a stage of this kind may have the field. */
function fits(field: string, kind: Kind): boolean {
  if (isKind(field)) return field === kind;
  return ONLY[field as keyof PipelineStage]?.includes(kind) ?? true;
}

/** The stage with a field added, and without what does not go with it. */
export function withField(stage: Record<string, unknown>, { name, sample }: Field): Record<string, unknown> {
  const kept = Object.entries(stage).filter(([key]) => !isKind(name) || fits(key, name));
  return { ...Object.fromEntries(kept), [name]: sample };
}

/** The fields that can be added to a stage. */
export function fieldsFor(stage: Record<string, unknown>): readonly Field[] {
  const kind = KINDS.find((each) => each in stage);
  return FIELDS.filter(
    ({ name }) => !(name in stage) && (kind === undefined || isKind(name) || fits(name, kind)),
  );
}

/** The meaning of what a wait has. */
const WAIT_WORDS: Readonly<Record<string, readonly [words: string, type: string]>> = {
  prompt: [
    "What is shown to the person who answers: a CEL expression over query, context and results that gives an object. Its title, question, message or text is the heading.",
    "text",
  ],
  schema: ["JSON Schema that the answer’s data must satisfy; the form is made from it.", "object"],
  timeout_seconds: ["How long the question is open. Absent: a day.", "number from 1 to 2,592,000"],
  on_timeout: [
    "What happens without an answer: the stage fails, is skipped, or completes with the data given here.",
    '"fail" or "skip", object',
  ],
};

/** The meaning of what a map and a repeat have. */
const PART_WORDS: Readonly<Record<string, Readonly<Record<string, readonly [words: string, type: string]>>>> =
  {
    wait: WAIT_WORDS,
    map: {
      over: ["A CEL expression over query, context and results that gives the list.", "text"],
      max_items: ["A longer list fails the stage before any call.", "whole number from 1 to 1,000"],
      concurrency: ["How many items are at work at a time.", "whole number from 1 to 1,000"],
      on_error: [
        "Whether an item that fails fails the stage, or is an entry of its result.",
        '"fail" or "collect"',
      ],
    },
    repeat: {
      until: ["A CEL expression over result, iteration, query, context and results.", "text"],
      max: ["The most iterations.", "whole number from 2 to 20"],
      on_max: ["After them the last result is taken, or the stage fails.", '"accept" or "fail"'],
    },
  };

/** What a stage's field means, and what it may hold; of a wait, what its part at the cursor does. */
export function helpFor(field: string | undefined, part: string | undefined) {
  const own = field !== undefined && part !== undefined ? PART_WORDS[field]?.[part] : undefined;
  if (own !== undefined) return { title: `${field}.${part}`, words: own[0], type: own[1] };
  const known = FIELDS.find(({ name }) => name === field);
  return known && { title: known.name, words: known.words, type: typeOf(known.name) };
}

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
