// The pipeline as a graph: our own SVG for the lines, a button for each stage, so that a keyboard and a screen reader
// find what the eye finds. Before a run it shows a definition; during one, each stage as it is. A stage that runs a
// pipeline opens in place: that graph is a part of this one.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, plural, remaining, seconds, words } from "../lib/format.ts";
import { useNow } from "../lib/clock.ts";
import { Icon } from "../ui/icons.tsx";
import { lazyPage } from "../ui/lazy-page.tsx";
import { type Box, type Layout, layOut, NODE, type Placed } from "./layout.ts";
import { criticalPath, timeOf } from "./path.ts";
import {
  isRunOver,
  type ItemsView,
  type StageQueue,
  type StageView,
  type RunView,
} from "../../client/index.ts";

interface GraphProps {
  stages: readonly StageView[];
  runView: RunView | null;
  selected: string | null;
  onSelect: (stage: string) => void;
  /** Names of stages with something wrong, for the editor. */
  faulty?: ReadonlySet<string>;
}

/** Below this a row of stages would be too small to read. */
const SMALLEST_SCALE = 0.72;

const Inside = lazyPage(async () => (await import("./inside.tsx")).Inside);

export function Graph({ stages, runView, selected, onSelect, faulty }: GraphProps) {
  const [room, setRoom] = useState(900);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setRoom(entry?.contentRect.width ?? 900));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const { opened, across, down } = useLayouts(stages, runView === null);
  const downwards = across.width * SMALLEST_SCALE > room;
  const layout = downwards ? down : across;
  const { width, height } = layout;
  const scale = Math.min(1, Math.max(SMALLEST_SCALE, room / Math.max(1, width)));
  return (
    <div class="graph" ref={frame}>
      <div class="graph-room" style={{ width: px(width * scale), height: px(height * scale) }}>
        <div style={{ transform: `scale(${scale})`, transformOrigin: "0 0" }}>
          <Plane
            label="Stages of the pipeline"
            {...{ stages, runView, layout, downwards, opened, selected, onSelect }}
            {...(faulty === undefined ? {} : { faulty })}
          />
        </div>
      </div>
    </div>
  );
}

const px = (value: number) => `${value}px`;

/** How large something is in a graph from left to right, and in one downwards. */
interface Extent {
  across: Box;
  down: Box;
}

type Opened = Signal<ReadonlyMap<string, Extent>>;

/** A definition says in a line of its own how often a stage may be called. */
const DEFINED: Box = { width: NODE.width, height: 78 };

/** Both layouts of a graph, and which of its stages are open, with the extents of their frames. */
function useLayouts(stages: readonly StageView[], isDefinition: boolean) {
  const opened: Opened = useSignal(new Map());
  const frames = opened.value;
  const tall = (stage: StageView) => isDefinition && repetitionOf(stage) !== "";
  const shape = stages
    .map((stage) => `${stage.name}<${stage.definition.depends_on.join()}>${tall(stage)}`)
    .join(";");
  const layouts = useMemo(() => {
    const graph = stages.map(({ name, definition }) => ({ name, depends_on: definition.depends_on }));
    const defined = new Set(stages.filter(tall).map(({ name }) => name));
    const boxOf = (way: keyof Extent) => (name: string) =>
      frames.get(name)?.[way] ?? (defined.has(name) ? DEFINED : NODE);
    return { across: layOut(graph, false, boxOf("across")), down: layOut(graph, true, boxOf("down")) };
  }, [shape, frames]);
  return { opened, ...layouts };
}

interface PlaneProps {
  label: string;
  stages: readonly StageView[];
  runView: RunView | null;
  layout: Layout;
  downwards: boolean;
  opened: Opened;
  selected?: string | null;
  /** Absent in the graph of a stage. */
  onSelect?: (stage: string) => void;
  faulty?: ReadonlySet<string>;
}

