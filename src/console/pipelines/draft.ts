// A definition that is being edited: its text, its validation by the coordinator, and saving it to the
// catalog. A draft outlives the view, so that visiting a run does not lose the text.
import { computed, effect, signal } from "@preact/signals";
import { CoordinatorClientError, type DefinitionOptions, type Stage } from "../../client/index.ts";
import type { Validation } from "../../contract/management.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import type { WaitSpec } from "../../contract/wait.ts";
import { client, pipelineTag } from "../lib/session.ts";
import { type JsonText, readJson, writeJson } from "./json-text.ts";
import { isField } from "./fields.ts";
import { hintMark, type Mark, markOf, stagesIn } from "./marks.ts";

const QUIET_MS = 250;
/** The contract's default. */
const DEFAULT_WAIT_SECONDS = 86_400;

export type Draft = ReturnType<typeof createDraft>;

/** @param isNew nothing of this name is kept yet, and nothing may be overwritten */
export function createDraft(name: string, isNew: boolean) {
  const text = signal(isNew ? writeJson({ stages: [{ name: "first", agent_type: "query_rewriter" }] }) : "");
  const saved = signal(isNew ? "" : text.peek());
  /** Until then there is nothing that could be written on. */
  const isLoaded = signal(isNew);
  const version = signal<number | null>(null);
  const read = computed(() => readJson(text.value));
  const verdict = signal<Validation | null>(null);
  const failure = signal<unknown>(null);
  const busy = signal(false);
  let tag: string | undefined;
  let judging: AbortController | null = null;

  const marks = computed<readonly Mark[]>(() => {
    const { fault } = read.value;
    if (fault !== null) return [{ ...fault, stage: null }];
    if (text.value === "") return [];
    if (stagesIn(read.value) === null) return [{ from: 0, to: 1, message: NO_STAGES, stage: null }];
    return (verdict.value?.errors ?? []).map((error) => markOf(error, read.value, isField));
  });

  const hints = computed<readonly Mark[]>(() => {
    if (stagesIn(read.value) === null) return [];
    return (verdict.value?.hints ?? []).map((hint) => hintMark(hint, read.value));
  });

  // The coordinator validates the text once typing pauses.
  const forget = effect(() => {
    const stages = stagesIn(read.value);
    judging?.abort();
    if (stages === null) return undefined;
    const asking = new AbortController();
    judging = asking;
    const timer = setTimeout(() => {
      void client()
        .validatePipelineConfig(stages, { signal: asking.signal })
        .then((judged) => {
          if (!asking.signal.aborted) verdict.value = judged;
        })
        .catch(() => {
          // Without a verdict the text stays as it is; saving reports its errors.
        });
    }, QUIET_MS);
    return () => clearTimeout(timer);
  });

  const taken = (pipeline: Pipeline, written: string) => {
    tag = pipelineTag(name);
    version.value = pipeline.version;
    text.value = written;
    saved.value = written;
    isLoaded.value = true;
    failure.value = null;
  };

  const load = async () => {
    busy.value = true;
    try {
      const [pipeline, config] = await Promise.all([client().getPipelineConfig(name), client().getConfig()]);
      const { stage_timeout_seconds, pipeline_timeout_seconds, max_retry_attempts } = config;
      const stages = pipeline.stages.map((stage) =>
        plain(
          stage,
          stage.pipeline === undefined ? stage_timeout_seconds : pipeline_timeout_seconds,
          max_retry_attempts,
        ),
      );
      taken(
        pipeline,
        writeJson({
          ...(pipeline.description && { description: pipeline.description }),
          ...(pipeline.budget && { budget: pipeline.budget }),
          stages,
        }),
      );
    } catch (cause) {
      failure.value = cause;
    } finally {
      busy.value = false;
    }
  };

  const save = async (overwrite = false) => {
    const stages = stagesIn(read.peek());
    if (stages === null || busy.peek()) return false;
    busy.value = true;
    try {
      // The saved version is read only for its ETag: the editor's text overwrites it.
      if (overwrite) await client().getPipelineConfig(name);
      const known = overwrite ? pipelineTag(name) : tag;
      const written = text.peek();
      const pipeline = await client().configurePipeline(name, stages as Stage[], {
        ...(known === undefined ? { ifNoneMatch: "*" } : { ifMatch: known }),
        ...fieldsIn(read.peek()),
      });
      taken(pipeline, written);
      return true;
    } catch (cause) {
      failure.value = cause;
      return false;
    } finally {
      busy.value = false;
    }
  };

  return {
    name,
    text,
    read,
    marks,
    hints,
    verdict,
    version,
    isLoaded,
    failure,
    busy,
    isChanged: computed(() => text.value !== saved.value),
    isStale: computed(
      () => failure.value instanceof CoordinatorClientError && failure.value.code === "PRECONDITION_FAILED",
    ),
    load,
    save,
    discard: () => {
      text.value = saved.peek();
    },
    forget,
  };
}

/** As they were written: whether they are right is the coordinator's to say. */
function fieldsIn({ value }: JsonText): Pick<DefinitionOptions, "description" | "budget"> {
  const { description, budget } = (value ?? {}) as Pick<DefinitionOptions, "description" | "budget">;
  return {
    ...(description === undefined ? {} : { description }),
    ...(budget === undefined ? {} : { budget }),
  };
}

const NO_STAGES = 'A definition is {"stages": […]}';

/** A stage without default values: the text holds only explicit choices. */
function plain(stage: Pipeline["stages"][number], timeout: number, retries: number): Record<string, unknown> {
  const { required, parallel, depends_on, config, timeout_seconds, retry_attempts, wait, ...rest } = stage;
  return {
    ...rest,
    ...(wait === undefined ? {} : { wait: plainWait(wait) }),
    ...(depends_on.length === 0 ? {} : { depends_on }),
    ...(required ? {} : { required }),
    ...(parallel ? { parallel } : {}),
    ...(timeout_seconds === undefined || timeout_seconds === timeout ? {} : { timeout_seconds }),
    ...(retry_attempts === undefined || retry_attempts === retries ? {} : { retry_attempts }),
    ...(Object.keys(config).length === 0 ? {} : { config }),
  };
}

function plainWait({ timeout_seconds, on_timeout, ...rest }: WaitSpec): Record<string, unknown> {
  return {
    ...rest,
    ...(timeout_seconds === DEFAULT_WAIT_SECONDS ? {} : { timeout_seconds }),
    ...(on_timeout === "fail" ? {} : { on_timeout }),
  };
}
