// The critical path as it was: from the stage that ended last back to what it began after, be that a dependency or a
// stage whose end made room for it. The path by edges alone would miss stages that ran one after another for want of
// a place.

export interface Span {
  name: string;
  depends_on: readonly string[];
  /** Ms after the run's start. */
  began: number;
  ended: number;
}

/** The names of the stages on it. */
export function observedPath(spans: readonly Span[]): Set<string> {
  const path = new Set<string>();
  let current = latest(spans);
  while (current !== null) {
    const at: Span = current;
    path.add(at.name);
    current = predecessor(at, spans, path);
  }
  return path;
}

/** What a stage began after, or null where it began with the run. */
export function predecessor(
  of: Span,
  spans: readonly Span[],
  besides: ReadonlySet<string> = new Set([of.name]),
): Span | null {
  const before = spans.filter((span) => span.ended <= of.began && !besides.has(span.name));
  const end = latest(before)?.ended;
  const last = before.filter((span) => span.ended === end);
  // Of several that ended at once, a dependency is the reason.
  return last.find((span) => of.depends_on.includes(span.name)) ?? last[0] ?? null;
}

function latest(spans: readonly Span[]): Span | null {
  return spans.reduce<Span | null>(
    (best, span) => (best === null || span.ended > best.ended ? span : best),
    null,
  );
}
