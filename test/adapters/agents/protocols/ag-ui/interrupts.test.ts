// What an AG-UI run asks before it goes on: as a question to a person, and the answer in the run that follows.
import { RunAgentInputSchema } from "@ag-ui/core/schemas";
import { describe, expect, test } from "vitest";
import type { AgentAsks } from "../../../../../src/adapters/agents/protocol.ts";
import { agUi } from "../../../../../src/adapters/agents/protocols/ag-ui/ag-ui.ts";
import { agentResponse } from "../../../../../src/adapters/agents/response.ts";
import type { AgentRequest } from "../../../../../src/engine/ports.ts";
import { asks, type Event, STARTED, written } from "../../../../support/agents/ag-ui-events.ts";

describe("a run that asks", () => {
  const approve = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };

  /** What the protocol itself makes of a stream, before its stage decides what a question is. */
  async function read(events: Event[], options = {}, answer?: AgentRequest["answer"]): Promise<AgentAsks> {
    const response = new Response(written(events), { headers: { "content-type": "text/event-stream" } });
    const hooks = { delta: () => {}, progress: () => {}, alive: () => {}, hears_silence: true };
    const asked = { ...ASKED, options: { keep_state: false, ...options }, ...(answer && { answer }) };
    const outcome = await agUi.read(
      agentResponse(response, { ...hooks, signal: new AbortController().signal }, null),
      hooks,
      asked,
    );
    if (outcome.ok !== "asks") throw new Error(JSON.stringify(outcome));
    return outcome;
  }
  const ASKED = {
    tenant: "local",
    registration: null,
    call: {
      execution_id: "e1",
      conversation_id: "c1",
      stage: "say",
      query: "q",
      inputs: {},
      history: [],
    } as never,
    idempotency_key: "e1.say",
    traceparent: null,
    callback_url: null,
  };
  const resumed = ({ continuation }: AgentAsks, data: Record<string, unknown>) => {
    const { body } = agUi.request({ ...ASKED, options: {}, answer: { continuation, data } });
    return RunAgentInputSchema.parse(JSON.parse(body));
  };

  test("is a question with its schema; the answer resumes it in a run of its own", async () => {
    const question = await read([
      STARTED,
      asks({
        id: "i1",
        reason: "approval",
        message: "Send it?",
        responseSchema: approve,
        metadata: { to: "x" },
      }),
    ]);
    expect(question).toMatchObject({
      prompt: { question: "Send it?", reason: "approval", metadata: { to: "x" } },
      schema: approve,
    });
    expect(resumed(question, { ok: true })).toMatchObject({
      threadId: "c1",
      runId: "e1.say.1",
      parentRunId: "e1.say",
      resume: [{ interruptId: "i1", status: "resolved", payload: { ok: true } }],
    });
    const again = await read(
      [STARTED, asks({ id: "i2", reason: "more" })],
      {},
      { continuation: question.continuation, data: {} },
    );
    expect(again).toMatchObject({ prompt: { question: "more" }, schema: null });
    expect(resumed(again, {})).toMatchObject({ runId: "e1.say.2", parentRunId: "e1.say.1" });
  });

  test("a payload that is no object is a member of the answer", async () => {
    const question = await read([
      STARTED,
      asks({ id: "i", reason: "r", responseSchema: { type: "boolean" } }),
    ]);
    expect(question.schema).toEqual({
      type: "object",
      properties: { value: { type: "boolean" } },
      required: ["value"],
    });
    expect(resumed(question, { value: true }).resume).toMatchObject([{ payload: true }]);
  });

  test("several questions are one, with a member for each", async () => {
    const question = await read([
      STARTED,
      asks({ id: "a", reason: "A?" }, { id: "b", reason: "r", message: "B?" }),
    ]);
    expect(question).toMatchObject({ prompt: { question: "A?\nB?" }, schema: { required: ["a", "b"] } });
    expect(resumed(question, { a: { x: 1 }, b: 2 }).resume).toEqual([
      { interruptId: "a", status: "resolved", payload: { x: 1 } },
      { interruptId: "b", status: "resolved", payload: 2 },
    ]);
  });

  test("a schema that is not known here is left out, and the state goes into the further run", async () => {
    const question = await read(
      [
        STARTED,
        { type: "STATE_SNAPSHOT", snapshot: { n: 2 } },
        asks({ id: "i", reason: "r", responseSchema: { type: 7 } }),
      ],
      { keep_state: true },
    );
    expect(question.schema).toBeNull();
    expect(resumed(question, {})).toMatchObject({ state: { n: 2 } });
  });
});
