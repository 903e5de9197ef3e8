// Agents that speak: a text that comes in pieces, with everything in it that could break on the way, and the check
// that a reader has heard all of it.
import { expect } from "vitest";
import type { AgentServer, Behaviour } from "./agent-server.ts";
import type { Calls } from "../clients/calls.ts";
import { lifecycle, type Received, textOf } from "../clients/sse.ts";

/** A text of so many words: no two alike, some beyond ASCII, some with line breaks. */
export function speech(words: number, of = "w"): string[] {
  return Array.from(
    { length: words },
    (_, at) => `${of}${at}${at % 7 === 0 ? " 🌍\n\n" : at % 5 === 0 ? " é " : " "}`,
  );
}

/** Says the pieces one after another, `gapMs` apart, and then answers with the whole as `data.answer`. */
export function speaks(pieces: readonly string[], gapMs: number): Behaviour {
  return async (_call, response) => {
    const say = (event: string, data: unknown) =>
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const text of pieces) {
      if (response.destroyed) return;
      say("delta", { text });
      if (gapMs > 0) {
        await new Promise((resolve) => {
          setTimeout(resolve, gapMs);
        });
      }
    }
    say("result", { data: { answer: pieces.join("") } });
    response.end();
  };
}

/** Stages one behind the other, which are never cached: each by the agent of its name, or all by one. */
export function inRow(names: readonly string[], agent?: string) {
  return names.map((name, at) => ({
    name,
    agent_type: agent ?? name,
    cache: false,
    depends_on: names.slice(Math.max(0, at - 1), at),
  }));
}

export interface Spoken {
  /** What each stage says, in one piece. */
  whole: Record<string, string>;
  /** Has agents speak with `gapMs` between pieces, and makes the pipeline `spoken` of them, one behind the other. */
  setUp(agents: AgentServer, calls: Calls, gapMs: number): Promise<void>;
}

/** Speeches of so many words, one by each of these stages. */
export function spoken(stages: readonly string[], words: number): Spoken {
  const said = stages.map((stage) => [stage, speech(words, stage)] as const);
  return {
    whole: Object.fromEntries(said.map(([stage, pieces]) => [stage, pieces.join("")])),
    setUp: async (agents, calls, gapMs) => {
      for (const [stage, pieces] of said) {
        agents.on(`/${stage}`, speaks(pieces, gapMs));
        await calls.agent(stage, agents.url(`/${stage}`));
      }
      await calls.pipeline("spoken", inRow(stages));
    },
  };
}

/** Nothing lost, nothing doubled, the text whole: what one reader has heard of a run that completed. */
export function expectWhole(events: readonly Received[], texts: Record<string, string>): void {
  const numbered = lifecycle(events);
  expect(numbered.map((event) => event.id)).toEqual(numbered.map((_, at) => at + 1));
  expect(events.at(-1)?.event).toBe("execution.completed");
  expect(events.filter((event) => event.event === "execution.completed")).toHaveLength(1);
  for (const [stage, text] of Object.entries(texts)) {
    expect(textOf(events, stage)).toBe(text);
    const started = events.findIndex(
      (event) => event.event === "stage.started" && event.data.stage === stage,
    );
    const ended = events.findIndex(
      (event) => event.event === "stage.completed" && event.data.stage === stage,
    );
    const deltas = events.flatMap((event, at) =>
      event.event === "stage.delta" && event.data.stage === stage ? [at] : [],
    );
    expect(Math.min(...deltas)).toBeGreaterThan(started);
    expect(Math.max(...deltas)).toBeLessThan(ended);
  }
}
