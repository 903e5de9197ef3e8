// What a section is given, and what it gives back: each target with what was measured, and the tables' text.

export interface Bench {
  /** How often each measurement is made, interleaved with the others. */
  rounds: number;
  /** Runs of one measurement; sections whose runs are slow take a share of it. */
  shots: number;
  /** Each Worker as one minified module. */
  scripts: { floor: string; agents: string; coordinator: string };
}

export interface Verdict {
  target: string;
  measured: string;
  /** Null where it could not be measured here. */
  met: boolean | null;
}

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  console.log(lines.join("\n"));
}

export function printVerdicts(verdicts: readonly Verdict[]): void {
  console.log("\n## Targets\n");
  const word = (met: boolean | null) => (met === null ? "not measured" : met ? "yes" : "no");
  printTable(
    ["target", "measured", "met"],
    verdicts.map(({ target, measured, met }) => [target, measured, word(met)]),
  );
}

export function atMost(target: string, value: number, most: number, digits = 2, unit = ""): Verdict {
  return { target, measured: `${value.toFixed(digits)}${unit}`, met: value <= most };
}

export function atLeast(target: string, value: number, least: number): Verdict {
  return { target, measured: value.toFixed(2), met: value >= least };
}
