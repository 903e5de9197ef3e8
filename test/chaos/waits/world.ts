// Runs that wait, and those who answer them, as the kill loop of waits needs them: an agent that answers later with signs
// of life and repeats, two people at each question, callers who cancel. Each sends again until there is a response, and
// what was acknowledged is kept. Owns the pipeline and what is sent; who is right is for verdict.ts.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AgentServer,
  type Behaviour,
  type SeenCall,
  after,
  answers,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import type { Received } from "../../support/clients/sse.ts";
import { eventually } from "../../support/eventually.ts";
import type { Chance } from "../../support/values/chance.ts";

export interface Sent {
  /** `job` by its agent, `ask` and `sign` by people. */
  stage: string;
  /** Which call of the agent, or which person. */
  by: number;
  status: number;
}

export interface WaitingRun {
  execution_id: string;
  /** Those that are ignored have no answer, and are in the inbox until they are cancelled. */
  fate: "answered" | "cancelled" | "ignored";
  sent: Sent[];
  /** What its cancellation was answered; null where nobody cancelled. */
  cancelled: number | null;
  /** How often its agent had been called when its 202 was read to be committed. */
  committed: number | null;
  /** The whole log, once the run has ended. */
  events: Received[];
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  final: any;
}

/** What a kill can be aimed at: that a 202 went out, that an answer or a callback was acknowledged. */
export const AIMS = ["202", "answer", "callback"] as const;
export type Aim = (typeof AIMS)[number];

export interface WaitingWorld {
  agents: AgentServer;
  runs: Map<string, WaitingRun>;
  /** Responses that are none of those that the contract has for what was sent. */
  strange: string[];
  /** Requests without a response: each was sent again. */
  interrupted: number;
  /** Those of them that were a server's that is starting, by their status. */
  refused: Record<number, number>;
  heartbeats: number;
  repeats: number;
  /** Called at the very moment. */
  onMoment: (aim: Aim) => void;
  /** Where the server is now. */
  at(url: string): void;
  calls(): Calls;
  define(): Promise<void>;
  /** Starts a run, has it answered or cancelled, and resolves when all who send have a response. */
  live(execution_id: string, fate: WaitingRun["fate"]): Promise<void>;
  /** Resolves when every callback has been acknowledged or refused. */
  settled(): Promise<void>;
  cancel(run: WaitingRun): Promise<void>;
  callsOf(execution_id: string, stage: string): { at: number }[];
}

/** How long an agent works and a person thinks at the most, ms. */
const WORK_MS = 900;
const PEOPLE = [1, 2];
/** The person who has a link instead of a key. */
export const LINKED = 2;
const JSON_TYPE = { "content-type": "application/json" };

const STAGES = [
  {
    name: "job",
    agent_type: "later",
    callback_timeout_seconds: 600,
    heartbeat_seconds: 60,
    parallel: true,
  },
  { name: "ask", wait: { schema: { required: ["by"] }, timeout_seconds: 600 }, parallel: true },
  // In flight at kills, so that there is something to recover while the others wait.
  { name: "beside", agent_type: "beside", parallel: true },
  // Many answers to it come before its question.
  { name: "sign", wait: { timeout_seconds: 600 }, depends_on: ["job", "ask", "beside"] },
  { name: "publish", agent_type: "publish", depends_on: ["sign"] },
];

