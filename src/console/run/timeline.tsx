// Where the time went: a row for each stage, its tries and the waits between them on one axis, growing while the run
// is active; the stages of the critical path are marked, and pauses are drawn below everything.
import { pathShare, pathText } from "../../contract/critical-path.ts";
import { useNow } from "../lib/clock.ts";
import { duration, plural } from "../lib/format.ts";
import { criticalPath, queuedTimeOf, queueWords, timeOf } from "./path.ts";
import { isRunOver, type StageSpan, type StageView, type RunView } from "../../client/index.ts";

const SHORTEST_AXIS_MS = 400;
const TICKS = 5;

interface Axis {
  from: number;
  length: number;
}

export function Timeline({ runView, onSelect }: { runView: RunView; onSelect: (stage: string) => void }) {
  const live = !isRunOver(runView.status);
  const now = useNow(live);
  const end = runView.ended_at ?? now;
  const axis = {
    from: runView.started_at,
    length: Math.max(SHORTEST_AXIS_MS, (end - runView.started_at) * 1.02),
  };
  const critical = criticalPath(runView);
  const place = (from: number, to: number) => placed(axis, from, to);
  return (
    <figure class="timeline" aria-label="Timeline of the run">
      <div class="timeline-axis" aria-hidden="true">
        {ticks(axis.length).map((ms) => (
          <span key={ms} class="tick" style={{ left: `${(ms / axis.length) * 100}%` }}>
            {tickText(ms)}
          </span>
        ))}
      </div>
      <ul class="timeline-rows">
        {runView.stages.map((stage) => (
          <li key={stage.name} class={critical.has(stage.name) ? "is-critical" : ""}>
            <button type="button" class="timeline-name" onClick={() => onSelect(stage.name)}>
              <span>{stage.name}</span>
              <span class="sr-only">
                {spoken(stage, end)}
                {critical.has(stage.name) && onPath(runView, stage.name)}
              </span>
            </button>
            <span class="timeline-track" aria-hidden="true">
              {runView.pauses.map((pause) => (
                <i key={pause.from} class="bar bar-pause" style={place(pause.from, pause.to ?? end)} />
              ))}
              {stage.spans.map((span, at) => (
                <i
                  key={at}
                  class={`bar bar-${span.kind} is-${span.outcome}${isFromCache(stage, span) ? " is-cached" : ""}`}
                  title={isFromCache(stage, span) ? "from the cache" : titleOf(stage, span, end)}
                  style={place(span.from, Math.min(span.to ?? end, end))}
                />
              ))}
            </span>
            <span class="timeline-time">{timeText(stage, end)}</span>
          </li>
        ))}
      </ul>
      <figcaption class="legend">
        <span>
          <i class="swatch bar-try" /> try
        </span>
        {some(runView, ({ kind }) => kind === "wait") && (
          <span>
            <i class="swatch bar-wait" /> wait before a retry
          </span>
        )}
        {some(runView, ({ kind }) => kind === "queued") && (
          <span>
            <i class="swatch bar-queued" /> wait for the agent
          </span>
        )}
        {some(runView, ({ kind }) => kind === "outside") && (
          <span>
            <i class="swatch bar-outside" /> wait for an answer
          </span>
        )}
        {runView.stages.some(({ result }) => result?.cached === true) && (
          <span>
            <i class="swatch bar-try is-cached" /> from the cache
          </span>
        )}
        {some(runView, ({ outcome }) => outcome === "failed") && (
          <span>
            <i class="swatch bar-try is-failed" /> failed
          </span>
        )}
        <span>
          <i class="swatch swatch-critical" /> critical path{pathOf(runView)}
        </span>
        {runView.pauses.length > 0 && (
          <span>
            <i class="swatch bar-pause" /> paused
          </span>
        )}
      </figcaption>
    </figure>
  );
}

/** Of a stage with a cached result: the span in which no agent was called. */
function isFromCache({ result }: StageView, { kind, outcome }: StageSpan): boolean {
  return result?.cached === true && kind === "try" && outcome === "completed";
}

function timeText(stage: StageView, end: number): string {
  return stage.spans.every(({ kind }) => kind === "queued") ? "–" : duration(timeOf(stage, end));
}

function some(runView: RunView, has: (span: StageSpan) => boolean): boolean {
  return runView.stages.some(({ spans }) => spans.some(has));
}

function placed(axis: Axis, from: number, to: number) {
  const left = Math.max(0, (from - axis.from) / axis.length) * 100;
  const width = Math.max(0, (to - from) / axis.length) * 100;
  return { left: `${left}%`, width: `${Math.min(width, 100 - left)}%` };
}

/** Round numbers along the axis. */
function ticks(length: number): number[] {
  const raw = length / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, at) => at * step).filter(
    (ms) => ms / length < 0.96,
  );
}

function tickText(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${Number((ms / 1_000).toFixed(1))} s` : duration(ms);
}

function titleOf({ definition }: StageView, span: StageSpan, end: number): string {
  const { kind, attempt, from, to, outcome, reason } = span;
  const time = duration((to ?? end) - from);
  if (kind === "queued") {
    return `${to === null ? "waits since" : "waited"} ${time} for ${queueWords(reason)}, before try ${attempt}`;
  }
  // Each iteration has tries of its own, and each item.
  if (kind === "try" && definition.map !== undefined) return `items: ${outcome}, ${time}`;
  if (kind === "try" && definition.repeat !== undefined) return `call: ${outcome}, ${time}`;
  if (kind === "outside") return `waited ${time} for an answer: ${outcome}`;
  return kind === "wait" ? `wait of ${time} before try ${attempt}` : `try ${attempt}: ${outcome}, ${time}`;
}

function spoken(stage: StageView, end: number): string {
  const called = stage.spans.filter((span) => span.kind === "try" && !isFromCache(stage, span)).length;
  const text = timeText(stage, end);
  const time = text === "–" ? "" : `, ${text}`;
  const waited = queuedTimeOf(stage, end);
  const queued =
    waited === 0 ? "" : `, ${stage.queue === null ? "waited" : "waits"} ${duration(waited)} for its agent`;
  const { items, iteration } = stage;
  const tries =
    items !== null
      ? `, ${plural(items.total, "item")}`
      : iteration !== null
        ? `, ${plural(iteration, "iteration")}`
        : called === 0
          ? ""
          : `, ${plural(called, "try", "tries")}`;
  const cached = stage.result?.cached === true ? ", from the cache" : "";
  const reused = stage.result?.reused_from != null ? ", taken over" : "";
  return ` ${stage.status}${time}${queued}${tries}${cached}${reused}`;
}

function onPath({ execution }: RunView, name: string): string {
  const share = execution === null ? null : pathShare(execution, name);
  return `, on the critical path${share === null ? "" : ` with ${duration(share)}`}`;
}

function pathOf({ execution }: RunView): string {
  const text = execution === null ? "" : pathText(execution, duration);
  return text === "" ? "" : `: ${text}`;
}
