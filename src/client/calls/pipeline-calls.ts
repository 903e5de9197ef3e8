// The client's calls about pipelines: writing, reading and checking definitions. Where a call does not name a pipeline it
// is about `rag`, the specification's.
import type { Validation, WrittenPipeline } from "../../contract/management.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import { ManagementCalls } from "./management-calls.ts";
import type { CallOptions, DefinitionOptions, Stage, WriteOptions } from "../requests.ts";

const DEFAULT_PIPELINE = "rag";

/**
 * How `addStage` writes: `before` names the stage in front of which the new one goes.
 *
 * @example
 * const first: AddStageOptions = { before: "query_rewriting" };
 * await client.addStage({ name: "opening", agent_type: "context_decision" }, first);
 */
export type AddStageOptions = WriteOptions & { before?: string };

export abstract class PipelineCalls extends ManagementCalls {
  /**
   * Writes the stages of a pipeline, all of them; runs in progress keep the definition that they began with.
   *
   * @param stages in the order in which ready stages start; timeouts in seconds, `retry_attempts` as the total of tries
   * @param options `ifMatch` and `ifNoneMatch`, against overwriting another editor's change
   * @returns the definition as it is kept, with its new version and every default filled in
   * @throws CoordinatorClientError `INVALID_REQUEST`, `INVALID_PIPELINE_CONFIG`, `CIRCULAR_DEPENDENCY`,
   * `MISSING_DEPENDENCY`; `PRECONDITION_FAILED` where `options` do not hold
   * @example
   * // One argument: the stages of `rag`.
   * await client.configurePipeline([
   *   { name: "source_retrieval", agent_type: "source_retrieval", timeout_seconds: 30 },
   *   { name: "answer_generation", agent_type: "answer_generation", depends_on: ["source_retrieval"] },
   * ]);
   * // With a name: those of that pipeline, which need not exist yet.
   * await client.configurePipeline("short", [{ name: "answer", agent_type: "answer_generation" }]);
   */
  async configurePipeline(stages: readonly Stage[], options?: DefinitionOptions): Promise<WrittenPipeline>;
  async configurePipeline(
    name: string,
    stages: readonly Stage[],
    options?: DefinitionOptions,
  ): Promise<WrittenPipeline>;
  async configurePipeline(
    ...call: Named<[stages: readonly Stage[], options?: DefinitionOptions | undefined]>
  ): Promise<WrittenPipeline> {
    const [name, stages, options = {}] = named(call);
    return this.http.json(pipelinePath(name), {
      method: "PUT",
      body: { description: options.description, budget: options.budget, stages },
      headers: { "if-match": options.ifMatch, "if-none-match": options.ifNoneMatch },
      signal: options.signal,
    });
  }

  /**
   * Reads a pipeline's definition.
   *
   * @param name `rag` where it is left out
   * @throws CoordinatorClientError `PIPELINE_NOT_FOUND`
   * @example
   * const { stages, version } = await client.getPipelineConfig();
   * const short = await client.getPipelineConfig("short");
   */
  async getPipelineConfig(options?: CallOptions): Promise<Pipeline>;
  async getPipelineConfig(name: string, options?: CallOptions): Promise<Pipeline>;
  async getPipelineConfig(...call: Named<[options?: CallOptions | undefined]>): Promise<Pipeline> {
    const [name, options = {}] = named(call);
    return this.http.json(pipelinePath(name), { signal: options.signal });
  }

  /**
   * Lists every pipeline, with its stages.
   *
   * @example
   * const names = (await client.listPipelines()).map((pipeline) => pipeline.name);
   */
  async listPipelines(options: CallOptions = {}): Promise<Pipeline[]> {
    return (await this.http.json<{ data: Pipeline[] }>("/v1/pipelines", { signal: options.signal })).data;
  }

  /**
   * Deletes a pipeline; runs in progress end as they began. It always needs the name.
   *
   * @param name of the pipeline; it has no default
   * @throws CoordinatorClientError `PIPELINE_NOT_FOUND`; `PRECONDITION_FAILED` where `ifMatch` does not hold
   * @example
   * await client.deletePipeline("short");
   */
  async deletePipeline(name: string, options: WriteOptions = {}): Promise<void> {
    const headers = { "if-match": options.ifMatch };
    await this.http.answered(pipelinePath(name), { method: "DELETE", headers, signal: options.signal });
  }

