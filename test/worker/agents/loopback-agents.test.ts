// Agents on the coordinator's own machine: a coordinator without keys and without a list of hosts calls them, where the
// registration came to a loopback name; with keys, or with a list, nothing of that holds.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { KEYED, KEYS } from "../../support/clients/keys.ts";
import { rawRequest } from "../../support/clients/raw-request.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/echo", answers({ answer: "here" }));
  coordinator = await startCoordinator();
});

afterAll(() => closeAll(coordinator, agents));

const port = () => agents.host.split(":")[1];

test.each(["localhost", "127.0.0.1"])(
  "an agent at %s is registered and called without a list",
  async (name) => {
    const type = `at-${name}`;
    await coordinator.alone(type, `http://${name}:${port()}/echo`);
    const { body } = await coordinator.run({ pipeline: type });
    expect(body).toMatchObject({ status: "completed", final_result: { answer: "here" } });
  },
);

describe("the name at which the coordinator is reached", () => {
  const put = async (host: string) => {
    const body = JSON.stringify({ url: `http://localhost:${port()}/echo` });
    const headers = { host, "content-type": "application/json", "content-length": String(body.length) };
    return rawRequest(`${coordinator.url}/v1/agents/by-host`, "PUT", headers, body);
  };

  test.each(["localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST."])(
    "may be %s",
    async (host) => {
      expect((await put(host)).status).toBeLessThan(300);
    },
  );

  test.each(["192.168.1.20:8787", "10.0.0.1", "x.localhost", "0.0.0.0:8787"])(
    "may not be %s",
    async (host) => {
      const { status, body } = await put(host);
      expect(status).toBe(400);
      expect(JSON.parse(body).errors[0]).toMatchObject({ pointer: "/url" });
    },
  );
});

test("http: to any other host is refused, and the reason names what is allowed", async () => {
  const { status, body } = await coordinator.api("PUT", "/v1/agents/far", { url: "http://example.com/x" });
  expect([status, body.errors[0].pointer]).toEqual([400, "/url"]);
  expect(body.detail).toContain("this machine's own names");
});

test("with a list nothing but the list is called", async () => {
  const listed = await startCoordinator([], { AGENT_COORDINATOR_AGENT_HOSTS: "agents.example.com" });
  const { status, body } = await listed.api("PUT", "/v1/agents/own", {
    url: `http://localhost:${port()}/echo`,
  });
  expect([status, body.errors[0].pointer]).toEqual([400, "/url"]);
  await closeAll(listed);
});

test("with keys it is refused as ever", async () => {
  const keyed = await startCoordinator([], KEYED);
  const { status, body } = await keyed.api(
    "PUT",
    "/v1/agents/own",
    { url: `http://localhost:${port()}/echo` },
    { authorization: `Bearer ${KEYS.acme}` },
  );
  expect([status, body.errors[0].pointer]).toEqual([400, "/url"]);
  await closeAll(keyed);
});
