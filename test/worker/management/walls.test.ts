// What may not come in, in real workerd: bodies too large whatever they say of themselves, JSON that could hurt, text
// that would be a header, an event or a terminal's command; and two thousand requests made from the schemas.
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import {
  asyncProperty,
  assert as assertProperty,
  constantFrom,
  integer,
  oneof,
  option,
  tuple,
} from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sizeOf } from "../../support/sizes.ts";
import { ErrorCode } from "../../../src/contract/problem.ts";
import { openApi } from "../../../src/http/openapi/document.ts";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import { HTML_TYPE } from "../../../src/http/route.ts";
import { STATUS } from "../../../src/http/problem.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { fits, type Schema, spoiled } from "../../support/values/from-schema.ts";
import { codeOf } from "../../support/clients/problems.ts";
import { callWith } from "../../support/clients/keys.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0" });
  await coordinator.agent("one", agents.url("/one"));
  await coordinator.pipeline("one", [{ name: "only", agent_type: "one" }]);
});

afterAll(() => closeAll(coordinator, agents));

const RUN = { query: "q", conversation_id: "c", pipeline: "one" };
const api: Coordinator["api"] = (...call) => coordinator.api(...call);

/** Writes bytes as they are, and gives back the answer's head and what came of its body. */
async function raw(text: string, endAfterMs = 2_000): Promise<string> {
  const { hostname, port } = new URL(coordinator.url);
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    const timer = setTimeout(() => socket.destroy(), endAfterMs);
    socket.on("data", (chunk) => {
      answer += chunk.toString("utf8");
      if (answer.includes("}")) socket.end();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

describe("the body limit", () => {
  const LIMIT = 256 * 1024;
  const sized = (bytes: number) => {
    const frame = JSON.stringify({ ...RUN, context: { pad: "" } }).length;
    return JSON.stringify({ ...RUN, context: { pad: "x".repeat(bytes - frame) } });
  };

  test("is exact, and counts bytes, not characters", async () => {
    expect((await api("POST", "/v1/executions", sized(LIMIT))).status).toBe(200);
    const over = await api("POST", "/v1/executions", sized(LIMIT + 1));
    expect(over).toMatchObject({ status: 413, body: { code: "RESOURCE_EXHAUSTED" } });
    expect(over.body.detail).toContain(String(LIMIT));
    const wide = JSON.stringify({ ...RUN, context: { pad: "é".repeat(LIMIT / 2) } });
    expect((await api("POST", "/v1/executions", wide)).status).toBe(413);
  });

  test("holds for a body in chunks that names no length, and is cut while it is read", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        sent += 16 * 1024;
        controller.enqueue(Buffer.alloc(16 * 1024, 32));
        if (sent > 64 * 1024 * 1024) controller.close();
      },
    });
    const response = await coordinator
      .fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: endless,
        duplex: "half",
      } as RequestInit)
      .catch(() => null);
    // A server that stops reading may close before the client has said everything.
    if (response !== null) expect(response.status).toBe(413);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test("does not believe a Content-Length, too large or too small", async () => {
    const head = (length: number) =>
      `POST /v1/executions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`;
    const body = JSON.stringify(RUN);
    const cut = await raw(head(body.length - 3) + body);
    expect(cut).toMatch(/^HTTP\/1\.1 400/);
    const lying = await raw(head(LIMIT * 4) + "x".repeat(LIMIT + 10));
    expect(lying).toMatch(/^HTTP\/1\.1 413/);
  });
});

