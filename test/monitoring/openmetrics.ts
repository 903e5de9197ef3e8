// A strict reader of OpenMetrics 1.0.0, written from the specification's grammar and its rules, since no package of
// the registry validates it: every line must be one of the grammar, metadata before samples and once, families
// unbroken, suffixes as the type has them, buckets cumulative with +Inf equal to the count, the last line `# EOF`.

export interface OpenMetricsFamily {
  type: string;
  unit: string | null;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const NUMBER = "[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?|NaN|[+-]?Inf";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?\\})? (${NUMBER})$`);
const META = new RegExp(`^# (TYPE|UNIT|HELP) (${NAME}) (.*)$`);
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count", "_created"],
};

/** The families by name. @throws at the first line that breaks a rule */
export function parseOpenMetrics(text: string): Map<string, OpenMetricsFamily> {
  if (!text.endsWith("# EOF\n")) throw new Error("does not end with # EOF");
  const lines = text.split("\n").slice(0, -2);
  const families = new Map<string, OpenMetricsFamily>();
  let current = "";
  const told = new Set<string>();
  const seen = new Set<string>();
  for (const line of lines) {
    const meta = META.exec(line);
    if (meta !== null) {
      const [, kind = "", name = "", rest = ""] = meta;
      if (told.has(`${kind} ${name}`)) throw new Error(`${kind} twice: ${line}`);
      told.add(`${kind} ${name}`);
      if (name !== current) {
        if (families.has(name)) throw new Error(`a family in two pieces: ${line}`);
        families.set(name, { type: "unknown", unit: null, samples: [] });
        current = name;
      }
      const family = families.get(name) as OpenMetricsFamily;
      if (family.samples.length > 0) throw new Error(`metadata behind samples: ${line}`);
      if (kind === "TYPE") family.type = rest;
      if (kind === "UNIT") family.unit = rest;
      if (family.unit !== null && !name.endsWith(`_${family.unit}`)) throw new Error(`not its unit: ${line}`);
      continue;
    }
    const sample = SAMPLE.exec(line);
    if (sample === null) throw new Error(`no line of the grammar: ${JSON.stringify(line)}`);
    const [, name = "", labelText = "", number = ""] = sample;
    const family = families.get(current);
    const suffix = name.slice(current.length);
    if (
      family === undefined ||
      !name.startsWith(current) ||
      SUFFIXES[family.type]?.includes(suffix) !== true
    ) {
      throw new Error(`no sample of the family ${current}: ${line}`);
    }
    const key = `${name}{${labelText}}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    const value = number.endsWith("Inf") ? Number(number.replace("Inf", "Infinity")) : Number(number);
    if (family.type === "counter" && !(value >= 0)) throw new Error(`no counter's value: ${line}`);
    family.samples.push({ name, labels: labelsOf(labelText), value });
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family);
  return families;
}

function labelsOf(text: string): Record<string, string> {
  const pairs = Array.from(
    text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g),
    ([, name = "", value = ""]) => [
      name,
      value.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char)),
    ],
  );
  if (new Set(pairs.map(([name]) => name)).size !== pairs.length) throw new Error(`a label twice: ${text}`);
  return Object.fromEntries(pairs);
}

function checkHistogram(name: string, { samples }: OpenMetricsFamily): void {
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify({ ...labels, le: null }));
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = "" } }) => {
      // A bound is written as a float, in its one canonical way.
      if (le !== "+Inf" && !/^\d+\.\d+$/.test(le)) throw new Error(`${name}: no canonical bound: ${le}`);
      return le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
    });
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`${name}${labels}: no +Inf bucket at the end`);
    for (let at = 1; at < buckets.length; at += 1) {
      if ((bounds[at] ?? 0) <= (bounds[at - 1] ?? 0))
        throw new Error(`${name}${labels}: bounds out of order`);
      if ((buckets[at]?.value ?? 0) < (buckets[at - 1]?.value ?? 0)) {
        throw new Error(`${name}${labels}: buckets that fall`);
      }
    }
    const count = group.filter((sample) => sample.name === `${name}_count`);
    const sum = group.filter((sample) => sample.name === `${name}_sum`);
    if (count.length !== 1 || sum.length !== 1) throw new Error(`${name}${labels}: one _count and one _sum`);
    if (count[0]?.value !== buckets.at(-1)?.value) throw new Error(`${name}${labels}: +Inf is not the count`);
  }
}
