// What is inside a stage that runs a pipeline: its execution as that goes on; before it, and in a definition, the
// pipeline as it is defined.
import "../style/nested.css";
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { CoordinatorClientError, pendingStage, type RunView, type StageView } from "../../client/index.ts";
import { errorNotice } from "../lib/errors.ts";
import { to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { createWatch } from "./watch.ts";

interface Inner {
  stages: readonly StageView[];
  /** Null before the execution has begun, and in a definition. */
  runView: RunView | null;
}

interface InsideProps {
  stage: StageView;
  /** False in a definition. */
  isRun: boolean;
  children: (inner: Inner) => ComponentChildren;
}

/** The execution is named in its parent's log before it has begun. */
const NOT_YET_MS = 300;

export function Inside({ stage, isRun, children }: InsideProps) {
  const { pipeline = "" } = stage.definition;
  const child = isRun ? stage.child_execution_id : null;
  const { runView, failure } = useExecution(child, stage.ended_at === null);
  const defined = useDefinition(child === null ? pipeline : null);
  const cause = failure ?? defined.failure;
  const stages = runView?.stages ?? defined.stages;
  return (
    <div class="frame-inside">
      {children({ stages, runView })}
      <p class="frame-foot" role={cause === null ? undefined : "alert"}>
        {cause !== null ? (
          <span class="bad">{errorNotice(cause).title}</span>
        ) : stages.length === 0 ? (
          <span class="quiet">Loading…</span>
        ) : child === null ? (
          <a href={to("pipelines", pipeline)}>Pipeline {pipeline}</a>
        ) : (
          <a href={to("run", child)} aria-label={`Open the execution ${child}`}>
            Open this execution
          </a>
        )}
      </p>
    </div>
  );
}

/** An execution, followed. @param isExpected it may not have begun */
function useExecution(id: string | null, isExpected: boolean): { runView: RunView | null; failure: unknown } {
  const again = useSignal(0);
  const watch = useMemo(() => (id === null ? null : createWatch(id)), [id, again.value]);
  useEffect(() => () => watch?.stop(), [watch]);
  const failure = watch?.failure.value ?? null;
  const isEarly =
    isExpected && failure instanceof CoordinatorClientError && failure.code === "EXECUTION_NOT_FOUND";
  useEffect(() => {
    if (!isEarly) return undefined;
    const timer = setTimeout(() => {
      again.value += 1;
    }, NOT_YET_MS);
    return () => clearTimeout(timer);
  }, [isEarly, watch]);
  return { runView: watch?.runView.value ?? null, failure: isEarly ? null : failure };
}

function useDefinition(pipeline: string | null): { stages: readonly StageView[]; failure: unknown } {
  const stages = useSignal<readonly StageView[]>([]);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    if (pipeline === null) return undefined;
    const left = new AbortController();
    client()
      .getPipelineConfig(pipeline, { signal: left.signal })
      .then(
        (definition) => {
          stages.value = definition.stages.map(pendingStage);
        },
        (cause: unknown) => {
          if (!left.signal.aborted) failure.value = cause;
        },
      );
    return () => left.abort();
  }, [pipeline]);
  return { stages: stages.value, failure: pipeline === null ? null : failure.value };
}
