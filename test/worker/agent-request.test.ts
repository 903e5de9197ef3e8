// The request that an agent of the native protocol receives, byte for byte as it is on the wire: agents, and proxies
// before them, were written against it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeAll } from "../support/close.ts";
import { type Coordinator, startCoordinator } from "../support/servers/coordinator.ts";
import { type RawAgents, responds, startRawAgents } from "../support/agents/raw-agent.ts";

let agents: RawAgents;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startRawAgents();
  coordinator = await startCoordinator([agents], { AGENT_SECRET_LOCAL__KEY: "Bearer abc" });
});

afterAll(() => closeAll(coordinator, agents));

const BODY =
  '{"execution_id":"e1","conversation_id":"c1","stage":"only","agent_type":"one","attempt":1,' +
  '"query":"a question","config":{"depth":2},"inputs":{},"context":{},"history":[],"timeout_ms":5000}';

test("the whole request", async () => {
  agents.on("/one?v=1", responds("200 OK", { "content-type": "application/json" }, '{"data":{}}'));
  const registered = await coordinator.api("PUT", "/v1/agents/one", {
    url: agents.url("/one?v=1"),
    headers: { authorization: "secret:KEY", "X-Team": "secret:KEY" },
  });
  expect(registered.status).toBe(201);
  const stage = { name: "only", agent_type: "one", config: { depth: 2 }, timeout_seconds: 5 };
  await coordinator.pipeline("one", [stage]);
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const { body } = await coordinator.run(
    { pipeline: "one", execution_id: "e1" },
    { traceparent: `00-${trace}-b7ad6b7169203331-01` },
  );
  expect(body.status).toBe("completed");
  const sent = agents.request("/one?v=1").replace(/(traceparent: 00-\w{32}-)\w{16}/, "$1SPAN");
  // The order of the headers is the platform's.
  const head = [
    "POST /one?v=1 HTTP/1.1",
    `Content-Length: ${BODY.length}`,
    `Host: ${agents.host}`,
    "Content-Type: application/json",
    "Accept-Encoding: gzip, x-gzip, deflate, br",
    "Accept: text/event-stream, application/json;q=0.9",
    "Authorization: Bearer abc",
    "X-Team: Bearer abc",
    "coordinator-attempt: 1",
    "coordinator-execution-id: e1",
    "coordinator-stage: only",
    "coordinator-timeout-ms: 5000",
    'idempotency-key: "e1.only"',
    `traceparent: 00-${trace}-SPAN-01`,
  ];
  expect(sent).toBe(`${head.join("\r\n")}\r\n\r\n${BODY}`);
});
