// The operator's log over a real coordinator: what a deployment logs by itself and by AGENT_COORDINATOR_LOG_LEVEL, one
// JSON line for each lifecycle event, and never a credential, a question, an answer, or a character that could end a
// line or move a terminal.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";

const CREDENTIAL = "agent-credential-0123456789";
const QUESTION = "what-nobody-else-should-read";
const HOSTILE = `no\n{"level":"FORGED"}\r\u001b[31mred\u0085\u2028\u202egnp.exe with Bearer theirs.own.token-1 and api_key=abc123456`;

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/fine", answers({ said: "an-answer-of-theirs" }));
  agents.on("/hostile", (call, response) =>
    failsWith(400, { detail: `${HOSTILE} ${call.headers["authorization"] ?? ""}` })(call, response, 1),
  );
  coordinator = await startCoordinator([agents], {
    ...KEYED,
    AGENT_SECRET_ACME__AGENT: `Bearer ${CREDENTIAL}`,
    AGENT_COORDINATOR_LOG_LEVEL: "info",
  });
  for (const name of ["fine", "hostile"]) {
    await call("PUT", `/v1/agents/${name}`, {
      url: agents.url(`/${name}`),
      headers: { authorization: "secret:AGENT" },
    });
  }
  await call("PUT", "/v1/pipelines/both", {
    stages: [
      { name: "first", agent_type: "fine" },
      { name: "second", agent_type: "hostile", depends_on: ["first"] },
    ],
  });
});

afterAll(() => closeAll(coordinator, agents));

const call = (method: string, path: string, body?: unknown) =>
  callWith(coordinator, KEYS.acme, method, path, body);

test("one JSON line for each lifecycle event, clean", async () => {
  const { body } = await call("POST", "/v1/executions", {
    query: QUESTION,
    conversation_id: "c",
    pipeline: "both",
  });
  const { events } = (await call("GET", `/v1/executions/${body.execution_id}/trace`)).body;
  const lines = await eventually(
    async () =>
      coordinator
        .output()
        .split("\n")
        .filter((line) => line.includes(body.execution_id)),
    (found) => found.length >= events.length,
  );
  const told = lines.map((line) => JSON.parse(line));
  expect(told.map(({ seq, event }) => [seq, event])).toEqual(
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    events.map((event: any) => [event.seq, event.event_type]),
  );
  expect(told[0]).toMatchObject({ level: "INFO", tenant: "acme", pipeline: "both", status: "running" });
  const failed = told.find(({ event }) => event === "stage.failed");
  expect(failed).toMatchObject({
    level: "ERROR",
    stage: "second",
    attempt: 1,
    code: "AGENT_PROCESSING_ERROR",
  });
  expect(failed.error).toContain("[redacted]");
  const output = coordinator.output();
  const secrets = [CREDENTIAL, QUESTION, "an-answer-of-theirs", "theirs.own.token-1", "abc123456"];
  for (const secret of [...secrets, ...Object.values(KEYS)]) expect(output).not.toContain(secret);
  expect(output).not.toContain('\n{"level":"FORGED"}');
  // oxlint-disable-next-line no-control-regex
  expect(output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
});

/** The levels of a failing run's lines, where the deployment has these variables. */
async function levelsOf(
  vars: Record<string, string>,
  patch: Record<string, unknown> = {},
): Promise<string[]> {
  const other = await startCoordinator([agents], vars);
  try {
    await other.alone("hostile", agents.url("/hostile"));
    await other.configure(patch);
    const { body } = await other.run({ pipeline: "hostile" });
    const lines = () =>
      other
        .output()
        .split("\n")
        .filter((line) => line.includes(body.execution_id));
    await eventually(
      async () => lines(),
      (found) => found.some((line) => line.includes("execution.failed")),
    );
    return lines().map((line) => JSON.parse(line).level);
  } finally {
    await other.close();
  }
}

test("a deployment logs WARN and above unless its variable, or a PATCH, says otherwise", async () => {
  const variable = "AGENT_COORDINATOR_LOG_LEVEL";
  expect(await levelsOf({})).toEqual(["ERROR", "ERROR"]);
  expect(await levelsOf({ [variable]: "Debug" })).toEqual(["DEBUG", "INFO", "INFO", "ERROR", "ERROR"]);
  expect(await levelsOf({ [variable]: "ERROR" }, { log_level: "INFO" })).toEqual([
    "INFO",
    "INFO",
    "ERROR",
    "ERROR",
  ]);
});

test("a level that is none stops the first request, and is named", async () => {
  const bad = await startCoordinator([], { AGENT_COORDINATOR_LOG_LEVEL: "loud" });
  const response = await bad.fetch("/v1/config");
  expect(response.status).toBe(500);
  const { detail } = (await response.json()) as { detail: string };
  for (const word of ["AGENT_COORDINATOR_LOG_LEVEL", '"loud"', "DEBUG", "WARN"])
    expect(detail).toContain(word);
  await bad.close();
});
