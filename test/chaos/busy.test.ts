// I18 while the whole server is killed again and again: questions of few conversations, under every value of on_busy that
// admits one at a time, by callers that ask again until they have an answer. The agent sees no two of a conversation at
// once, and each that was accepted comes to its end.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../support/clients/calls.ts";
import { closeAll } from "../support/close.ts";
import { eventually } from "../support/eventually.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";
import { seeded } from "../support/values/chance.ts";

const KILLS = 4;
const QUESTIONS = 36;
const CONVERSATIONS = 3;
const WORK_MS = 150;
const ASKING_MS = 6_000;
const ENDED = new Set(["completed", "cancelled", "failed"]);

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;
let calls: Calls;
/** Calls in flight, by conversation, and calls beside another one. */
const inFlight = new Map<string, number>();
const faults: string[] = [];

const boot = async () => {
  server = await startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, AGENT_COORDINATOR_CACHING: "false" },
  });
  calls = callsTo(server.url);
};
const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", (call, response) => {
    const { conversation_id, execution_id } = call.body;
    const before = inFlight.get(conversation_id) ?? 0;
    inFlight.set(conversation_id, before + 1);
    // The end of a call that was aborted may be seen a moment later than it was made.
    setTimeout(() => {
      if (!hasLeft && (inFlight.get(conversation_id) ?? 0) > 1)
        faults.push(`${execution_id} is called beside another of ${conversation_id}`);
    }, WORK_MS / 3);
    let hasLeft = false;
    const answer = setTimeout(() => {
      leave();
      response.end(JSON.stringify({ data: { answer: execution_id } }));
    }, WORK_MS);
    const leave = () => {
      if (!hasLeft) inFlight.set(conversation_id, (inFlight.get(conversation_id) ?? 0) - 1);
      hasLeft = true;
      clearTimeout(answer);
    };
    response.on("close", leave);
    response.writeHead(200, { "content-type": "application/json" });
  });
  state = await temporaryState();
  await boot();
  await calls.agent("one", agents.url("/one"));
  await calls.pipeline("p", [{ name: "only", agent_type: "one" }]);
});

afterAll(async () => {
  await server.kill();
  await closeAll(agents);
  await state.remove();
});

test("one at a time, through kills of the server", async () => {
  const chance = seeded(7);
  const accepted: string[] = [];
  const asking = Array.from({ length: QUESTIONS }, async (_, at) => {
    const execution_id = `busy-${at}`;
    const body = {
      execution_id,
      pipeline: "p",
      query: `question ${at}`,
      conversation_id: `c${at % CONVERSATIONS}`,
      on_busy: chance.pick(["queue", "queue", "queue", "interrupt", "reject"]),
    };
    await sleep(chance.below(ASKING_MS));
    for (;;) {
      const response = await calls.post(body, { prefer: "respond-async" }).catch(() => null);
      await response?.text().catch(() => null);
      // Without an answer, and where the server is not up again, the caller asks again.
      if (response === null || response.status >= 500) await sleep(100);
      else {
        if (response.status < 300) accepted.push(execution_id);
        expect([200, 202, 409]).toContain(response.status);
        return;
      }
    }
  });
  for (let kill = 0; kill < KILLS; kill += 1) {
    await sleep(ASKING_MS / (KILLS + 1));
    await server.kill();
    await boot();
  }
  await Promise.all(asking);
  expect(accepted.length).toBeGreaterThan(QUESTIONS / 3);
  await eventually(
    () => Promise.all(accepted.map((id) => calls.read(id))),
    (found) => found.every(({ status }) => ENDED.has(status)),
    45_000,
  );
  expect(faults).toEqual([]);
}, 90_000);
