// Which names have metrics of their own: callers choose the names of stages and pipelines, and each is a series of
// every metric. The first ones that come are admitted, so that what is defined keeps its series; what comes later is
// counted as `other`. Parts of the index count apart: where they are merged, the names that were early in any of them
// are kept, which is the same choice in any order of the parts.

/** The name for everything without metrics of its own; a stage or pipeline of that name is counted with it. */
export const OTHER = "other";

/** The name under which something is counted: its own where it has metrics already, or there is room for more. */
export function admittedName(known: ReadonlyMap<string, unknown>, name: string, most: number): string {
  if (known.has(name)) return name;
  const own = known.size - (known.has(OTHER) ? 1 : 0);
  return own < most ? name : OTHER;
}

/** The names that keep their metrics where sources are merged. @param sources names in the order of admission */
export function keptNames(sources: readonly Iterable<string>[], most: number): ReadonlySet<string> {
  const ranks = new Map<string, number>();
  for (const source of sources) {
    let rank = 0;
    for (const name of source) {
      if (name !== OTHER) ranks.set(name, Math.min(ranks.get(name) ?? Number.POSITIVE_INFINITY, rank));
      rank += 1;
    }
  }
  if (ranks.size <= most) return new Set(ranks.keys());
  const order = [...ranks].toSorted(([a, first], [b, second]) => first - second || (a < b ? -1 : 1));
  return new Set(order.slice(0, most).map(([name]) => name));
}
