// The Grafana dashboard asks for nothing that the exposition does not give.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exposition } from "../../src/core/monitoring/metrics/exposition.ts";
import { familiesOf } from "../../src/core/monitoring/metrics/families.ts";
import { addReport, emptyTotals } from "../../src/core/monitoring/metrics/run-metrics.ts";

interface Dashboard {
  panels: { title: string; gridPos: Record<"x" | "y" | "w" | "h", number>; targets: { expr: string }[] }[];
}

const { panels } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../fixtures/grafana/dashboard.json"), "utf8"),
) as Dashboard;

const totals = emptyTotals();
addReport(totals, {
  pipeline: "p",
  status: "completed",
  duration_ms: 1,
  context_bytes: 0,
  stages: [{ stage: "s", status: "completed", duration_ms: 1, path_ms: 1, retries: 0, cached: false }],
});
const samples = exposition(familiesOf(new Map([["p", totals]]), 0), "prometheus")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

/** The labels of each series by its name. */
const series = new Map(
  samples.map((line) => [
    /^\w+/.exec(line)?.[0] ?? "",
    new Set(Array.from(line.matchAll(/(\w+)="/g), ([, name = ""]) => name)),
  ]),
);

test.each(panels.map((panel) => [panel.title, panel] as const))("%s", (_title, { targets }) => {
  expect(targets.length).toBeGreaterThan(0);
  for (const { expr } of targets) {
    const names = expr.match(/\bpipeline_\w+/g) ?? [];
    expect(names.length, expr).toBeGreaterThan(0);
    for (const name of names) expect([...series.keys()], expr).toContain(name);
    const labels = [
      ...Array.from(expr.matchAll(/(\w+)=~?"/g), ([, label = ""]) => label),
      ...Array.from(expr.matchAll(/by \(([^)]+)\)/g), ([, list = ""]) => list.split(", ")).flat(),
    ];
    for (const name of names) {
      for (const label of labels)
        expect([...(series.get(name) ?? [])], `${name} in ${expr}`).toContain(label);
    }
  }
});

test("no panel lies over another", () => {
  for (const { gridPos: a, title } of panels) {
    const over = panels.filter(
      ({ gridPos: b }) => a !== b && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
    );
    expect(
      over.map((panel) => panel.title),
      title,
    ).toEqual([]);
  }
});
