// Agents whose text loses the credentials of their calls, where they take a part of it back.
import { expect, test } from "vitest";
import { RedactingAgents } from "../../../src/adapters/agents/redacting.ts";
import type { CallHooks } from "../../../src/engine/ports.ts";
import { CALL } from "../../support/agents/protocol-call.ts";

function request(registration: object) {
  return {
    tenant: "local",
    registration: registration as never,
    call: CALL,
    idempotency_key: "e1.say",
    traceparent: null,
    callback_url: null,
  };
}

const hooks = (delta: CallHooks["delta"]): CallHooks => ({
  signal: new AbortController().signal,
  delta,
  progress: () => {},
  alive: () => {},
  hears_silence: false,
});

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
  let text = "";
  const registration = { url: "https://a.example/", protocol: "native", headers: { key: "secret:K" } };
  await agents.call(
    request(registration),
    hooks((piece, offset) => {
      text = text.slice(0, offset ?? text.length) + piece;
    }),
  );
  expect(text).toBe("Right [redacted].");
});
