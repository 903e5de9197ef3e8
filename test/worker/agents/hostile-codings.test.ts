// Content codings of real agents' answers: each name in any case of letters, alone and one over the other, as bodies,
// event streams and problem details; what is not coded so, and what becomes far larger than it came.
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import {
  type RawAgents,
  type RawBehaviour,
  responds,
  startRawAgents,
} from "../../support/agents/raw-agent.ts";

let agents: RawAgents;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startRawAgents();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.001" });
});

afterAll(() => closeAll(coordinator, agents));

/** Runs one stage by an agent that does so. */
async function ask(behaviour: RawBehaviour, fields: Record<string, unknown> = {}) {
  names += 1;
  const name = `coded${names}`;
  agents.on(`/${name}`, behaviour);
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, ...fields }]);
  const { body } = await coordinator.run({ pipeline: name });
  return { result: body.stage_results.only, calls: agents.countOf(`/${name}`) };
}

const JSON_TYPE = { "content-type": "application/json" };
/** Longer than a piece that is inflated at a time, and than a buffer that it is read into. */
const TEXT = Array.from({ length: 30_000 }, (_, at) => `line ${(at * 7919) % 104_729}`).join("\n");
const ANSWER = Buffer.from(JSON.stringify({ data: { text: TEXT } }));

const CODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
};
const spellings = (name: string) => [name, name.toUpperCase(), `${name[0]?.toUpperCase()}${name.slice(1)}`];

describe("a coded answer is read", () => {
  const named = Object.keys(CODERS).flatMap((name) =>
    spellings(name).map((spelling) => [name, spelling] as const),
  );
  test.each(named)("%s, written %s", async (name, spelling) => {
    const body = CODERS[name]?.(ANSWER) ?? "";
    const { result, calls } = await ask(
      responds("200 OK", { ...JSON_TYPE, "content-encoding": spelling }, body),
    );
    expect([result.status, result.error?.message, calls]).toEqual(["completed", undefined, 1]);
    expect(result.data.text).toBe(TEXT);
  });

  test.each([
    ["deflate without zlib's header", "deflate", deflateRawSync(ANSWER)],
    ["one over the other", "gzip, Br", brotliCompressSync(gzipSync(ANSWER))],
    ["one over itself", "deflate,deflate", deflateSync(deflateSync(ANSWER))],
    ["none, by its name", "Identity", ANSWER],
    ["none beside one", "identity, x-gzip", gzipSync(ANSWER)],
  ] as const)("%s", async (_name, coding, body) => {
    const { result } = await ask(responds("200 OK", { ...JSON_TYPE, "content-encoding": coding }, body));
    expect([result.status, result.error?.message]).toEqual(["completed", undefined]);
    expect(result.data.text).toBe(TEXT);
  });

  test.each(["X-GZIP", "DEFLATE", "BR"])("an event stream in %s", async (coding) => {
    const events = `event: delta\ndata: {"text":"a"}\n\nevent: result\ndata: ${ANSWER.toString()}\n\n`;
    const body = CODERS[coding.toLowerCase()]?.(Buffer.from(events)) ?? "";
    const headers = { "content-type": "text/event-stream", "content-encoding": coding };
    const { result } = await ask(responds("200 OK", headers, body));
    expect([result.status, result.data?.text]).toEqual(["completed", TEXT]);
  });

  test.each(["gzip", "X-GZIP", "DEFLATE", "BR"])("problem details in %s", async (coding) => {
    const problem = Buffer.from(JSON.stringify({ detail: "no more today", retryable: false }));
    const body = CODERS[coding.toLowerCase()]?.(problem) ?? "";
    const { result, calls } = await ask(
      responds("503 Service Unavailable", { ...JSON_TYPE, "content-encoding": coding }, body),
    );
    expect([result.error.message, result.error.status, calls]).toEqual(["no more today", 503, 1]);
  });
});

test("each call names the codings that are read", async () => {
  await ask(responds("200 OK", JSON_TYPE, '{"data":{}}'));
  const accepted = /^accept-encoding: (.*?)\r?$/im.exec(agents.requestHead(`/coded${names}`))?.[1];
  expect(accepted).toBe("gzip, x-gzip, deflate, br");
});

describe("a coded answer is refused", () => {
  test.each(["zstd", "COMPRESS", "gzip, zstd", "gzip,gzip,gzip,gzip,gzip"])("%s is named", async (coding) => {
    const { result, calls } = await ask(
      responds("200 OK", { ...JSON_TYPE, "content-encoding": coding }, ANSWER),
    );
    const unknown = coding.includes("zstd") ? "zstd" : coding.toLowerCase();
    expect([result.error.code, calls]).toEqual(["AGENT_PROCESSING_ERROR", 2]);
    expect(result.error.message).toContain(
      `its content coding ${unknown} is not one of gzip, x-gzip, deflate, br`,
    );
  });

  test("a failure in an unknown coding is its status", async () => {
    const headers = { ...JSON_TYPE, "content-encoding": "zstd" };
    const { result, calls } = await ask(responds("422 Unprocessable Content", headers, '{"detail":"x"}'));
    expect([result.error.status, result.error.message, calls]).toEqual([422, "the agent answered 422", 1]);
  });

  test.each([
    ["X-GZIP", Buffer.from("not compressed at all")],
    ["X-GZIP", gzipSync(ANSWER).subarray(0, 20_000)],
    ["DEFLATE", deflateSync(ANSWER).subarray(0, 20_000)],
    ["DEFLATE", Buffer.from([0x78])],
    ["BR", Buffer.from("not compressed at all")],
    ["X-GZIP", Buffer.alloc(0)],
  ])("%s that is none, or is cut (%#)", async (coding, body) => {
    const { result, calls } = await ask(
      responds("200 OK", { ...JSON_TYPE, "content-encoding": coding }, body),
    );
    expect([result.error.code, calls]).toEqual(["AGENT_PROCESSING_ERROR", 3]);
    expect(result.error.message).toContain("truncated");
  });

  const bomb = Buffer.alloc(300 * 1024 * 1024, 0x20);
  test.each([
    ["X-GZIP", gzipSync(bomb)],
    ["DEFLATE", deflateSync(bomb)],
    ["BR", brotliCompressSync(bomb)],
    ["x-gzip, x-gzip", gzipSync(gzipSync(bomb))],
  ])("%s of 300 MB, without room for them", async (coding, body) => {
    const before = await coordinator.memory();
    const { result, calls } = await ask(
      responds("200 OK", { ...JSON_TYPE, "content-encoding": coding }, body),
    );
    expect([result.error.message, calls]).toEqual(["the agent's answer is larger than 5242880 bytes", 1]);
    expect((await coordinator.memory()) - before).toBeLessThan(100 * 2 ** 20);
  });
});
