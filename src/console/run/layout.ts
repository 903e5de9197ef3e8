// The positions of the stages: dagre's layout of a definition, from left to right, or downwards in a narrow view.
import { Graph, layout } from "@dagrejs/dagre";
import type { PipelineStage } from "../../contract/stage.ts";

export interface Box {
  width: number;
  height: number;
}

export const NODE: Box = { width: 208, height: 60 };

export interface Placed extends Box {
  name: string;
  /** Of its left upper corner. */
  x: number;
  y: number;
}

interface Line {
  from: string;
  to: string;
  path: string;
}

export interface Layout extends Box {
  nodes: readonly Placed[];
  lines: readonly Line[];
}

const MARGIN = 9;

/**
 * Edges to stages that are not there are left out. A cycle is drawn like anything else.
 * @param boxOf how large a stage is drawn
 */
export function layOut(
  stages: readonly Pick<PipelineStage, "name" | "depends_on">[],
  downwards: boolean,
  boxOf: (name: string) => Box = () => NODE,
): Layout {
  if (stages.length === 0) return { width: 0, height: 0, nodes: [], lines: [] };
  const graph = new Graph();
  graph.setGraph({
    rankdir: downwards ? "TB" : "LR",
    // A stage that is open is much larger than those beside it.
    rankalign: "top",
    nodesep: downwards ? 16 : 20,
    ranksep: downwards ? 32 : 56,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  const names = new Set(stages.map(({ name }) => name));
  for (const name of names) graph.setNode(name, { ...boxOf(name) });
  // dagre puts last what it meets first: met backwards, stages side by side are in the definition's order.
  for (const { name, depends_on } of stages.toReversed()) {
    for (const before of depends_on.toReversed()) {
      // A dependency that another one implies needs no line of its own.
      if (names.has(before) && before !== name && !isImplied(stages, before, name))
        graph.setEdge(before, name);
    }
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const nodes = [...names].map((name) => {
    const { x, y, width: wide, height: high } = graph.node(name) as Middle;
    return { name, x: x - wide / 2, y: y - high / 2, width: wide, height: high };
  });
  const lines = graph.edges().map(({ v, w }) => {
    const { points } = graph.edge({ v, w }) as unknown as { points: readonly Point[] };
    const ends = [
      side(graph.node(v) as Middle, downwards, 1),
      side(graph.node(w) as Middle, downwards, -1),
    ] as const;
    return { from: v, to: w, path: curve([ends[0], ...points.slice(1, -1), ends[1]], downwards) };
  });
  return { width, height, nodes, lines };
}

interface Point {
  x: number;
  y: number;
}

type Middle = Point & Box;

/** True where `name` also depends on a stage that itself depends on `before`. */
function isImplied(
  stages: readonly Pick<PipelineStage, "name" | "depends_on">[],
  before: string,
  name: string,
): boolean {
  const seen = new Set<string>([name]);
  const direct =
    stages.find((stage) => stage.name === name)?.depends_on.filter((other) => other !== before) ?? [];
  const ahead = [...direct];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    if (next === before) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    ahead.push(...(stages.find((stage) => stage.name === next)?.depends_on ?? []));
  }
  return false;
}

/** The middle of the side at which lines leave (1) or arrive (-1). */
function side({ x, y, width, height }: Middle, downwards: boolean, way: 1 | -1): Point {
  return downwards ? { x, y: y + (way * height) / 2 } : { x: x + (way * width) / 2, y };
}

/** From border to border, leaving and arriving straight. */
function curve(points: readonly Point[], downwards: boolean): string {
  const [first = { x: 0, y: 0 }, ...rest] = points;
  const parts = rest.map((point, at) => {
    const before = points[at] as Point;
    const half = downwards ? (point.y - before.y) / 2 : (point.x - before.x) / 2;
    return downwards
      ? `C${before.x} ${before.y + half} ${point.x} ${point.y - half} ${point.x} ${point.y}`
      : `C${before.x + half} ${before.y} ${point.x - half} ${point.y} ${point.x} ${point.y}`;
  });
  return `M${first.x} ${first.y}${parts.join("")}`;
}