describe("JSON", () => {
  const deep = (depth: number) => `${'{"a":'.repeat(depth - 2)}1${"}".repeat(depth - 2)}`;

  test("is refused beyond 32 levels", async () => {
    const body = (depth: number) => JSON.stringify({ ...RUN, context: "@" }).replace('"@"', deep(depth));
    expect((await api("POST", "/v1/executions", body(32))).status).toBe(200);
    const refused = await api("POST", "/v1/executions", body(34));
    expect(refused).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
    expect((await api("POST", "/v1/executions", "[".repeat(200_000))).status).toBe(400);
  });

  test.each(["__proto__", "constructor", "prototype"])(
    "with the key %s is refused at any depth, on every route",
    async (key) => {
      const evil = `{"${key}":{"polluted":true}}`;
      for (const { method, path, body } of ENDPOINTS) {
        if (body === undefined) continue;
        const target = path.replaceAll(/:[a-z_]+/g, "one");
        for (const text of [evil, `{"x":[{"y":${evil}}]}`, `{"${key.replace("_", "\\u005f")}":1}`]) {
          const { status, body: told } = await api(method.toUpperCase(), target, text);
          expect(status, `${method} ${path} ${text}`).toBe(400);
          expect(codeOf(told)).toMatch(/^INVALID_REQUEST$|^-32600$/);
        }
      }
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    },
  );

  test.each(["1e999", "-1e999"])("with the number %s is refused", async (number) => {
    const text = JSON.stringify({ ...RUN, context: { n: 0 } }).replace(":0", `:${number}`);
    const refused = await api("POST", "/v1/executions", text);
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: "/context/n" }] } });
  });

  test.each(["", "{", "null", "[]", '"x"', "NaN", "{'a':1}", '{"query":"q"}garbage', "\ufeff{}"])(
    "%j is refused",
    async (text) => {
      expect((await api("POST", "/v1/executions", text)).status).toBe(400);
    },
  );

  test("that is not UTF-8 is refused", async () => {
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.concat([
        Buffer.from('{"query":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('","conversation_id":"c"}'),
      ]),
    });
    expect(response.status).toBe(400);
  });

  test("unknown fields and bad names are refused by their pointer", async () => {
    const cases: [unknown, string][] = [
      [{ ...RUN, colour: "red" }, "/colour"],
      [{ ...RUN, pipeline: "a b" }, "/pipeline"],
      [{ ...RUN, pipeline: "x".repeat(65) }, "/pipeline"],
      [{ ...RUN, execution_id: "a.b" }, "/execution_id"],
      [{ ...RUN, execution_id: "x".repeat(65) }, "/execution_id"],
      [{ ...RUN, query: "" }, "/query"],
      [{ ...RUN, query: "x".repeat(32_769) }, "/query"],
      [{ ...RUN, conversation_id: "x".repeat(129) }, "/conversation_id"],
      [
        { ...RUN, pipeline_config: { only: { url: "https://evil.example.com" } } },
        "/pipeline_config/only/url",
      ],
      [{ ...RUN, pipeline_config: { only: { name: "other" } } }, "/pipeline_config/only/name"],
    ];
    for (const [body, pointer] of cases) {
      const refused = await api("POST", "/v1/executions", body);
      expect(refused.status, pointer).toBe(400);
      expect(refused.body.errors.map((at: { pointer: string }) => at.pointer)).toContain(pointer);
    }
    const many = Array.from({ length: 65 }, (_, at) => ({ name: `s${at}`, agent_type: "one" }));
    expect((await api("PUT", "/v1/pipelines/many", { stages: many })).body.code).toBe(
      "INVALID_PIPELINE_CONFIG",
    );
    const layers = Array.from({ length: 30 }, (_, at) => ({
      name: `s${at}`,
      agent_type: "one",
      depends_on: many.slice(0, at).map(({ name }) => name),
    }));
    expect((await api("PUT", "/v1/pipelines/edges", { stages: layers })).body.code).toBe(
      "INVALID_PIPELINE_CONFIG",
    );
  });
});