  /**
   * Adds one stage to a pipeline, at the end or before another stage.
   *
   * @param stage as in a definition; `timeout_seconds` in seconds
   * @param pipeline `rag` where it is left out
   * @param options `before`, the name of the stage in front of which the new one goes
   * @returns the whole definition afterwards
   * @throws CoordinatorClientError as `configurePipeline`; `PIPELINE_NOT_FOUND`, and `STAGE_NOT_FOUND` for `before`
   * @example
   * await client.addStage({ name: "review", agent_type: "reviewer", depends_on: ["answer_generation"] });
   * await client.addStage("short", { name: "search", agent_type: "source_retrieval" }, { before: "answer" });
   */
  async addStage(stage: Stage, options?: AddStageOptions): Promise<WrittenPipeline>;
  async addStage(pipeline: string, stage: Stage, options?: AddStageOptions): Promise<WrittenPipeline>;
  async addStage(
    ...call: Named<[stage: Stage, options?: AddStageOptions | undefined]>
  ): Promise<WrittenPipeline> {
    const [pipeline, stage, options = {}] = named(call);
    return this.http.json(`${pipelinePath(pipeline)}/stages`, {
      method: "POST",
      query: { before: options.before },
      body: stage,
      headers: { "if-match": options.ifMatch },
      signal: options.signal,
    });
  }

  /**
   * Removes one stage from a pipeline.
   *
   * @param stage its name
   * @param pipeline `rag` where it is left out: of two strings the first one names the pipeline
   * @returns the whole definition afterwards
   * @throws CoordinatorClientError `PIPELINE_NOT_FOUND`, `STAGE_NOT_FOUND`; `MISSING_DEPENDENCY` where another stage
   * depends on it
   * @example
   * await client.removeStage("review");
   * await client.removeStage("short", "search");
   */
  async removeStage(stage: string, options?: WriteOptions): Promise<WrittenPipeline>;
  async removeStage(pipeline: string, stage: string, options?: WriteOptions): Promise<WrittenPipeline>;
  async removeStage(
    ...call:
      | [stage: string, options?: WriteOptions | undefined]
      | [pipeline: string, stage: string, options?: WriteOptions | undefined]
  ): Promise<WrittenPipeline> {
    const [first, second, third] = call;
    const [pipeline, stage, options = {}] =
      typeof second === "string" ? [first, second, third] : [DEFAULT_PIPELINE, first, second];
    return this.http.json(`${pipelinePath(pipeline)}/stages/${encodeURIComponent(stage)}`, {
      method: "DELETE",
      headers: { "if-match": options.ifMatch },
      signal: options.signal,
    });
  }

  /**
   * Checks a definition without writing it. One that is wrong is a result, not an error.
   *
   * @param stages of any form, so that every mistake is reported
   * @returns `valid`, the `errors` with their codes, and the graph: `stages` with their kinds, `dependencies`, `layers` and
   * `critical_path`; in `pipelines` the same of those that its stages run
   * @example
   * const { valid, errors } = await client.validatePipelineConfig([
   *   { name: "answer", agent_type: "answer_generation", depends_on: ["search"] },
   * ]); // false, MISSING_DEPENDENCY
   */
  async validatePipelineConfig(stages: readonly unknown[], options: CallOptions = {}): Promise<Validation> {
    const body = { stages };
    return this.http.json("/v1/pipelines/validate", { method: "POST", body, signal: options.signal });
  }

  /**
   * Computes the graph of a definition.
   *
   * @param stages of the definition, which need not be written
   * @returns each stage's `dependencies`, the `layers` of stages that may run side by side, and the longest chain,
   * `critical_path`; the last two are empty where there is a cycle
   * @example
   * const { layers } = await client.resolveDependencies((await client.getPipelineConfig()).stages);
   */
  async resolveDependencies(
    stages: readonly unknown[],
    options: CallOptions = {},
  ): Promise<Pick<Validation, "dependencies" | "layers" | "critical_path">> {
    const { dependencies, layers, critical_path } = await this.validatePipelineConfig(stages, options);
    return { dependencies, layers, critical_path };
  }

  /**
   * Finds the cycles of a definition.
   *
   * @param stages of the definition, which need not be written
   * @returns an error `CIRCULAR_DEPENDENCY` for each; an empty list where there is none
   * @example
   * const cycles = await client.detectCircularDependencies([
   *   { name: "a", agent_type: "x", depends_on: ["b"] },
   *   { name: "b", agent_type: "x", depends_on: ["a"] },
   * ]); // one error
   */
  async detectCircularDependencies(
    stages: readonly unknown[],
    options: CallOptions = {},
  ): Promise<DefinitionError[]> {
    const { errors } = await this.validatePipelineConfig(stages, options);
    return errors.filter((error) => error.code === "CIRCULAR_DEPENDENCY");
  }
}

/** The arguments of a call that may begin with a pipeline's name; the argument after it is not a string. */
type Named<Rest extends unknown[]> = [name: string, ...rest: Rest] | Rest;

/** The same arguments, always with the name. */
function named<Rest extends unknown[]>(call: Named<Rest>): [name: string, ...rest: Rest] {
  return typeof call[0] === "string" ? (call as [string, ...Rest]) : [DEFAULT_PIPELINE, ...(call as Rest)];
}

function pipelinePath(name: string): string {
  return `/v1/pipelines/${encodeURIComponent(name)}`;
}