export async function startWaitingWorld(chance: Chance): Promise<WaitingWorld> {
  const agents = await startAgentServer();
  let calls = callsTo("http://127.0.0.1:1");
  let working = 0;
  /** By run and stage. The server's own list is kept empty: looking through it holds up what comes in. */
  const called = new Map<string, { at: number }[]>();
  const keep = ({ body, at }: SeenCall) => {
    agents.calls.length = 0;
    const key = `${body.execution_id} ${body.stage}`;
    const calls = called.get(key);
    if (calls === undefined) called.set(key, [{ at }]);
    else calls.push({ at });
  };
  const world: WaitingWorld = {
    agents,
    runs: new Map(),
    strange: [],
    interrupted: 0,
    refused: {},
    heartbeats: 0,
    repeats: 0,
    onMoment: () => {},
    at: (url) => {
      calls = callsTo(url);
    },
    calls: () => calls,
    define: async () => {
      await calls.agent("later", agents.url("/later"));
      await calls.agent("beside", agents.url("/beside"));
      await calls.agent("publish", agents.url("/publish"));
      await calls.pipeline("waits", STAGES);
    },
    live: async (execution_id, fate) => {
      const run: WaitingRun = {
        execution_id,
        fate,
        sent: [],
        cancelled: null,
        committed: null,
        events: [],
        final: null,
      };
      world.runs.set(execution_id, run);
      const body = { execution_id, pipeline: "waits" };
      await persist([200, 202], () => calls.post(body, { prefer: "respond-async" }));
      if (fate === "ignored") return;
      const people = PEOPLE.flatMap((by) => [person(run, "ask", by), person(run, "sign", by)]);
      const caller = async () => {
        await sleep(chance.below(2 * WORK_MS));
        await world.cancel(run);
      };
      await Promise.all(fate === "cancelled" ? [...people, caller()] : people);
    },
    settled: async () => {
      await eventually(
        async () => working,
        (left) => left === 0,
        60_000,
      );
    },
    cancel: async (run) => {
      const path = `/v1/executions/${run.execution_id}/cancel`;
      run.cancelled = (await persist([200, 409], () => calls.send("POST", path, {}))).status;
    },
    callsOf: (execution_id, stage) => called.get(`${execution_id} ${stage}`) ?? [],
  };

  /** Sends until there is a response that is not of a server that is down or starting. */
  async function persist(
    expected: readonly number[],
    send: () => Promise<Response>,
  ): Promise<{ status: number; text: string }> {
    for (;;) {
      const response = await send().catch(() => null);
      const text = await response?.text().catch(() => null);
      if (response !== null && typeof text === "string" && response.status < 500) {
        if (!expected.includes(response.status)) world.strange.push(`${response.status} ${text}`);
        return { status: response.status, text };
      }
      if (response !== null && typeof text === "string") {
        world.refused[response.status] = (world.refused[response.status] ?? 0) + 1;
        if (response.status !== 503) world.strange.push(`${response.status} ${text}`);
      }
      world.interrupted += 1;
      await sleep(50);
    }
  }

  /** Reads the run, then answers one of its questions, be it asked or not. */
  async function person(run: WaitingRun, stage: string, by: number): Promise<void> {
    await sleep(chance.below(WORK_MS));
    const path = `/v1/executions/${run.execution_id}`;
    const { job } = JSON.parse((await persist([200], () => calls.fetch(path))).text).stage_results;
    if (job.status === "waiting") run.committed ??= world.callsOf(run.execution_id, "job").length;
    let target = `${path}/stages/${stage}/complete`;
    if (by === LINKED && stage === "ask") {
      const made = await persist([200, 409], () => calls.send("POST", `${path}/stages/ask/token`, {}));
      if (made.status === 409) return;
      target = new URL(JSON.parse(made.text).respond_url).pathname;
    }
    const { status } = await persist([200, 202, 409], () => calls.send("POST", target, { data: { by } }));
    if (status !== 409) world.onMoment("answer");
    run.sent.push({ stage, by, status });
  }

  const kept =
    (behaviour: Behaviour): Behaviour =>
    (call, response, count) => {
      keep(call);
      return behaviour(call, response, count);
    };
  agents.on("/beside", kept(after(WORK_MS / 2, answers({ beside: true }))));
  agents.on("/publish", kept(answers({ published: true })));
  let laterCalls = 0;
  agents.on("/later", async (call, response) => {
    const { body, headers } = call;
    keep(call);
    laterCalls += 1;
    const by = laterCalls;
    response.writeHead(202).end(() => world.onMoment("202"));
    working += 1;
    const path = new URL(String(headers["coordinator-callback"])).pathname;
    const send = (expected: readonly number[], sent: object) =>
      persist(expected, () =>
        calls.fetch(path, { method: "POST", body: JSON.stringify(sent), headers: JSON_TYPE }),
      );
    const [work_ms, isAlive, isRepeated] = [chance.below(WORK_MS), chance.below(2), chance.below(2)];
    await sleep(work_ms / 2);
    // A run that is over, or a call beside this one that was answered, leaves nothing to keep alive.
    if (isAlive === 1 && (await send([200, 409], { heartbeat: true })).status === 200) world.heartbeats += 1;
    await sleep(work_ms / 2);
    const { status } = await send([200, 409], { data: { by } });
    if (status === 200) world.onMoment("callback");
    world.runs.get(body.execution_id)?.sent.push({ stage: "job", by, status });
    if (status === 200 && isRepeated === 1) {
      await send([200], { data: { by } });
      await send([409], { data: { by: "another" } });
      world.repeats += 1;
    }
    working -= 1;
  });
  return world;
}
