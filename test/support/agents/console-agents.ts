// Agents for what the console shows: each stage of a run can be held until the test has looked, and then let go.
import type { ServerResponse } from "node:http";
import type { ConsoleStack } from "../servers/console.ts";
import { type AgentServer, answers, type Behaviour, failsWith } from "./agent-server.ts";

export interface Gate {
  /** Lets everybody through who waits, and who comes. */
  open(): void;
  /** Whoever comes from now on waits. */
  shut(): void;
  behind(behaviour: Behaviour): Behaviour;
}

export function gate(): Gate {
  let isOpen = false;
  let waiting: (() => void)[] = [];
  return {
    open: () => {
      isOpen = true;
      for (const go of waiting.splice(0)) go();
    },
    shut: () => {
      isOpen = false;
      waiting = [];
    },
    behind: (behaviour) => async (call, response, count) => {
      if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve));
      await behaviour(call, response, count);
    },
  };
}

export const ANSWER =
  "The breaker counts failures in a row [1]. At five it opens, and refuses calls for a minute [2].";

export const CITATIONS = [
  { index: 1, reference: "The circuit breaker, “When it opens”" },
  { index: 2, reference: "Retries, “Half open”", url: "https://example.com/retries" },
];

/** Says the first half of the answer, waits at the gate, says the rest, and ends with the citations. */
export function writes(gate: Gate): Behaviour {
  return async (call, response, count) => {
    const half = ANSWER.indexOf("At five");
    begin(response);
    event(response, "delta", { text: ANSWER.slice(0, half) });
    await gate.behind(() => {
      event(response, "delta", { text: ANSWER.slice(half) });
      event(response, "result", { data: { answer: ANSWER, citations: CITATIONS } });
      response.end();
    })(call, response, count);
  };
}

function begin(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
}

function event(response: ServerResponse, name: string, data: unknown): void {
  response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Registers agents under their names. */
export async function register(
  { client }: ConsoleStack,
  agents: AgentServer,
  behaviours: Record<string, Behaviour>,
): Promise<void> {
  for (const [name, behaviour] of Object.entries(behaviours)) {
    agents.on(`/${name}`, behaviour);
    await client.registerAgent(name, { url: agents.url(`/${name}`) });
  }
}

/** Fails once so that the next try is due after this many seconds, then answers. */
export function failsOnce(retry_after: number): Behaviour {
  const fails = failsWith(503, { detail: "busy" }, { "retry-after": String(retry_after) });
  return (call, response, count) => (count === 1 ? fails : answers({ found: 3 }))(call, response, count);
}
