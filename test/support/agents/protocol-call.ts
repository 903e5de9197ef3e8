// One call of an agent of another protocol, through the real adapter, over the real network; or through other `Agents`.
import { HttpAgents } from "../../../src/adapters/agents/agents.ts";
import type { AgentCall, AgentProgress, RegisteredAgent } from "../../../src/contract/agent.ts";
import type { Usage } from "../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { classify } from "../../../src/core/resilience/classify.ts";
import type { AgentRequest, Agents } from "../../../src/engine/ports.ts";

type Reader = { read(into: Uint8Array, options: { min: number }): Promise<unknown> };

// A method of workerd's alone, in the words of the standard that Node has.
Object.assign(ReadableStreamBYOBReader.prototype, {
  readAtLeast(this: Reader, min: number, into: Uint8Array) {
    return this.read(into, { min });
  },
});

export const CALL: AgentCall = {
  execution_id: "e1",
  conversation_id: "c1",
  stage: "say",
  agent_type: "other",
  attempt: 1,
  query: "Why is the sky blue?",
  config: {},
  inputs: {},
  context: {},
  history: [],
  timeout_ms: 10_000,
};

export interface Called {
  outcome: CallOutcome;
  /** What a reader has of it: each delta cut and appended. */
  text: string;
  deltas: string[];
  progress: string[];
  /** What it had used so far, each time that its agent said so. */
  used: Usage[];
}

/** @param registration of which the host is allowed */
export function callAgent(
  registration: RegisteredAgent & { url: string },
  call: Partial<AgentCall> = {},
  more: Partial<AgentRequest> = {},
  signal?: AbortSignal,
): Promise<Called> {
  const agents = new HttpAgents({
    fetch,
    binding: () => null,
    secret: (name) => (name === "AGENT_SECRET_LOCAL__MODEL" ? "Bearer sk-1" : null),
    allowedHosts: new Set([new URL(registration.url).host]),
  });
  return callThrough(agents, { registration, call: { ...CALL, ...call }, ...more }, signal);
}

/** The same through any agents. */
export async function callThrough(
  agents: Agents,
  request: Partial<AgentRequest> & Pick<AgentRequest, "registration">,
  signal: AbortSignal = new AbortController().signal,
): Promise<Called> {
  const called: Called = { outcome: undefined as never, text: "", deltas: [], progress: [], used: [] };
  called.outcome = await agents.call(
    {
      tenant: "local",
      call: CALL,
      idempotency_key: "e1.say",
      traceparent: null,
      callback_url: null,
      ...request,
    },
    {
      signal,
      delta: (text, offset) => {
        called.text = called.text.slice(0, offset ?? called.text.length) + text;
        called.deltas.push(offset === undefined ? text : `${text}@${offset}`);
      },
      progress: ({ message }: AgentProgress) => void called.progress.push(message),
      usage: (usage) => void called.used.push(usage),
      alive: () => {},
      hears_silence: false,
    },
  );
  return called;
}

/** The data of a good answer. */
export function dataOf({ outcome }: Called): Record<string, unknown> {
  if (outcome.ok !== true) throw new Error(JSON.stringify(outcome));
  return outcome.answer.data;
}

/** The error of a failed call, as its stage shows it, and whether it is tried again. */
export function errorOf({ outcome }: Called) {
  if (outcome.ok !== false) throw new Error(JSON.stringify(outcome));
  const { error, retry } = classify(outcome.failure);
  return { ...error, retry };
}
