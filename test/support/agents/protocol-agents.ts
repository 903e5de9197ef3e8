// The pipelines that the tests of other people's clients run, and their agents: a whole one with a stage of each kind, a
// slow one whose words a test lets go one by one, one that fails, one that begins wrong and is tried again, one with two
// answers, and one that asks a person.
import type { ServerResponse } from "node:http";
import type { Coordinator } from "../servers/coordinator.ts";
import { type AgentServer, answers, failsWith, inTurn, streams } from "./agent-server.ts";

export const CITATIONS = [
  {
    index: 1,
    document: "solar-power.md",
    title: "Solar power",
    heading: "Cost",
    reference: "Solar power, “Cost”",
  },
  { index: 2, document: "wind.md", title: "Wind", heading: "Wind", url: "https://example.org/wind" },
];
export const ANSWER = "Solar is cheap [1], wind too [2].";
export const USAGE = { input_tokens: 12, output_tokens: 7 };

const pieces = (...texts: string[]) => texts.map((text) => ["delta", { text }] as const);
const result = (answer: string, more: object = {}) => ["result", { data: { answer, ...more } }] as const;

/** The words of the slow agent: each call holds them back until the test lets them go. */
export class SlowWords {
  /** How many calls there have been. */
  calls = 0;
  private response: ServerResponse | null = null;
  private said = 0;

  /** Another call; the one before is not written to any more. */
  take(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    this.said = 0;
    this.response = response;
    this.calls += 1;
  }

  /** Says so many words more, of w0, w1, w2 …; returns the text so far. */
  say(count: number): string {
    for (let left = count; left > 0; left -= 1) {
      this.response?.write(`event: delta\ndata: ${JSON.stringify({ text: `w${this.said} ` })}\n\n`);
      this.said += 1;
    }
    return this.text;
  }

  get text(): string {
    return Array.from({ length: this.said }, (_, at) => `w${at} `).join("");
  }

  /** Ends with what was said. */
  end(): string {
    this.response?.end(`event: result\ndata: ${JSON.stringify({ data: { answer: this.text } })}\n\n`);
    this.response = null;
    return this.text;
  }
}

export interface ProtocolAgents {
  slow: SlowWords;
}

/** Registers the agents and writes the pipelines `full`, `slow`, `fail`, `flaky`, `both` and `asking`. */
export async function protocolAgents(
  agents: AgentServer,
  coordinator: Pick<Coordinator, "agent" | "pipeline">,
): Promise<ProtocolAgents> {
  const slow = new SlowWords();
  const behaviours = {
    plan: answers({ steps: 1 }),
    retrieve: streams([
      ["progress", { message: "searching", fraction: 0.5 }],
      ["result", { data: { found: 2 } }],
    ]),
    answer: streams([
      ...pieces("Solar ", "is ", "cheap [1], ", "wind ", "too [2]."),
      ["result", { data: { answer: ANSWER, citations: CITATIONS }, usage: USAGE }],
    ]),
    refuse: failsWith(400, { detail: "cannot do that" }),
    slow: (_call: unknown, response: ServerResponse) => slow.take(response),
    flaky: inTurn(
      streams(pieces("Wrong ", "start")),
      streams([...pieces("Right ", "answer"), result("Right answer", { citations: CITATIONS })]),
      streams(pieces("Wrong ", "start")),
      streams([...pieces("Right ", "answer"), result("Right answer", { citations: CITATIONS })]),
    ),
    left: streams([...pieces("Left"), result("Left")]),
    right: answers({ answer: "Right" }),
  };
  for (const [name, behaviour] of Object.entries(behaviours)) {
    agents.on(`/${name}`, behaviour);
    await coordinator.agent(`t_${name}`, agents.url(`/${name}`));
  }
  const stage = (name: string, agent = name, more: object = {}) => ({
    name,
    agent_type: `t_${agent}`,
    parallel: true,
    ...more,
  });
  await coordinator.pipeline("full", [
    stage("plan"),
    stage("retrieve"),
    stage("skipped", "plan", { when: "query == 'never'" }),
    stage("opt", "refuse", { required: false }),
    stage("answer", "answer", { depends_on: ["plan", "retrieve", "skipped", "opt"] }),
  ]);
  await coordinator.pipeline("slow", [stage("answer", "slow")]);
  await coordinator.pipeline("fail", [stage("answer", "refuse")]);
  await coordinator.pipeline("flaky", [stage("answer", "flaky")]);
  await coordinator.pipeline("both", [stage("left"), stage("right")]);
  const schema = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
  const wait = { prompt: "{'question': 'Publish this?'}", schema };
  await coordinator.pipeline("asking", [
    { name: "review", wait },
    stage("answer", "answer", { depends_on: ["review"], when: "results.review.approved" }),
  ]);
  return { slow };
}
