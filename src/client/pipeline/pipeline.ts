// Definitions of pipelines in TypeScript: names, dependencies, configs and results are checked by the compiler, and what
// comes out is the JSON that every other way of writing a definition gives.
import type { DefinitionOptions, Stage } from "../requests.ts";
import type { AgentRef } from "./agent-ref.ts";
import { celOf, recorder } from "./expression.ts";
import type { StageFields } from "./stage-fields.ts";
import type {
  Before,
  CallData,
  FinalResult,
  FreeName,
  SomeAgent,
  SomePipeline,
  StageData,
  StageTypes,
} from "./stage-types.ts";

/**
 * A pipeline with the types of its stages. `stage` gives another one with a further stage; `definition` is what a PUT
 * of the pipeline takes, as plain JSON. Of a stage that may be skipped, or may fail without failing the run, the result
 * may be null; that a run disables a stage by its `pipeline_config`, the compiler does not see.
 *
 * @example
 * const answered = pipeline("answered", { description: "Answers from passages." })
 *   .stage("search", { agent: agentRef<{ max_results?: number }, { passages: string[] }>("source_retrieval") })
 *   .stage("answer", {
 *     agent: agentRef<unknown, { answer: string }>("answer_generation"),
 *     depends_on: ["search"],
 *     input: ({ query, results }) => ({ question: query, passages: results.search.passages }),
 *   });
 * const { stages, ...options } = answered.definition();
 * await client.configurePipeline(answered.name, stages, options);
 */
export interface TypedPipeline<Stages extends StageTypes = {}, Needed = never> {
  readonly name: string;
  /** For the compiler alone. */
  readonly "~result"?: FinalResult<Stages, Needed>;

  /**
   * Adds a stage at the end.
   *
   * @param name that no earlier stage has
   * @param fields of the contract, but for these: `agent` is a typed agent or an agent_type, `pipeline` a typed one or
   * a name, and an expression is CEL or a callback. What a callback reads of `query`, `results`, `context` and the
   * others is recorded; plain values in what it gives are literals
   * @returns the pipeline with the stage; the one that it is called on stays as it is
   */
  stage<
    const Name extends string,
    Agent extends SomeAgent | string = never,
    Child extends SomePipeline | string = never,
    const Needs extends keyof Stages & string = never,
    const Required extends boolean = true,
    When extends string = never,
    Over extends string = never,
    Item = never,
    Max extends number = never,
    const Schema = never,
    const OnTimeout = never,
  >(
    name: FreeName<Name, Stages>,
    fields: StageFields<Stages, Needs, Agent, Child, Required, When, Over, Item, Max, Schema, OnTimeout>,
  ): TypedPipeline<
    Stages &
      Record<
        Name,
        {
          data: StageData<CallData<Agent, Child, Schema>, Over, Required, When, OnTimeout>;
          after: Before<Stages, Needs>;
        }
      >,
    Needed | Needs
  >;

  /** The definition as a PUT of the pipeline takes it: plain JSON, without the defaults that were not written. */
  definition(): PipelineOptions & { stages: Stage[] };
}

/**
 * The type of a typed pipeline's `final_result`.
 *
 * @example
 * const short = pipeline("short").stage("search", { agent: agentRef<unknown, { found: number }>("source_retrieval") });
 * const found = (result: PipelineResult<typeof short>): number => result.found;
 */
export type PipelineResult<Pipeline extends SomePipeline> = NonNullable<Pipeline["~result"]>;

type PipelineOptions = Pick<DefinitionOptions, "description" | "budget">;

/**
 * Begins the definition of a pipeline.
 *
 * @param name of the pipeline
 * @param options `description`, for people and models: what the pipeline answers; `budget`, of runs without one
 * @returns the pipeline, to which `stage` adds one stage after another. Nothing is thrown: what the compiler cannot see
 * is refused when the definition is written
 * @example
 * const rag = pipeline("rag")
 *   .stage("search", { agent: "source_retrieval", timeout_seconds: 30 })
 *   .stage("approval", {
 *     depends_on: ["search"],
 *     wait: {
 *       prompt: ({ results }) => ({ question: "Are these the right sources?", found: results.search.passages }),
 *       schema: { type: "object", required: ["right"], properties: { right: { type: "boolean" } } },
 *     },
 *   })
 *   .stage("answer", {
 *     agent: "answer_generation",
 *     depends_on: ["search", "approval"],
 *     when: ({ results }) => results.approval.right,
 *   });
 * console.log(rag.definition().stages);
 */
export function pipeline(name: string, options: PipelineOptions = {}): TypedPipeline {
  return withStages(name, options, []);
}

function withStages(name: string, options: PipelineOptions, stages: readonly object[]): TypedPipeline {
  const typed = {
    name,
    stage: (stage: string, fields: object) =>
      withStages(name, options, [...stages, plainStage(stage, fields)]),
    // A copy, without the members that are undefined.
    definition: () => {
      const { description, budget } = options;
      return JSON.parse(JSON.stringify({ description, budget, stages })) as unknown;
    },
  };
  // What the stages' types are, only the compiler knows.
  return typed as unknown as TypedPipeline;
}

/** The parts of a stage that are not JSON yet. */
interface TypedParts {
  agent?: AgentRef | string;
  pipeline?: SomePipeline | string;
  fallback?: string | { agent?: AgentRef | string };
  wait?: { prompt?: unknown };
  map?: { over: unknown };
  repeat?: { until: unknown };
  when?: unknown;
  query?: unknown;
  context?: unknown;
  input?: unknown;
}

function plainStage(name: string, fields: TypedParts): object {
  const { agent, pipeline, fallback, wait, map, repeat, when, query, context, input, ...plain } = fields;
  return {
    name,
    agent_type: agentType(agent),
    wait: wait && { ...wait, prompt: expression(wait.prompt) },
    pipeline: typeof pipeline === "object" ? pipeline.name : pipeline,
    ...plain,
    when: expression(when),
    query: expression(query),
    context: expression(context),
    input: typeof input === "function" ? inputOf(input(recorder()) as object) : input,
    map: map && { ...map, over: expression(map.over) },
    repeat: repeat && { ...repeat, until: expression(repeat.until) },
    fallback: typeof fallback === "object" ? plainFallback(fallback) : fallback,
  };
}

function plainFallback({ agent, ...plain }: { agent?: AgentRef | string }): object {
  return { ...plain, agent_type: agentType(agent) };
}

const agentType = (agent: AgentRef | string | undefined): string | undefined =>
  typeof agent === "object" ? agent.agent_type : agent;

/** CEL as it is, or that of what a callback gives. */
function expression(written: unknown): unknown {
  return typeof written === "function" ? celOf(written(recorder())) : written;
}

function inputOf(members: object): object {
  return Object.fromEntries(Object.entries(members).map(([key, member]) => [key, celOf(member)]));
}
