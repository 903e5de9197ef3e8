// The inside of a stage that runs a pipeline: the graph of its execution as that goes on, before it and in a definition
// that of the pipeline.
import "../style/nested.css";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { CoordinatorClientError, pendingStage, type RunView, type StageView } from "../../client/index.ts";
import { errorNotice } from "../lib/errors.ts";
import { to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { type Extent, Plane, useLayouts } from "./graph.tsx";
import { type Box, NODE } from "./layout.ts";
import { createWatch } from "./watch.ts";

interface InsideProps {
  stage: StageView;
  /** False in a definition. */
  isRun: boolean;
  downwards: boolean;
  /** How much room the frame needs, with the stage above it. */
  onExtent: (extent: Extent) => void;
}

const PADDING = 8;
const FOOT_HEIGHT = 34;
/** The execution is named in its parent's log before it has begun. */
const NOT_YET_MS = 300;

export function Inside({ stage, isRun, downwards, onExtent }: InsideProps) {
  const { pipeline = "" } = stage.definition;
  const child = isRun ? stage.child_execution_id : null;
  const { runView, failure } = useExecution(child, stage.ended_at === null);
  const defined = useDefinition(child === null ? pipeline : null);
  const cause = failure ?? defined.failure;
  const stages = runView?.stages ?? defined.stages;
  const { opened, across, down } = useLayouts(stages, runView === null);
  const sizes = [across, down].map(framed);
  useEffect(() => {
    const [wide = NODE, high = NODE] = sizes;
    onExtent({ across: wide, down: high });
  }, [across, down]);
  const element = useRef<HTMLDivElement>(null);
  const isLoaded = stages.length > 0;
  useEffect(() => {
    if (!isLoaded) return undefined;
    // Once the graph around it has made room. In a narrow view it may be partly outside.
    const frame = requestAnimationFrame(() =>
      element.current?.scrollIntoView({ block: "nearest", inline: "start" }),
    );
    return () => cancelAnimationFrame(frame);
  }, [isLoaded, downwards]);
  return (
    <div ref={element} class="frame-inside" style={{ paddingTop: `${NODE.height}px` }}>
      <Plane
        label={`Stages of ${pipeline} in ${stage.name}`}
        layout={downwards ? down : across}
        {...{ stages, runView, downwards, opened }}
      />
      <p class="frame-foot" role={cause === null ? undefined : "alert"}>
        {cause !== null ? (
          <span class="bad">{errorNotice(cause).title}</span>
        ) : !isLoaded ? (
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

function framed({ width, height }: Box): Box {
  return {
    width: Math.max(NODE.width, width) + 2 * PADDING,
    height: NODE.height + height + FOOT_HEIGHT,
  };
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
