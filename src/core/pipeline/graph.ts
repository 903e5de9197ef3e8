// The shape of a pipeline as a graph: cycles, layers, the longest path. Owns nothing but the arithmetic of edges;
// works on anything that has a name and dependencies. Names that do not exist are ignored here and reported by
// validate.ts.

export interface Node {
  readonly name: string;
  readonly depends_on: readonly string[];
}

/** The first cycle found, named in order and closed (`["a", "b", "a"]`), or null. */
export function findCycle(nodes: readonly Node[]): string[] | null {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): string[] | null => {
    if (done.has(name)) return null;
    const seen = path.indexOf(name);
    if (seen !== -1) return [...path.slice(seen), name];
    path.push(name);
    for (const dependency of byName.get(name)?.depends_on ?? []) {
      const cycle = byName.has(dependency) ? visit(dependency) : null;
      if (cycle !== null) return cycle;
    }
    path.pop();
    done.add(name);
    return null;
  };
  for (const node of nodes) {
    const cycle = visit(node.name);
    // Walked from dependant to dependency: reversed into the direction of execution.
    if (cycle !== null) return cycle.toReversed();
  }
  return null;
}

/** Every node's dependencies by name, in the order they were given. */
export function dependencies(nodes: readonly Node[]): Record<string, string[]> {
  return Object.fromEntries(nodes.map((node) => [node.name, [...node.depends_on]]));
}

/** Everything that a node depends on, directly or through others. */
export function ancestors(nodes: readonly Node[], name: string): Set<string> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const found = new Set<string>();
  const open = [...(byName.get(name)?.depends_on ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(byName.get(next)?.depends_on ?? []));
  }
  return found;
}

/** Nodes that can run side by side, layer after layer, in definition order. Empty where there is a cycle. */
export function layers(nodes: readonly Node[]): string[][] {
  const known = new Set(nodes.map((node) => node.name));
  const placed = new Set<string>();
  const result: string[][] = [];
  while (placed.size < known.size) {
    const layer = nodes
      .filter((node) => !placed.has(node.name))
      .filter((node) => node.depends_on.every((name) => placed.has(name) || !known.has(name)))
      .map((node) => node.name);
    if (layer.length === 0) return [];
    for (const name of layer) placed.add(name);
    result.push(layer);
  }
  return result;
}

/** Nodes without dependants, in definition order. */
export function sinks<T extends Node>(nodes: readonly T[]): T[] {
  const used = new Set(nodes.flatMap((node) => node.depends_on));
  return nodes.filter((node) => !used.has(node.name));
}

/**
 * Of a definition, the path of the greatest summed weight, from a root to a sink, with its weight; that of a run, by
 * time, is in execution/view/critical-path.ts. Of equal ones the first in definition order. Nodes must be free of
 * cycles.
 */
export function criticalPath(
  nodes: readonly Node[],
  weight: (name: string) => number,
): { path: string[]; weight: number } {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const best = new Map<string, { total: number; from: string | null }>();
  const measure = (node: Node): number => {
    const known = best.get(node.name);
    if (known !== undefined) return known.total;
    let from: string | null = null;
    let before = 0;
    for (const name of node.depends_on) {
      const dependency = byName.get(name);
      if (dependency === undefined) continue;
      const total = measure(dependency);
      if (from === null || total > before) {
        from = name;
        before = total;
      }
    }
    const total = before + weight(node.name);
    best.set(node.name, { total, from });
    return total;
  };
  let end: string | null = null;
  let heaviest = 0;
  for (const node of sinks(nodes)) {
    const total = measure(node);
    if (end === null || total > heaviest) {
      end = node.name;
      heaviest = total;
    }
  }
  const path: string[] = [];
  for (let name = end; name !== null; name = best.get(name)?.from ?? null) path.unshift(name);
  return { path, weight: heaviest };
}
