// What the outside does in a scenario: which stages ask and whose agents answer later, what people say and when, what
// agents call back with. Drawn from the scenario's chance.
import type { AgentStage, ResolvedStage, WaitStage } from "../../../../src/contract/stage.ts";
import type { CallEnding } from "../../../../src/core/execution/command.ts";
import type { OutsideAnswer } from "../../../../src/core/execution/state.ts";
import type { Random } from "../random.ts";

/** When something comes: so many ms after what it follows, at the very millisecond at which the wait ends, or just before. */
export type Moment = number | "expiry" | "before expiry";

/** What somebody says to a question. */
export interface Said {
  at: Moment;
  answer: OutsideAnswer;
  by: string;
  /** Whether it is bound to this question by a token, to another one, or to none. */
  bound: "this" | "other" | "none";
}

/** What an agent does after its 202, or before: moments count from the beginning of the call. */
export interface Later {
  callbacks: { at: Moment; outcome: CallEnding }[];
  heartbeats: number[];
}

const SCHEMA = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
const PROMPTS = [
  "{'question': query}",
  "{'much': query + query + query + query + query + query + query + query}",
  "{'odd': 1 / 0}",
  "context.seen",
];

/** The stage as one that asks. */
export function asking(
  random: Random,
  { name, required, parallel, depends_on, when }: AgentStage,
): WaitStage {
  const on_timeout = random.pick([
    "fail",
    "skip",
    { data: { approved: false } },
    { data: { approved: false, why: "x".repeat(900) } },
  ] as const);
  return {
    name,
    required,
    parallel,
    depends_on,
    config: {},
    ...(when === undefined ? {} : { when }),
    wait: {
      ...(random.odds(0.5) ? { prompt: random.odds(0.7) ? PROMPTS[0] : random.pick(PROMPTS) } : {}),
      ...(random.odds(0.6) ? { schema: SCHEMA } : {}),
      timeout_seconds: random.pick([1, 3, 60, 86_400, 2_592_000]),
      on_timeout,
    },
    ...(random.odds(0.3) ? { fallback: { strategy: "use_default", data: { sorry: true } } } : {}),
  };
}

/** The stage as one whose agent may answer later. */
export function answeringLater(random: Random, stage: AgentStage): AgentStage {
  const heartbeat_seconds = random.pick([undefined, undefined, 1, 2]);
  return {
    ...stage,
    callback_timeout_seconds: random.pick([1, 5, 60, 86_400]),
    ...(heartbeat_seconds === undefined ? {} : { heartbeat_seconds }),
  };
}

const MOMENTS: readonly Moment[] = [
  0,
  1,
  10,
  500,
  3_000,
  40_000,
  86_000_000,
  "expiry",
  "expiry",
  "before expiry",
];

/** What is said to a question that is asked. */
export function drawSaid(random: Random): Said[] {
  const said: Said[] = [];
  for (let left = random.pick([0, 1, 1, 1, 2, 3]); left > 0; left -= 1) {
    const last = said.at(-1);
    const again = last !== undefined && random.odds(0.5);
    said.push({
      at: random.pick(MOMENTS),
      answer: again ? last.answer : drawAnswer(random),
      by: `key:${random.int(1, 3)}`,
      bound: random.pick(["none", "none", "this", "this", "other"] as const),
    });
  }
  return said;
}

/** What is said without having been asked, by stage. */
export function drawUnasked(
  random: Random,
  stages: readonly ResolvedStage[],
): { after_ms: number; stage: string; answer: OutsideAnswer }[] {
  return stages.flatMap(({ name, wait }) => {
    if (!random.odds(wait === undefined ? 0.03 : 0.25)) return [];
    const after_ms = random.pick([0, 1, 50, 2_000, 20_000]);
    const first = { after_ms, stage: name, answer: drawAnswer(random) };
    if (!random.odds(0.4)) return [first];
    const answer = random.odds(0.5) ? first.answer : drawAnswer(random);
    return [first, { after_ms: after_ms + random.pick([0, 30, 5_000]), stage: name, answer }];
  });
}

function drawAnswer(random: Random): OutsideAnswer {
  const kind = random.int(1, 20);
  if (kind <= 3) return { ok: false, message: "not wanted" };
  if (kind <= 5) return { ok: true, data: { approved: "perhaps" } };
  if (kind === 6) return { ok: true, data: { approved: true, note: "ü".repeat(500) } };
  return { ok: true, data: { approved: random.odds(0.5), n: random.int(0, 3) } };
}

/** What an agent does that answers later; null where this one does not. */
export function drawLater(random: Random, outcome: () => CallEnding): Later | null {
  if (random.odds(0.25)) return null;
  const callbacks: Later["callbacks"] = [];
  for (let left = random.pick([0, 1, 1, 1, 1, 2, 3]); left > 0; left -= 1) {
    const last = callbacks.at(-1);
    callbacks.push({
      at: random.pick([0, 0, 5, 1_000, 3_000, 20_000, "expiry", "before expiry"] as const),
      outcome: last !== undefined && random.odds(0.5) ? last.outcome : outcome(),
    });
  }
  const beats = random.pick([0, 0, 3, 8]);
  const every_ms = random.pick([50, 300, 1_000, 5_000]);
  return { callbacks, heartbeats: Array.from({ length: beats }, (_, at) => (at + 1) * every_ms) };
}
