// npm run bench:dialects: what a delta costs a reader of another protocol: to parse its event, fold it and encode it. At
// most 6 µs each; the ratio is to parsing alone, which a slow machine slows as much. BENCH_SHOTS sets the deltas counted.
import { AnswerFold, type StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import type { Encoder } from "../../../src/core/dialects/encoder.ts";
import { ChatCompletionEncoder } from "../../../src/core/dialects/openai/chat.ts";
import { PROTOCOLS } from "../../core/dialects/readers.ts";
import { eventsOf } from "../../core/dialects/random-run.ts";
import { atMost, printTable, printVerdicts } from "../verdicts.ts";

const DELTAS = Number(process.env["BENCH_SHOTS"] ?? 20_000);
const ROUNDS = 9;
const MOST_US = 6;
/** Of one run: longer texts are rare. */
const DELTAS_OF_A_RUN = 2_000;
const PIECE = "word ";

const start = { at: 0, kind: "start", text: "", cut: 1 } as const;
const HEAD = eventsOf({ stages: 1, isJoined: false, joins: 0, steps: [start] })
  .slice(0, 2)
  .map((event) => JSON.stringify(event));
const LINES = Array.from({ length: DELTAS_OF_A_RUN }, (_, at) =>
  JSON.stringify({
    execution_id: "e",
    type: "stage.delta",
    stage: "s0",
    attempt: 1,
    status: "running",
    data: { partial_answer: PIECE, offset: at * PIECE.length },
  }),
);

/** Microseconds a delta. @param make what takes the events of one run */
function cost(make: () => (event: StreamEvent) => unknown): number {
  let took = 0;
  let counted = 0;
  while (counted < DELTAS) {
    const take = make();
    for (const line of HEAD) take(JSON.parse(line) as StreamEvent);
    const from = performance.now();
    for (const line of LINES) take(JSON.parse(line) as StreamEvent);
    took += performance.now() - from;
    counted += LINES.length;
  }
  return (took * 1_000) / counted;
}

function encode(encoder: Encoder): (event: StreamEvent) => unknown {
  return (event) => encoder.push(event);
}

const CANDIDATES: Record<string, () => (event: StreamEvent) => unknown> = {
  "parse alone": () => () => undefined,
  "parse and fold": () => {
    const fold = new AnswerFold();
    return (event) => fold.push(event);
  },
  ...Object.fromEntries(
    Object.entries(PROTOCOLS).map(([name, { encoder }]) => [name, () => encode(encoder())]),
  ),
  "chat completions": () =>
    encode(new ChatCompletionEncoder({ model: "p", includeUsage: true, reasoning: false })),
};

const best = new Map<string, number>();
// Interleaved; the least of them is what a delta costs where nothing else takes the processor.
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, make] of Object.entries(CANDIDATES)) {
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, cost(make)));
  }
}
const floor = best.get("parse alone") as number;
printTable(
  ["reader", "µs a delta", "× parsing"],
  [...best].map(([name, us]) => [name, us.toFixed(2), (us / floor).toFixed(1)]),
);
const verdicts = [...best].map(([name, us]) =>
  atMost(`${name}: at most ${MOST_US} µs`, us, MOST_US, 2, " µs"),
);
printVerdicts(verdicts);
if (verdicts.some(({ met }) => met === false)) process.exitCode = 1;
