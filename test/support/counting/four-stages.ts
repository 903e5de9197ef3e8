// The run by which costs are counted: a chain of four stages of 120, 80, 800 and 2,200 ms, with results of a realistic
// size; the last stage streams its answer. `quick` is the same without the time, to warm objects up with.
import { after, type AgentServer, answers, type Behaviour, streams } from "../agents/agent-server.ts";

const STAGES = ["rewrite", "decide", "retrieve", "answer"];
/** How long a run takes at least, in ms. */
export const FOUR_STAGES_MS = 3_200;

const WORDS = "word ".repeat(7).slice(0, 34);
const PIECES = 43;
const GAP_MS = 50;

/** Has the server play the agents. */
export function playFourStages(agents: AgentServer): void {
  for (const [prefix, scale] of [
    ["/", 1],
    ["/quick-", 0],
  ] as const) {
    for (const [name, ms, behaviour] of stagesOf(scale)) {
      agents.on(`${prefix}${name}`, ms === 0 ? behaviour : after(ms, behaviour));
    }
  }
}

function stagesOf(scale: number): [name: string, ms: number, behaviour: Behaviour][] {
  const usage = (input_tokens: number, output_tokens: number) => ({ usage: { input_tokens, output_tokens } });
  const short = usage(100, 20);
  const rewritten = { rewritten_query: "x".repeat(120), keywords: ["a", "b", "c"] };
  const decided = { needs_retrieval: true, confidence: 0.8, reason: "y".repeat(60) };
  const sources = Array.from({ length: 5 }, (_, at) => ({
    id: `doc${at}`,
    title: `t${at}`,
    score: 0.5,
    passage: "p".repeat(1_000),
  }));
  const deltas = Array.from({ length: PIECES }, () => ["delta", { text: WORDS }] as const);
  const data = { answer: WORDS.repeat(PIECES), citations: ["doc0", "doc1"] };
  return [
    ["rewrite", 120 * scale, answers(rewritten, short)],
    ["decide", 80 * scale, answers(decided, short)],
    ["retrieve", 800 * scale, answers({ sources }, short)],
    ["answer", 0, streams([...deltas, ["result", { data, ...usage(1_500, 350) }]], GAP_MS * scale)],
  ];
}

type Api = (method: string, path: string, body: unknown) => Promise<{ status: number }>;

/** Registers the agents and the pipelines `four` and `quick`. */
export async function defineFourStages(api: Api, agents: Pick<AgentServer, "url">): Promise<void> {
  const put = async (path: string, body: unknown) => {
    const { status } = await api("PUT", path, body);
    if (status >= 300) throw new Error(`PUT ${path}: ${status}`);
  };
  for (const [pipeline, prefix] of [
    ["four", ""],
    ["quick", "quick-"],
  ] as const) {
    for (const name of STAGES)
      await put(`/v1/agents/${prefix}${name}`, { url: agents.url(`/${prefix}${name}`) });
    const stages = STAGES.map((name, at) => ({
      name,
      agent_type: `${prefix}${name}`,
      depends_on: STAGES.slice(Math.max(0, at - 1), at),
    }));
    await put(`/v1/pipelines/${pipeline}`, { stages });
  }
}
