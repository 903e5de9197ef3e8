// npm run bench:expressions: how long the hostile expressions of test/support/values hold the object: at most 50 ms each,
// also where none has been evaluated before. Each is evaluated in a process of its own, first with cold code and then
// warm; counted is the processor's time of that thread. The ratio is to a plain loop that spends as many steps in the
// same process, which a slow machine slows as much. BENCH_ROUNDS sets the processes for each, of which the least counts.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { checkField, Meter } from "../../../src/core/expressions/field.ts";
import { STAGE_NAMES } from "../../../src/core/pipeline/condition.ts";
import { evaluateInput, inputField } from "../../../src/core/pipeline/stage-input.ts";
import { GROWN_EXPRESSIONS, grownResults } from "../../support/values/grown-results.ts";
import { HOSTILE_DATA, HOSTILE_EXPRESSIONS } from "../../support/values/hostile-expressions.ts";
import { atMost, printTable, printVerdicts } from "../verdicts.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 2);
const MOST_MS = 50;
/** Evaluations of one process after the first. */
const WARM = 4;
const LISTED = 12;
const LOOP = "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]";
const PLAIN = `results.plain.items.all(x, ${LOOP}.all(y, y > 0.5))`;

const CASES = [
  ...HOSTILE_EXPRESSIONS.map(({ name, when }) => ({ name, text: when, results: () => HOSTILE_DATA })),
  ...GROWN_EXPRESSIONS.map(({ name, text }) => ({
    name: `${name}, of 16 MB`,
    text,
    results: () => grownResults(text),
  })),
];

/** In ms. */
interface Held {
  check: number;
  cold: number;
  warm: number;
  plain: number;
  steps: number;
}

/** @types/node of this version does not know it yet. */
const { threadCpuUsage } = process as unknown as { threadCpuUsage: () => NodeJS.CpuUsage };

function took(work: () => void): number {
  const before = threadCpuUsage();
  work();
  const after = threadCpuUsage();
  return (after.user - before.user + after.system - before.system) / 1_000;
}

function measure({ text, results }: (typeof CASES)[number]): Held {
  const field = inputField("hostile", text);
  const scope = { query: "q", results: results(), context: {} };
  let steps = 0;
  const evaluate = () => {
    const meter = new Meter();
    evaluateInput({ hostile: text }, scope, meter);
    steps = meter.spent;
  };
  // What the data has left behind is not the expression's.
  globalThis.gc?.();
  const check = took(() => void checkField(field, STAGE_NAMES));
  const cold = took(evaluate);
  const least = (work: () => void) => Math.min(...Array.from({ length: WARM }, () => took(work)));
  const warm = least(evaluate);
  const items = Array.from({ length: 100_000 }, () => 1);
  const plainScope = { query: "q", results: { plain: { items } }, context: {} };
  const plain = least(() => {
    evaluateInput({ plain: PLAIN }, plainScope, new Meter(steps));
  });
  return { check, cold, warm, plain, steps };
}

/** The least of a few processes: others share the machine. */
function held(at: number): Held {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const args = ["--expose-gc", "--no-warnings", fileURLToPath(import.meta.url), String(at)];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Held;
  });
  const least = (of: keyof Held) => Math.min(...rounds.map((round) => round[of]));
  return {
    check: least("check"),
    cold: least("cold"),
    warm: least("warm"),
    plain: least("plain"),
    steps: least("steps"),
  };
}

function main(): void {
  const all = CASES.map(({ name }, at) => ({ name, ...held(at) }));
  const longest = all.toSorted((a, b) => b.cold - a.cold);
  console.log(`\n${all.length} expressions; those that hold the longest\n`);
  printTable(
    ["expression", "check ms", "cold ms", "warm ms", "steps", "× a plain loop"],
    longest
      .slice(0, LISTED)
      .map(({ name, check, cold, warm, plain, steps }) => [
        name,
        check.toFixed(1),
        cold.toFixed(1),
        warm.toFixed(1),
        String(steps),
        (warm / plain).toFixed(1),
      ]),
  );
  const most = (of: keyof Held) => Math.max(...all.map((each) => each[of]));
  const verdicts = [
    atMost(`evaluated for the first time: at most ${MOST_MS} ms`, most("cold"), MOST_MS, 1, " ms"),
    atMost(`evaluated again: at most ${MOST_MS} ms`, most("warm"), MOST_MS, 1, " ms"),
    atMost(`checked: at most ${MOST_MS} ms`, most("check"), MOST_MS, 1, " ms"),
  ];
  printVerdicts(verdicts);
  if (verdicts.some(({ met }) => met === false)) process.exitCode = 1;
}

const one = process.argv[2];
if (one === undefined) main();
else console.log(JSON.stringify(measure(CASES[Number(one)] as (typeof CASES)[number])));