/** The stages of one pipeline and the lines between them. */
function Plane({ stages, runView, layout, opened, downwards, label, ...more }: PlaneProps) {
  const { selected = null, onSelect, faulty } = more;
  const { width, height, nodes, lines } = layout;
  const now = useNow(runView !== null && !isRunOver(runView.status));
  const critical = runView === null ? new Set<string>() : criticalPath(runView);
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const set = (name: string, extent: Extent | null) => {
    const next = new Map(opened.peek());
    if (extent === null) next.delete(name);
    else next.set(name, extent);
    opened.value = next;
  };
  return (
    <div class="graph-plane" style={{ width: px(width), height: px(height) }}>
      <svg class="graph-lines" width={width} height={height} aria-hidden="true">
        {lines.map(({ from, to, path }) => (
          <path
            key={`${from} ${to}`}
            d={path}
            class={
              runView === null ? "line is-defined" : lineClass(byName.get(from), byName.get(to), critical)
            }
          />
        ))}
      </svg>
      <ol class="graph-nodes" aria-label={label}>
        {nodes.map((place) => {
          const { name, x, y } = place;
          const stage = byName.get(name);
          if (stage === undefined) return null;
          const { pipeline, map } = stage.definition;
          const isOpen = opened.value.has(name);
          // The executions of items are listed with them.
          const opens = pipeline !== undefined && (runView === null || map === undefined);
          const wrong = faulty?.has(name) === true;
          return (
            <li key={name}>
              {isOpen && (
                <div class="frame" style={styleOf(place)}>
                  <Inside stage={stage} isRun={runView !== null}>
                    {(inner) => (
                      <Nested
                        label={`Stages of ${pipeline} in ${name}`}
                        {...inner}
                        downwards={downwards}
                        onExtent={(extent) => set(name, extent)}
                      />
                    )}
                  </Inside>
                </div>
              )}
              <Node
                stage={stage}
                place={isOpen ? { ...place, height: NODE.height } : place}
                state={wrong ? "has errors" : stateOf(stage, runView, now)}
                kind={`is-${runView === null ? "defined" : shownStatus(stage)}${wrong ? " is-faulty" : ""}${critical.has(name) ? " is-critical" : ""}${opens ? " is-opening" : ""}`}
                glyph={wrong ? "failed" : runView === null ? null : shownStatus(stage)}
                more={runView === null ? repetitionOf(stage) : ""}
                isCritical={critical.has(name)}
                isSelected={selected === name}
                {...(onSelect === undefined ? {} : { onSelect })}
              />
              {opens && (
                <button
                  type="button"
                  class="node-opens"
                  aria-expanded={isOpen}
                  aria-label={`The pipeline ${pipeline} in ${name}`}
                  style={{ left: px(x + NODE.width - 38), top: px(y + NODE.height / 2 - 15) }}
                  onClick={() => set(name, isOpen ? null : { across: NODE, down: NODE })}
                >
                  <Icon name="opens" />
                </button>
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

interface NestedProps extends Pick<PlaneProps, "label" | "stages" | "runView" | "downwards"> {
  /** How much room its frame needs. */
  onExtent: (extent: Extent) => void;
}

/** The graph within a stage. */
function Nested({ onExtent, ...graph }: NestedProps) {
  const { stages, runView, downwards } = graph;
  const { opened, across, down } = useLayouts(stages, runView === null);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => onExtent({ across: framed(across), down: framed(down) }), [across, down]);
  useEffect(() => {
    // Once the graph around it has made room. In a narrow view it may be partly outside.
    const frame = requestAnimationFrame(() =>
      element.current?.parentElement?.scrollIntoView({ block: "nearest", inline: "start" }),
    );
    return () => cancelAnimationFrame(frame);
  }, [stages.length > 0, downwards]);
  return (
    <div ref={element} style={{ paddingTop: px(NODE.height) }}>
      <Plane {...graph} layout={downwards ? down : across} opened={opened} />
    </div>
  );
}

const FRAME_PADDING = 8;
/** Of the link below the graph. */
const FRAME_FOOT = 34;

function framed({ width, height }: Box): Box {
  return {
    width: Math.max(NODE.width, width) + 2 * FRAME_PADDING,
    height: NODE.height + height + FRAME_FOOT,
  };
}

function styleOf({ x, y, width, height }: Placed, by = 0) {
  return { left: px(x + by), top: px(y + by), width: px(width), height: px(height) };
}

interface NodeProps {
  stage: StageView;
  place: Placed;
  state: string;
  kind: string;
  glyph: Parameters<typeof Icon>[0]["name"] | null;
  more: string;
  isCritical: boolean;
  isSelected: boolean;
  onSelect?: (stage: string) => void;
}

function Node({ stage, place, state, kind, glyph, more, isCritical, isSelected, onSelect }: NodeProps) {
  const { name, definition, status, fraction } = stage;
  const inner = (
    <>
      {glyph !== null && (
        <span class="node-mark">
          <Icon name={glyph} />
        </span>
      )}
      <span class="node-name">{name}</span>
      <span class="node-state">{state}</span>
      {more !== "" && <span class="node-state">{more}</span>}
      {definition.repeat !== undefined && (
        <span class="node-loop">
          <Icon name="repeat" />
        </span>
      )}
      {status === "running" && fraction !== null && (
        <span class="node-progress" style={{ width: `${fraction * 100}%` }} />
      )}
    </>
  );
  const isOf = `node ${kind}`;
  return (
    <>
      {definition.map !== undefined &&
        [8, 4].map((by) => <i key={by} class="node-stack" style={styleOf(place, by)} />)}
      {onSelect === undefined ? (
        <div class={isOf} style={styleOf(place)}>
          {inner}
        </div>
      ) : (
        <button
          type="button"
          class={isOf}
          aria-pressed={isSelected}
          aria-label={`${name}, ${state}${more === "" ? "" : `, ${more}`}${isCritical ? ", on the critical path" : ""}`}
          style={styleOf(place)}
          onClick={() => onSelect(name)}
        >
          {inner}
        </button>
      )}
    </>
  );
}

function lineClass(
  from: StageView | undefined,
  to: StageView | undefined,
  critical: ReadonlySet<string>,
): string {
  const passed = from?.status === "completed" || from?.status === "skipped";
  const flows = passed && (to?.status === "running" || to?.status === "waiting" || to?.status === "retrying");
  const both = from !== undefined && to !== undefined && critical.has(from.name) && critical.has(to.name);
  return `line${passed ? " is-passed" : ""}${flows ? " is-flowing" : ""}${both ? " is-critical" : ""}`;
}

/** One whose call waits for its agent is pending, and is to be seen as more than that. */
function shownStatus({ status, queue }: StageView): StageView["status"] | "queued" {
  return queue === null ? status : "queued";
}

/** What a definition says that a stage does. */
function kindOf({ agent_type, pipeline }: StageView["definition"]): string {
  return agent_type ?? (pipeline === undefined ? "waits for an answer" : `runs ${pipeline}`);
}

/** How often a definition lets a stage be called; empty of one that is called once. */
function repetitionOf({ definition: { map, repeat } }: StageView): string {
  return [
    map === undefined ? [] : `up to ${plural(map.max_items, "item")}, ${map.concurrency} at a time`,
    repeat === undefined ? [] : `up to ${repeat.max} ${map === undefined ? "iterations" : "times each"}`,
  ]
    .flat()
    .join(", ");
}

/** How far the items are. */
function itemsText({ total, completed, failed }: ItemsView): string {
  return `${completed + failed}/${total} done${failed === 0 ? "" : `, ${failed} failed`}`;
}

/** Why a call is not made yet, and for how long. */
function queuedState({ reason, until, since }: StageQueue, now: number): string {
  if (reason === "retry_after" && until !== null && until > now) {
    return `agent busy, ${seconds(until - now)} left`;
  }
  return `${reason === "retry_after" ? "agent busy" : "waits for a place"} ${seconds(now - since)}`;
}

/** What a stage is doing, in few words. */
function stateOf(stage: StageView, runView: RunView | null, now: number): string {
  const { status, attempt, definition, items, iteration } = stage;
  const limit = definition.retry_attempts;
  switch (status) {
    case "pending":
      if (stage.queue !== null) return queuedState(stage.queue, now);
      return runView === null ? kindOf(definition) : "pending";
    case "running": {
      const span = stage.spans.at(-1);
      const took = span === undefined ? 0 : now - span.from;
      if (stage.fallback !== null) return `fallback ${seconds(took)}`;
      if (items !== null) return itemsText(items);
      if (definition.repeat !== undefined && iteration !== null) {
        const tries = attempt > 1 ? `, try ${attempt}` : "";
        return `iteration ${iteration}/${definition.repeat.max}${tries}, ${seconds(took)}`;
      }
      return attempt > 1
        ? `try ${attempt} of ${limit ?? attempt}, ${seconds(took)}`
        : `running ${seconds(took)}`;
    }
    case "retrying": {
      const left = (stage.retry_at ?? now) - now;
      if (runView?.status === "paused") return "retrying after the pause";
      return left > 0 ? `retrying in ${seconds(left)}` : "retrying";
    }
    case "waiting": {
      const left = remaining((stage.wait?.expires_at ?? now) - now);
      if (stage.wait?.reason === "execution") return "its execution waits";
      return `${stage.wait?.reason === "callback" ? "answers later" : "asks"}, ${left} left`;
    }
    case "completed": {
      const by = stage.result?.answered_by;
      if (by != null)
        return by === "timeout" ? "not answered in time" : `answered ${duration(timeOf(stage, now))}`;
      if (stage.result?.reused_from != null) return "taken over";
      const time = duration(timeOf(stage, now));
      if (stage.result?.cached === true) return "completed, from the cache";
      if (stage.fallback !== null) return "completed by fallback";
      if (items !== null) {
        const failed = items.failed === 0 ? "" : `, ${items.failed} failed`;
        return `completed ${time}, ${plural(items.total, "item")}${failed}`;
      }
      if (iteration !== null) return `completed ${time}, ${plural(iteration, "iteration")}`;
      return `completed ${time}${attempt > 1 ? `, ${attempt} tries` : ""}`;
    }
    case "failed":
      if (items !== null && items.failed > 0) return `failed, ${itemsText(items)}`;
      if (iteration !== null) return `failed in iteration ${iteration}`;
      return `failed${attempt > 1 ? ` after ${attempt} tries` : ""}`;
    default:
      return words(status);
  }
}
