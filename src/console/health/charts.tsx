// The charts of the Health page, as SVG of our own; each says in words what it shows.
import { costText } from "../../contract/cost.ts";
import { duration, percent, plural } from "../lib/format.ts";
import type { Bucket } from "./health-data.ts";

const WIDTH = 480;
const HEIGHT = 96;

/** Executions by the time of their end; failures are on top. */
export function Throughput({ buckets }: { buckets: readonly Bucket[] }) {
  const highest = Math.max(1, ...buckets.map(({ succeeded, failed, other }) => succeeded + failed + other));
  const step = WIDTH / Math.max(1, buckets.length);
  const total = buckets.reduce((sum, { succeeded, failed, other }) => sum + succeeded + failed + other, 0);
  const height = (count: number) => (count / highest) * (HEIGHT - 4);
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${plural(total, "execution")} over the window, at most ${highest} in one of ${buckets.length} parts of it`}
      >
        <line class="chart-base" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        {buckets.map(({ ago, succeeded, failed, other }, at) => {
          const x = at * step + 3;
          const good = height(succeeded + other);
          const bad = height(failed);
          return (
            <g key={ago}>
              <title>{`${succeeded} completed, ${failed} failed`}</title>
              <rect class="chart-good" x={x} width={step - 6} y={HEIGHT - good} height={good} />
              <rect class="chart-bad" x={x} width={step - 6} y={HEIGHT - good - bad} height={bad} />
            </g>
          );
        })}
      </svg>
      <figcaption class="chart-ends">
        <span>{duration((buckets[0]?.ago ?? 0) * 1_000)} ago</span>
        <span>highest {highest}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

/** What executions cost, by the time of their end. */
export function CostOverTime({ buckets }: { buckets: readonly Bucket[] }) {
  const highest = Math.max(0, ...buckets.map(({ cost_usd }) => cost_usd));
  const step = WIDTH / Math.max(1, buckets.length);
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Cost over the window, at most ${costText(highest)} in one of ${buckets.length} parts of it`}
      >
        <line class="chart-base" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        {buckets.map(({ ago, cost_usd }, at) => {
          const height = highest === 0 ? 0 : (cost_usd / highest) * (HEIGHT - 4);
          return (
            <rect
              key={ago}
              class="chart-good"
              x={at * step + 3}
              width={step - 6}
              y={HEIGHT - height}
              height={height}
            >
              <title>{costText(cost_usd)}</title>
            </rect>
          );
        })}
      </svg>
      <figcaption class="chart-ends">
        <span>{duration((buckets[0]?.ago ?? 0) * 1_000)} ago</span>
        <span>highest {costText(highest)}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

/** Rows of bars on one scale, with the figure beside each. */
export function Bars({
  rows,
  label,
}: {
  label: string;
  rows: readonly { name: string; value: number; text: string; tone?: "bad" | "soft"; note?: string }[];
}) {
  const longest = Math.max(1e-9, ...rows.map(({ value }) => value));
  return (
    <ul class="bars" aria-label={label}>
      {rows.map(({ name, value, text, tone, note }) => (
        <li key={name}>
          <span class="bars-name">{name}</span>
          <span class="bars-track" aria-hidden="true">
            {value > 0 && <i class={tone ?? ""} style={{ width: `${(value / longest) * 100}%` }} />}
          </span>
          <span class="bars-text">{text}</span>
          {note !== undefined && <span class="bars-note">{note}</span>}
        </li>
      ))}
    </ul>
  );
}

/** A share of the whole, and the share that it should have. */
export function Share({ value, wanted }: { value: number; wanted: number | null }) {
  const low = wanted !== null && value < wanted;
  return (
    <span
      class="share"
      role="img"
      aria-label={`${percent(value)}${wanted === null ? "" : `, target ${percent(wanted)}`}`}
    >
      <i class={low ? "bad" : ""} style={{ width: `${value * 100}%` }} />
      {wanted !== null && <b style={{ left: `${wanted * 100}%` }} />}
    </span>
  );
}
