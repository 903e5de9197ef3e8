// Icons, in the colour of the surrounding text. Never the only carrier of a meaning: a word is next to each.
import type { JSX } from "preact";

export type Glyph =
  | "pending"
  | "queued"
  | "running"
  | "waiting"
  | "retrying"
  | "completed"
  | "failed"
  | "skipped"
  | "cancelled"
  | "paused"
  | "repeat"
  | "opens";

const SHAPES: Record<Glyph, JSX.Element> = {
  pending: <circle cx="8" cy="8" r="5.25" stroke-dasharray="2.2 2.2" />,
  queued: <path d="M3.5 5h9M3.5 8h9M3.5 11h5" />,
  running: (
    <g class="turning">
      <circle cx="8" cy="8" r="5.25" opacity=".25" />
      <path d="M8 2.75a5.25 5.25 0 0 1 5.25 5.25" />
    </g>
  ),
  waiting: (
    <g>
      <circle cx="8" cy="8" r="5.25" />
      <path d="M8 5v3l2 1.5" />
    </g>
  ),
  retrying: <path d="M12.9 9.5A5.25 5.25 0 1 1 12.2 4.8M12.6 2.4v2.8H9.8" />,
  completed: <path d="m3.5 8.5 3 3 6-7" />,
  failed: <path d="m4 4 8 8m0-8-8 8" />,
  skipped: <path d="M3.5 8h9" />,
  cancelled: <rect x="4" y="4" width="8" height="8" rx="1" />,
  paused: <path d="M5.75 3.75v8.5m4.5-8.5v8.5" />,
  repeat: <path d="M3 7.5V7a2.5 2.5 0 0 1 2.5-2.5H13L11 2.5m2 6V9a2.5 2.5 0 0 1-2.5 2.5H3l2 2" />,
  opens: <path d="m4 6 4 4 4-4" />,
};

export function Icon({ name }: { name: Glyph }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}
