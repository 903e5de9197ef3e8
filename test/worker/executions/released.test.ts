// A run that has ended and was reported leaves its object's memory: later callers read the log and find it as it was,
// and no receiver gets its report twice. Short runs, and those that their alarm has joined.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { after, type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type Receiver, startReceiver } from "../../support/servers/receiver.ts";

/** Until every receiver has the report of an end, and the object has released the run. */
const LET_GO_MS = 1_000;
/** Until a trace would have gone out a second time. */
const TOLD_AGAIN_MS = 1_500;

let agents: AgentServer;
let collector: Receiver;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  collector = await startReceiver();
  agents.on("/short", answers({ said: "soon" }));
  agents.on("/long", after(1_200, answers({ said: "late" })));
  coordinator = await startCoordinator([agents], { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` });
  for (const name of ["short", "long"]) await coordinator.alone(name, agents.url(`/${name}`));
});

afterAll(() => closeAll(coordinator, agents, collector));

test.each(["short", "long"])(
  "a %s run is as it was, and reported once, also where it is deleted",
  async (pipeline) => {
    const id = `run-${pipeline}`;
    const path = `/v1/executions/${id}`;
    const stream = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "q", conversation_id: `c-${pipeline}`, pipeline, execution_id: id }),
    });
    const streamed = await stream.text();
    const before = (await coordinator.api("GET", path)).body;
    expect(before).toMatchObject({ status: "completed", final_result: { said: expect.any(String) } });
    await sleep(LET_GO_MS);
    expect((await coordinator.api("GET", path)).body).toEqual(before);
    expect(await (await coordinator.fetch(`${path}/events?after=0`)).text()).toBe(streamed);
    expect((await coordinator.api("POST", `${path}/pause`)).status).toBe(409);
    expect((await coordinator.fetch(path, { method: "DELETE" })).status).toBe(204);
    expect((await coordinator.api("GET", path)).status).toBe(404);
    await sleep(TOLD_AGAIN_MS);
    const trace = before.execution_metadata.traceparent.split("-")[1];
    const told = collector.on("/v1/traces").filter(({ text }) => text.includes(trace));
    expect(told).toHaveLength(1);
  },
);
