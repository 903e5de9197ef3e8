// Agents whose text loses the credentials of their calls, where they take a part of it back.
import { expect, test } from "vitest";
import { RedactingAgents } from "../../../src/adapters/agents/redacting.ts";
import type { CallHooks } from "../../../src/engine/ports.ts";
import { callThrough } from "../../support/agents/protocol-call.ts";

test("a text that an agent takes back is taken back for readers, without its credential", async () => {
  const inner = {
    call: async (_request: unknown, own: CallHooks) => {
      own.delta("Wrong s3cret-of-mine");
      own.delta(" words");
      own.delta("Right", 0);
      own.delta(" s3cret-of-mine.");
      return { ok: true, answer: { data: {} }, bytes: 2 };
    },
  };
  const agents = new RedactingAgents(inner as never, () => "s3cret-of-mine");
  const registration = { url: "https://a.example/", protocol: "native", headers: { key: "secret:K" } };
  const { text } = await callThrough(agents, { registration: registration as never });
  expect(text).toBe("Right [redacted].");
});
