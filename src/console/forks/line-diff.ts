// The difference of two JSON values as lines: those that only one of them has, and those that both have. Pure.

export interface DiffLine {
  /** Of both, of the left one alone, of the right one alone, or in place of lines that are left out. */
  side: "both" | "left" | "right" | "gap";
  text: string;
}

/** Pairs of lines that are compared; beyond that the differing middle is shown as a whole, one after the other. */
const MOST_PAIRS = 1_000_000;
/** Equal lines that are shown around a difference. */
const AROUND = 3;

/** The lines of two values, indented; empty where they are equal. Keys are compared in their own order. */
export function diffJson(left: unknown, right: unknown): DiffLine[] {
  const before = linesOf(left);
  const after = linesOf(right);
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  if (head === before.length && head === after.length) return [];
  let tail = 0;
  const shorter = Math.min(before.length, after.length) - head;
  while (tail < shorter && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const both = (lines: readonly string[]) => lines.map((text): DiffLine => ({ side: "both", text }));
  return folded([
    ...both(before.slice(0, head)),
    ...compared(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...both(before.slice(before.length - tail)),
  ]);
}

function linesOf(value: unknown): string[] {
  return (JSON.stringify(value, null, 2) ?? "null").split("\n");
}

/** By the longest common subsequence. */
function compared(before: readonly string[], after: readonly string[]): DiffLine[] {
  const width = after.length + 1;
  if (before.length * after.length > MOST_PAIRS) return [...alone("left", before), ...alone("right", after)];
  // How many lines are common from each pair on.
  const common = new Uint32Array((before.length + 1) * width);
  const at = (row: number, column: number) => common[row * width + column] ?? 0;
  for (let row = before.length - 1; row >= 0; row -= 1) {
    for (let column = after.length - 1; column >= 0; column -= 1) {
      common[row * width + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [row, column] = [0, 0];
  while (row < before.length && column < after.length) {
    const [old = "", now = ""] = [before[row], after[column]];
    if (old === now) {
      lines.push({ side: "both", text: old });
      row += 1;
      column += 1;
    } else if (at(row + 1, column) >= at(row, column + 1)) {
      lines.push({ side: "left", text: old });
      row += 1;
    } else {
      lines.push({ side: "right", text: now });
      column += 1;
    }
  }
  return [...lines, ...alone("left", before.slice(row)), ...alone("right", after.slice(column))];
}

function alone(side: "left" | "right", lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ side, text }));
}

/** Without the equal lines that are far from any difference. */
function folded(lines: readonly DiffLine[]): DiffLine[] {
  const near = new Set<number>();
  for (const [at, { side }] of lines.entries()) {
    if (side === "both") continue;
    for (let next = at - AROUND; next <= at + AROUND; next += 1) near.add(next);
  }
  const shown: DiffLine[] = [];
  let left = 0;
  for (const [at, line] of [...lines, null].entries()) {
    if (line !== null && !near.has(at)) {
      left += 1;
      continue;
    }
    if (left > 0) shown.push({ side: "gap", text: `${left} equal ${left === 1 ? "line" : "lines"}` });
    left = 0;
    if (line !== null) shown.push(line);
  }
  return shown;
}