describe("injection", () => {
  const EVIL =
    "x\r\nset-cookie: evil=1\r\n\r\nevent: execution.completed\ndata: {}\n\nid: 99\n\u0000\u001b[31m\u2028\u2029";

  test("of headers and events: a caller's text stays one line of JSON", async () => {
    const started = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({
        ...RUN,
        query: EVIL,
        conversation_id: EVIL.slice(0, 60),
        context: { [EVIL]: EVIL },
      }),
    });
    expect(started.headers.get("set-cookie")).toBeNull();
    const events = lifecycle(await readEvents(started));
    expect(events.map((event) => event.id)).toEqual(events.map((_, at) => at + 1));
    expect(events.filter((event) => event.event === "execution.completed")).toHaveLength(1);
    expect(events.at(-1)?.data.data.query).toBe(EVIL);
  });

  test("of what an agent says: its text stays inside its event", async () => {
    agents.on("/evil", (_call, response) => {
      response.writeHead(400, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ detail: EVIL, title: EVIL }));
    });
    await coordinator.agent("evil", agents.url("/evil"));
    await coordinator.pipeline("evil", [{ name: "only", agent_type: "evil" }]);
    const { body } = await coordinator.run({ pipeline: "evil" });
    // oxlint-disable-next-line no-control-regex
    expect(body.error_info.message).not.toMatch(/[\u0000-\u001f]/);
    const replayed = lifecycle(
      await readEvents(await coordinator.fetch(`/v1/executions/${body.execution_id}/events`)),
    );
    expect(replayed.filter((event) => event.event.startsWith("execution."))).toHaveLength(2);
  });

  test("of a log line: nothing that a caller sends reaches it raw", async () => {
    for (const path of ["/%1b%5b31m", "/v1/%0d%0aevil", "/v1/executions/%00", "/v1/pipelines/%e2%80%ae"])
      await api("GET", path);
    await api("GET", "/v1/nothing", undefined, { "content-type": "\u0080\u009b31m" });
    await raw(`GET /v1/%zz%1b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    // oxlint-disable-next-line no-control-regex
    expect(coordinator.output()).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

test("two thousand requests made from the schemas: every answer has a code, none is an error of ours", {
  timeout: 300_000,
}, async () => {
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const document: any = await openApi(ENDPOINTS);
  const resolve = (ref: string): Schema => document.components.schemas[ref.split("/").at(-1) as string];
  const name = constantFrom(
    "one",
    "rag",
    "fuzz",
    "ex_1",
    "validate",
    "%00",
    "..%2f",
    "__proto__",
    "toString",
    "é",
    "x".repeat(300),
  );
  const query = constantFrom(
    "",
    "?limit=3",
    "?limit=-1",
    "?status=running",
    "?after=1",
    "?after=x",
    "?before=only",
    "?cursor=a.b",
    "?token=x",
    "?%00=%ff",
  );
  const headers = constantFrom<Record<string, string>>(
    {},
    { accept: "application/json" },
    { accept: "text/event-stream;q=0.1, */*" },
    { accept: ";;,q=" },
    { prefer: "respond-async" },
    { prefer: "wait=0, x;y=z" },
    { "if-match": '"1-60-3"' },
    { "if-match": "*" },
    { "if-none-match": "*" },
    { "if-none-match": '"' },
    { "last-event-id": "3" },
    { "last-event-id": "-1" },
    { "idempotency-key": "k" },
    { "idempotency-key": '"' },
    { traceparent: "00-zz" },
    { authorization: "Bearer x" },
    { origin: "null" },
    { range: "bytes=0-1" },
  );
  const request = oneof(
    ...ENDPOINTS.map((operation) => {
      const body =
        operation.body === undefined
          ? constantFrom(undefined)
          : schemaBody(
              document.paths[operation.path.replaceAll(/:(\w+)/g, "{$1}")][operation.method].requestBody,
              resolve,
            );
      return tuple(
        constantFrom(operation),
        body,
        name,
        query,
        headers,
        option(integer({ min: 0, max: 400 }), { freq: 12 }),
      );
    }),
  );
  const seen = new Map<string, number>();
  await assertProperty(
    asyncProperty(request, async ([operation, value, parameter, asked, sent, cut]) => {
      const text = value === undefined ? undefined : JSON.stringify(value);
      const body = text === undefined || cut === null ? text : text.slice(0, cut);
      const path = `${operation.path.replaceAll(/:[a-z_]+/g, parameter)}${asked}`;
      // A run that waits for its end would wait for an agent that the fuzzing registered somewhere.
      const patient = operation.id === "start_execution" ? { prefer: "wait=1" } : {};
      const answer = await callWith(coordinator, null, operation.method.toUpperCase(), path, body, {
        ...patient,
        ...sent,
      });
      const label = `${operation.method} ${path} ${body?.slice(0, 300)} → ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`;
      seen.set(operation.id, (seen.get(operation.id) ?? 0) + 1);
      if (answer.status < 400) return;
      if (answer.headers.get("content-type")?.startsWith(HTML_TYPE) === true) {
        expect([answer.status, operation.permission], label).toEqual([404, "token"]);
        return;
      }
      if (operation.dialect !== undefined) {
        expect(codeOf(answer.body), label).not.toBeNull();
        expect(answer.status, label).not.toBe(500);
        return;
      }
      expect(ErrorCode.safeParse(answer.body.code).success, label).toBe(true);
      expect(answer.headers.get("content-type"), label).toBe("application/problem+json");
      const code = ErrorCode.parse(answer.body.code);
      expect([STATUS[code], code === "RESOURCE_EXHAUSTED" ? 413 : STATUS[code]], label).toContain(
        answer.status,
      );
      expect(answer.body.status, label).toBe(answer.status);
      expect(code, label).not.toBe("INTERNAL_ERROR");
      expect(answer.status, label).toBeLessThan(500);
      expect(JSON.stringify(answer.body), label).not.toMatch(
        /\bat \w+ \(|\.ts:\d|node_modules|SQLITE|\/src\//,
      );
    }),
    { seed: 20261123, numRuns: sizeOf("SCHEMA_REQUESTS") },
  );
  expect(seen.size).toBe(ENDPOINTS.length);
});

function schemaBody(requestBody: Schema, resolve: (ref: string) => Schema) {
  const good = fits(requestBody.content["application/json"].schema, resolve);
  return oneof(good, good, spoiled(good), spoiled(spoiled(good)));
}
