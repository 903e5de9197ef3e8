// Integers beyond 2^53 in real runs: from agents and callers to callers and agents, with the digits that were sent,
// also after the server has died and what it stored is read again.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo, type Calls } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

const ID = "1234567890123456789";
const SENT = `{"id":${ID},"deep":[{"n":-123456789012345678901234567890}],"text":"${ID}","f":0.1,"e":1E2}`;
/** Decimals are doubles, which are written in their shortest form. */
const DATA = SENT.replace("1E2", "100");

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;
let calls: Calls;

async function start(): Promise<void> {
  server = await startWorkerd({ state: state.path, vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host } });
  calls = callsTo(server.url);
}

beforeAll(async () => {
  agents = await startAgentServer();
  state = await temporaryState();
  await start();
  const answers: Record<string, [type: string, body: string]> = {
    plain: ["application/json", `{"data":${SENT},"context":{"from":${ID}},"usage":{"own":${ID}}}`],
    streamed: ["text/event-stream", `event: result\ndata: {"data":${SENT}}\n\n`],
    next: ["application/json", `{"data":{"answer":"a","ids":[${ID}]},"usage":{"own":1}}`],
  };
  for (const [name, [type, body]] of Object.entries(answers)) {
    agents.on(`/${name}`, (_call, response) => {
      response.writeHead(200, { "content-type": type }).end(body);
    });
    await calls.agent(name, agents.url(`/${name}`));
  }
  await calls.pipeline("ids", [
    { name: "plain", agent_type: "plain" },
    { name: "streamed", agent_type: "streamed" },
    {
      name: "next",
      agent_type: "next",
      depends_on: ["plain", "streamed"],
      when: `results.plain.id == ${ID}`,
    },
  ]);
  await calls.pipeline("one", [{ name: "next", agent_type: "next" }]);
});

afterAll(async () => {
  await server?.kill();
  await agents?.close();
  await state?.remove();
});

/** POSTs a text as it is. */
async function post(path: string, body: string, headers: Record<string, string> = {}) {
  const response = await calls.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, text: await response.text() };
}

async function get(path: string): Promise<string> {
  return (await calls.fetch(path)).text();
}

/** A request's text. @param more further members, as they are sent */
function request(pipeline: string, conversation_id: string, more: string): string {
  return `{"query":"which ids","conversation_id":"${conversation_id}","pipeline":"${pipeline}",${more}}`;
}

const lastCall = (path: string) => agents.callsOf(path).at(-1)?.text ?? "";

describe("digits stay as they were sent", () => {
  test("to the caller, in every view, to the next stage, and after a crash", async () => {
    const { status, text } = await post(
      "/v1/executions",
      request(
        "ids",
        "views",
        `"execution_id":"views","context":{"mine":${ID}},"pipeline_config":{"next":{"config":{"shop":${ID}}}}`,
      ),
    );
    expect(status).toBe(200);
    expect(text).toContain(`"context_data":{"mine":${ID},"from":${ID}}`);
    expect(text).toContain('"usage":{"own":1234567890123456790}');
    expect(text).toContain(`"final_result":{"answer":"a","ids":[${ID}]}`);
    expect(text.split(`"data":${DATA}`)).toHaveLength(3);
    expect(lastCall("/next")).toContain(`"config":{"shop":${ID}}`);
    expect(lastCall("/next")).toContain(`"inputs":{"plain":${DATA},"streamed":${DATA}}`);
    expect(lastCall("/next")).toContain(`"context":{"mine":${ID},"from":${ID}}`);

    const path = "/v1/executions/views";
    const views = [path, `${path}/events`, `${path}/trace`];
    const seen = await Promise.all(views.map(get));
    for (const view of seen) expect(view).toContain(`"data":${DATA}`);
    expect(seen[0]).toBe(text);
    await server.kill();
    await start();
    expect(await Promise.all(views.map(get))).toEqual(seen);
  });

  test("to a stream's reader", async () => {
    const { text } = await post("/v1/executions", request("ids", "streams", `"context":{"mine":${ID}}`), {
      accept: "text/event-stream",
    });
    expect(text).toContain(`"data":${DATA}`);
    expect(text).toContain(`"context_data":{"mine":${ID},"from":${ID}}`);
    expect(lastCall("/next")).toContain(`"context":{"mine":${ID},"from":${ID}}`);
  });

  test("where the caller's leaving cancels the run", async () => {
    const { text } = await post(
      "/v1/executions",
      request("ids", "leaves", `"on_disconnect":"cancel","context":{"mine":${ID}}`),
    );
    expect(text).toContain(`"context_data":{"mine":${ID},"from":${ID}}`);
  });

  test("out of the result cache", async () => {
    // Conversations without turns: an agent is called with the same inputs in each.
    const ask = async (conversation_id: string, id: string) => {
      const before = agents.calls.length;
      const { text } = await post(
        "/v1/executions",
        request("ids", conversation_id, `"context":{"other":${id}}`),
      );
      return { text, calls: agents.calls.length - before };
    };
    await ask("cached0", ID);
    let asked = 0;
    const { text } = await eventually(
      () => ask(`cached${(asked += 1)}`, ID),
      (answer) => answer.calls === 0,
    );
    expect(text.split(`"data":${DATA}`)).toHaveLength(3);
    // Another last digit is another question.
    expect((await ask("other", ID.replace(/9$/, "8"))).calls).toBe(3);
  });

  test("in a conversation's turns, also after a crash", async () => {
    const ask = async () => {
      await post("/v1/executions", request("one", "turns", '"cache":"bypass"'));
      return lastCall("/next");
    };
    const turn = `"history":[{"query":"which ids","answer":{"answer":"a","ids":[${ID}]}}`;
    await ask();
    await eventually(ask, (call) => call.includes(turn));
    await server.kill();
    await start();
    expect(await ask()).toContain(turn);
  });

  test("of one stage on its own", async () => {
    const { status, text } = await post(
      "/v1/stages/execute",
      `{"stage":{"name":"next","agent_type":"next","depends_on":["a"],"config":{"shop":${ID}}},"query":"q","inputs":{"a":{"id":${ID}}},"context":{"c":${ID}}}`,
    );
    expect(status).toBe(200);
    expect(text).toContain(`"data":{"answer":"a","ids":[${ID}]}`);
    expect(lastCall("/next")).toContain(
      `"config":{"shop":${ID}},"inputs":{"a":{"id":${ID}}},"context":{"c":${ID}}`,
    );
  });
});

test("a definition holds none, and says where", async () => {
  const stage = `{"name":"next","agent_type":"next","config":{"ids":[1,${ID}]}}`;
  const put = await calls.fetch("/v1/pipelines/refused", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: `{"stages":[${stage}]}`,
  });
  const fault = (pointer: string) => ({
    code: "INVALID_REQUEST",
    errors: [{ pointer, detail: expect.stringContaining("is an integer beyond 2^53") }],
  });
  expect([put.status, await put.json()]).toEqual([
    400,
    expect.objectContaining(fault("/stages/0/config/ids/1")),
  ]);
  const added = await post("/v1/pipelines/one/stages", stage);
  expect([added.status, JSON.parse(added.text)]).toEqual([
    400,
    expect.objectContaining(fault("/config/ids/1")),
  ]);
  const judged = await post("/v1/pipelines/validate", `{"stages":[${stage}]}`);
  expect([judged.status, JSON.parse(judged.text)]).toEqual([
    400,
    expect.objectContaining(fault("/stages/0/config/ids/1")),
  ]);
});
