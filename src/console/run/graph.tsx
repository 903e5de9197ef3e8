// The pipeline as a graph: our own SVG for the lines, a button for each stage, so that a keyboard and a screen reader
// find what the eye finds. Before a run it shows a definition; during one, each stage as it is.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, remaining, seconds, words } from "../lib/format.ts";
import { useNow } from "../lib/clock.ts";
import { Icon } from "../ui/icons.tsx";
import { layOut, NODE } from "./layout.ts";
import { criticalPath, timeOf } from "./path.ts";
import { isRunOver, type StageView, type RunView } from "../../client/index.ts";

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
  const shape = stages.map(({ name, definition }) => `${name}<${definition.depends_on.join()}`).join(";");
  const { width, height, nodes, lines } = useMemo(() => {
    const graph = stages.map(({ name, definition }) => ({ name, depends_on: definition.depends_on }));
    const across = layOut(graph, false);
    return across.width * SMALLEST_SCALE <= room ? across : layOut(graph, true);
  }, [shape, room]);
  const live = runView !== null && !isRunOver(runView.status);
  const now = useNow(live);
  const critical = runView === null ? new Set<string>() : criticalPath(runView);
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const scale = Math.min(1, Math.max(SMALLEST_SCALE, room / Math.max(1, width)));
  const px = (value: number) => `${value}px`;
  return (
    <div class="graph" ref={frame}>
      <div class="graph-room" style={{ width: px(width * scale), height: px(height * scale) }}>
        <div
          class="graph-plane"
          style={{ width: px(width), height: px(height), transform: `scale(${scale})` }}
        >
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
          <ol class="graph-nodes" aria-label="Stages of the pipeline">
            {nodes.map(({ name, x, y }) => {
              const stage = byName.get(name);
              if (stage === undefined) return null;
              const wrong = faulty?.has(name) === true;
              return (
                <li key={name}>
                  <button
                    type="button"
                    class={`node is-${runView === null ? "defined" : stage.status}${wrong ? " is-faulty" : ""}${critical.has(name) ? " is-critical" : ""}`}
                    aria-pressed={selected === name}
                    aria-label={`${name}, ${wrong ? "has errors" : stateOf(stage, runView, now)}${critical.has(name) ? ", on the critical path" : ""}`}
                    style={{ left: px(x), top: px(y), width: px(NODE.width), height: px(NODE.height) }}
                    onClick={() => onSelect(name)}
                  >
                    {(runView !== null || wrong) && (
                      <span class="node-mark">
                        <Icon name={wrong ? "failed" : stage.status} />
                      </span>
                    )}
                    <span class="node-name">{name}</span>
                    <span class="node-state">{wrong ? "has errors" : stateOf(stage, runView, now)}</span>
                    {stage.status === "running" && stage.fraction !== null && (
                      <span class="node-progress" style={{ width: `${stage.fraction * 100}%` }} />
                    )}
                  </button>
                </li>
              );
            })}
          </ol>
        </div>
      </div>
    </div>
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

/** What a definition says that a stage does. */
function kindOf({ agent_type }: StageView["definition"]): string {
  return agent_type ?? "waits for an answer";
}

/** What a stage is doing, in few words. */
function stateOf(stage: StageView, runView: RunView | null, now: number): string {
  const { status, attempt, definition } = stage;
  const limit = definition.retry_attempts;
  switch (status) {
    case "pending":
      return runView === null ? kindOf(definition) : "pending";
    case "running": {
      const span = stage.spans.at(-1);
      const took = span === undefined ? 0 : now - span.from;
      if (stage.fallback !== null) return `fallback ${seconds(took)}`;
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
      return `completed ${time}${attempt > 1 ? `, ${attempt} tries` : ""}`;
    }
    case "failed":
      return `failed${attempt > 1 ? ` after ${attempt} tries` : ""}`;
    default:
      return words(status);
  }
}
