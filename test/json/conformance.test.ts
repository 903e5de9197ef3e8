// Both readers of JSON held against RFC 8259: what callers send and what agents answer, as text and through workerd.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAnswer } from "../../src/adapters/agents/native.ts";
import { readJson } from "../../src/core/json/json.ts";
import { callsTo, type Calls } from "../support/calls.ts";
import { type RawAgents, responds, startRawAgents } from "../support/raw-agent.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/workerd.ts";
import { JSON_CASES, NOT_UTF8 } from "./cases.ts";

test("there are cases enough, and no two are the same", () => {
  expect(new Set(JSON_CASES.map(({ text }) => text)).size).toBeGreaterThanOrEqual(150);
});

describe("as text", () => {
  test.each(JSON_CASES)("$text: $valid", ({ text, valid }) => {
    const read = readJson(text);
    expect(read.ok).toBe(valid);
    if (read.ok) {
      // An integer that a double would change is a BigInt: its digits have tests of their own.
      const value = typeof read.value === "bigint" ? Number(read.value) : read.value;
      expect(value).toEqual(JSON.parse(text));
    }
    const answer = parseAnswer(inAnswer(text), 200);
    expect(answer.ok).toBe(valid);
    if (!answer.ok) expect(["contract", "truncated"]).toContain(answer.error.kind);
  });

  test("truncated JSON is distinguished from invalid JSON", () => {
    for (const text of ["", "[", '{"a":', '"a', "[1,", "tru", '{"a":1', "-", '"\\u00', "1e"]) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "truncated" } });
    }
    for (const text of ["[1,]", "tru ", "01", "}", "1 2", '"\\x"']) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "syntax" } });
    }
  });

  test("what JSON allows and this house does not", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(readJson(nested(32)).ok).toBe(true);
    expect(readJson(nested(33))).toMatchObject({ ok: false, error: { reason: "depth" } });
    expect(readJson(nested(1_000_000))).toMatchObject({ ok: false });
    for (const text of ["1e999", "-1e999", "[1e400]", '{"a":{"b":1e309}}']) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "not_finite" } });
    }
    for (const key of ["__proto__", "constructor", "prototype", "\\u005f_proto__"]) {
      expect(readJson(`{"a":[{"${key}":1}]}`), key).toMatchObject({
        ok: false,
        error: { reason: "reserved_key" },
      });
    }
  });
});

test.each<readonly [string, unknown]>([
  ["9007199254740993", 9007199254740993n],
  ["-9007199254740993", -9007199254740993n],
  ["[0,123456789012345678901234567890]", [0, 123456789012345678901234567890n]],
  ['{"a":{"b/c":[{"~":1234567890123456789}]}}', { a: { "b/c": [{ "~": 1234567890123456789n }] } }],
  ["[18446744073709551616]", [18446744073709551616n]],
  // A double holds it, and JavaScript writes it as 1e+23.
  ["[100000000000000000000000]", [10n ** 23n]],
  ['{"a":"\\\\","b":9007199254740993}', { a: "\\", b: 9007199254740993n }],
  [
    '{"a":"\\"","b": 9007199254740993 ,"c":"9007199254740993"}',
    { a: '"', b: 9007199254740993n, c: "9007199254740993" },
  ],
  ['{"9007199254740993":[1.5,9007199254740993]}', { "9007199254740993": [1.5, 9007199254740993n] }],
])("an integer that a double would change keeps its digits: %s", (text, value) => {
  expect(readJson(text)).toEqual({ ok: true, value });
  expect(JSON.stringify(value)).toBe(text.replaceAll(" ", ""));
});

test("integers that a double holds, decimals, strings and what a later member replaces are as JSON.parse gives them", () => {
  for (const text of [
    "9007199254740992",
    "[1700000000000000,-1700000000000000]",
    "100000000000000000000",
    // As JavaScript writes 2^64, and so as it goes out again.
    "18446744073709552000",
    "[9007199254740993.5,0.9007199254740993,1.9007199254740993e3,9007199254740993e2,1E-9007199254740993]",
    '{"9007199254740993":"9007199254740993\\"9007199254740993"}',
    '{"a":9007199254740993,"a":1}',
    '": 9007199254740993,"',
  ]) {
    expect(readJson(text), text).toEqual({ ok: true, value: JSON.parse(text) });
  }
});

test("an integer beyond the largest double is refused, as any number there is", () => {
  expect(readJson(`{"a":[${"9".repeat(309)}]}`)).toMatchObject({
    ok: false,
    error: { reason: "not_finite", pointer: "/a/0" },
  });
  expect(readJson("9".repeat(308))).toEqual({ ok: true, value: BigInt("9".repeat(308)) });
});

test.each(Array.from({ length: 200 }, (_, at) => at))(
  "an integer is a number where it is written with the same digits again, else a BigInt (%i)",
  (at) => {
    // 2^53 and the powers of ten up to 10^40, each with its neighbours.
    const base = at < 40 ? 2n ** 53n : 10n ** BigInt(Math.floor(at / 4));
    const source = String(base + BigInt((at % 40) - 20));
    const read = readJson(`{"n":${source}}`);
    const n = JSON.stringify(Number(source)) === source ? Number(source) : BigInt(source);
    expect(read).toEqual({ ok: true, value: { n } });
    expect(JSON.stringify(read.ok && read.value)).toBe(`{"n":${source}}`);
  },
);

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

function inAnswer(text: string): string {
  return `{"data":{"value":${text}}}`;
}

/** The text's bytes, with these in the place of its one question mark. */
function withBytes(text: string, bytes: readonly number[]): Uint8Array {
  const at = text.indexOf("?");
  return Uint8Array.from([...Buffer.from(text.slice(0, at)), ...bytes, ...Buffer.from(text.slice(at + 1))]);
}
