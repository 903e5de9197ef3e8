// The variables of the webhook and of the collector, and the messages of questions.
import { describe, expect, test } from "vitest";
import { outboundReceivers, readOutbound } from "../../../src/adapters/outbound/outbound.ts";
import type { WaitStage } from "../../../src/contract/stage.ts";
import { Play } from "../../core/rules/play.ts";
import { makeStage } from "../../core/simulation/spec.ts";
import { readHeaders } from "../../../src/adapters/outbound/otlp-export.ts";

describe("the variables", () => {
  test("nothing set, nothing goes out", () => {
    expect(readOutbound({}, "1")).toEqual({ ok: true, value: { webhook: null, otlp: null } });
  });

  test("a secret of less than 24 bytes is refused, and not shown", () => {
    const read = readOutbound(
      {
        AGENT_COORDINATOR_WEBHOOK_URL: "https://h.example",
        AGENT_COORDINATOR_WEBHOOK_SECRET: "whsec_c2hvcnQ=",
      },
      "1",
    );
    expect(read.ok).toBe(false);
    expect(JSON.stringify(read)).not.toContain("c2hvcnQ");
  });

  test("headers of the collector are read as OpenTelemetry writes them", () => {
    expect(readHeaders("a=1, B=two%20words,c=x=y")).toEqual({
      ok: true,
      value: { a: "1", b: "two words", c: "x=y" },
    });
    for (const wrong of ["=v", "a", "a=%E0", "a b=c", "a=x%0Ay"])
      expect(readHeaders(wrong).ok, wrong).toBe(false);
  });
});

test("each question that opens is a message, under an id that stays the same", async () => {
  const wait = { prompt: "{'q': query}", timeout_seconds: 60, on_timeout: "fail" };
  const question = (name: string) =>
    ({ name, required: false, parallel: false, depends_on: [], config: {}, wait }) as WaitStage;
  const play = new Play([makeStage("slow", { parallel: true }), question("a"), question("b")]);
  const sent: { id: string; body: string }[] = [];
  const queue = { send: async (_tenant: string, job: { id: string; body: string }) => void sent.push(job) };
  const events = new Set(["execution.waiting", "execution.paused"] as const);
  const webhook = { url: "https://h.example", key: new Uint8Array(24), events, format: "standard" as const };
  const log = { read: () => play.log } as unknown as Parameters<typeof outboundReceivers>[2];
  const [receiver] = outboundReceivers({ webhook, otlp: null }, queue, log);
  const receive = (status: boolean, opened: number[]) => receiver?.receive(play.state, { status, opened });
  expect([receiver?.takesEachPause, receiver?.takesEachQuestion]).toEqual([true, true]);
  await receive(true, [2, 3]);
  await receive(false, [3]);
  await receive(false, []);
  expect(sent).toHaveLength(3);
  const [first, second, again] = sent;
  expect(JSON.parse(first?.body ?? "")).toMatchObject({
    type: "execution.waiting",
    timestamp: new Date(play.began).toISOString(),
    data: {
      tenant: "local",
      execution_id: "ex_test",
      status: "running",
      waits: [
        {
          stage: "a",
          prompt: { q: play.state.spec.query },
          expires_at: new Date(play.began + 60_000).toISOString(),
        },
      ],
    },
  });
  expect(second?.id).not.toBe(first?.id);
  expect(again).toEqual(second);
  // A pause is a message of its own; that a question closes while it lasts is none.
  play.after(1).pause("abort");
  await receive(true, []);
  await receive(false, []);
  expect(sent.slice(3).map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
    "execution.paused",
  ]);
});
