// Both readers of JSON held against RFC 8259 through workerd: what callers send and what agents answer.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callsTo, type Calls } from "../../support/clients/calls.ts";
import { type RawAgents, responds, startRawAgents } from "../../support/agents/raw-agent.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";
import { inAnswer, JSON_CASES, NOT_UTF8 } from "../../support/values/json-cases.ts";

describe("through workerd", () => {
  let agents: RawAgents;
  let state: Awaited<ReturnType<typeof temporaryState>>;
  let server: WorkerdServer;
  let calls: Calls;
  let answer: string | Uint8Array = "";

  beforeAll(async () => {
    agents = await startRawAgents();
    agents.on("/said", (socket, count) =>
      responds("200 OK", { "content-type": "application/json" }, answer)(socket, count),
    );
    state = await temporaryState();
    server = await startWorkerd({
      state: state.path,
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
        AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
        AGENT_COORDINATOR_CACHING: "false",
      },
    });
    calls = callsTo(server.url);
    await calls.agent("said", agents.url("/said"));
    await calls.pipeline("said", [{ name: "only", agent_type: "said", retry_attempts: 1 }]);
  });

  afterAll(async () => {
    await server?.kill();
    await agents?.close();
    await state?.remove();
  });

  /** Sends a body as it stands, while the agent's answer is as it stands. */
  async function send(body: string | Uint8Array) {
    const response = await calls.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    return { status: response.status, body: (await response.json()) as any };
  }

  test("callers' bodies", async () => {
    answer = '{"data":{}}';
    for (const { text, valid } of JSON_CASES) {
      const { status, body } = await send(inRequest(text));
      if (valid) {
        expect(status, text).toBe(200);
        expect(body.context_data.value, text).toEqual(written(text));
      } else {
        expect([status, body.code], text).toEqual([400, "INVALID_REQUEST"]);
      }
    }
  });

  test("agents' answers", async () => {
    for (const { text, valid } of JSON_CASES) {
      answer = inAnswer(text);
      const { body } = await send(inRequest("1"));
      expect(body.status, text).toBe(valid ? "completed" : "failed");
      if (valid) expect(body.final_result.value, text).toEqual(written(text));
      else expect(body.error_info.code, text).toBe("AGENT_PROCESSING_ERROR");
    }
  });

  test.each(NOT_UTF8)("invalid UTF-8: %s", async (_name, bytes) => {
    answer = '{"data":{}}';
    const refused = await send(withBytes(inRequest('"?"'), bytes));
    expect([refused.status, refused.body.code]).toEqual([400, "INVALID_REQUEST"]);
    answer = withBytes(inAnswer('"?"'), bytes);
    const { body } = await send(inRequest("1"));
    expect([body.status, body.error_info?.code]).toEqual(["failed", "AGENT_PROCESSING_ERROR"]);
  });

  test("a byte order mark is passed over, as section 8.1 allows; UTF-16 is not read", async () => {
    answer = `\ufeff${inAnswer("1")}`;
    const { status, body } = await send(`\ufeff${inRequest("1")}`);
    expect([status, body.status]).toEqual([200, "completed"]);
    answer = new Uint8Array(Buffer.from(inAnswer("1"), "utf16le"));
    expect((await send(inRequest("1"))).body.status).toBe("failed");
    expect((await send(new Uint8Array(Buffer.from(inRequest("1"), "utf16le")))).status).toBe(400);
  });
});

/** The value as JSON writes it again: the sign of a zero is not kept. */
function written(text: string): unknown {
  return JSON.parse(JSON.stringify(JSON.parse(text)));
}

function inRequest(text: string): string {
  return `{"query":"q","conversation_id":"c","pipeline":"said","context":{"value":${text}}}`;
}

/** The text's bytes, with these in the place of its one question mark. */
function withBytes(text: string, bytes: readonly number[]): Uint8Array {
  const at = text.indexOf("?");
  return Uint8Array.from([...Buffer.from(text.slice(0, at)), ...bytes, ...Buffer.from(text.slice(at + 1))]);
}
