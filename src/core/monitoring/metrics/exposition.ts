// Metric families as text: Prometheus 0.0.4 and OpenMetrics 1.0.0, which differ in a counter's name, in units and in
// the last line.
import type { Family, Labels } from "./families.ts";
import type { Tally } from "./tally.ts";

export type TextFormat = "prometheus" | "openmetrics";

export function exposition(families: readonly Family[], format: TextFormat): string {
  const lines = families.flatMap((family) => [...header(family, format), ...samples(family)]);
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

function header(family: Family, format: TextFormat): string[] {
  const open = format === "openmetrics";
  const name = family.type === "counter" && !open ? `${family.name}_total` : family.name;
  const unit = open && family.type === "histogram" ? [`# UNIT ${name} ${family.unit}`] : [];
  return [`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`, ...unit];
}

function samples(family: Family): string[] {
  if (family.type === "histogram") {
    return family.points.flatMap(({ labels, tally }) => histogram(family, labels, tally));
  }
  const name = family.type === "counter" ? `${family.name}_total` : family.name;
  return family.points.map(({ labels, value }) => sample(name, labels, value));
}

/** Buckets count everything up to their bound; the last one, without a bound, counts all. */
function histogram(
  { name, bounds }: Extract<Family, { type: "histogram" }>,
  labels: Labels,
  tally: Tally,
): string[] {
  let below = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, at) => {
    below += tally.buckets.get(at) ?? 0;
    return sample(`${name}_bucket`, [...labels, ["le", boundText(bound)]], below);
  });
  return [
    ...buckets,
    sample(`${name}_sum`, labels, tally.sum_ms / 1_000),
    sample(`${name}_count`, labels, tally.count),
  ];
}

/** OpenMetrics wants a bound written as a float, in one way only; Prometheus takes that as well. */
function boundText(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return "+Inf";
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function sample(name: string, labels: Labels, value: number): string {
  const shown = labels.map(([label, text]) => `${label}="${escaped(text)}"`).join(",");
  return `${name}${shown === "" ? "" : `{${shown}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
