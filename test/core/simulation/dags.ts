// Every unlabelled DAG of n nodes, once: edges run from a lower to a higher number, and of all the ways to number the
// same shape only the first is kept.

/** A DAG as the dependencies of each node. */
export type Dag = readonly (readonly number[])[];

export function unlabelledDags(nodes: number): Dag[] {
  const pairs = Array.from({ length: nodes }, (_, to) =>
    Array.from({ length: to }, (_, from) => [from, to] as const),
  );
  const edges = pairs.flat();
  const orders = permutations(nodes);
  const seen = new Set<string>();
  const dags: Dag[] = [];
  for (let mask = 0; mask < 2 ** edges.length; mask += 1) {
    const chosen = edges.filter((_, at) => (mask >> at) % 2 === 1);
    const names = orders.map((order) => {
      let bits = 0;
      for (const [from, to] of chosen) bits += 2 ** ((order[from] as number) * nodes + (order[to] as number));
      return bits;
    });
    const shape = String(Math.min(...names));
    if (seen.has(shape)) continue;
    seen.add(shape);
    dags.push(
      Array.from({ length: nodes }, (_, node) =>
        chosen.filter(([, to]) => to === node).map(([from]) => from),
      ),
    );
  }
  return dags;
}

function permutations(length: number): number[][] {
  if (length === 0) return [[]];
  return permutations(length - 1).flatMap((rest) =>
    Array.from({ length }, (_, at) => rest.toSpliced(at, 0, length - 1)),
  );
}
