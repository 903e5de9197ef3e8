// Everything an agent may do wrong, and what is to come of it. Used by the tests of misbehaving agents.
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { headOf, type RawBehaviour, responds, writesForEver } from "../../support/agents/raw-agent.ts";

/** `yes`: retried to the last try. `once`: one more try. `no`: never. `fine`: it is an answer. */
type Retried = "yes" | "once" | "no" | "fine";

export interface HostileCase {
  name: string;
  behaviour: RawBehaviour;
  retried: Retried;
  /** The stage's error code where every try went so. */
  code: string;
  /** A try's time. */
  try_ms: number;
}

const JSON_TYPE = { "content-type": "application/json" };
const SSE_TYPE = { "content-type": "text/event-stream" };
const RESULT = 'event: result\ndata: {"data":{"fine":true}}\n\n';
const PROCESSING = "AGENT_PROCESSING_ERROR";
const UNAVAILABLE = "AGENT_UNAVAILABLE";

/** The time of a try that is to run out, ms; where something else is to end it, there is enough. */
const SHORT_MS = 1_000;
const LONG_MS = 8_000;

export const fine: RawBehaviour = responds("200 OK", JSON_TYPE, '{"data":{"fine":true}}');
export const busy: RawBehaviour = responds("503 Service Unavailable", JSON_TYPE, "{}");

const json = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  responds("200 OK", { ...JSON_TYPE, ...headers }, body);
const stream = (body: string) => responds("200 OK", SSE_TYPE, body);
/** Sends bytes, and then breaks the connection with a reset. */
const breaksAfter =
  (text: string): RawBehaviour =>
  async (socket) => {
    socket.write(text);
    await sleep(30);
    socket.resetAndDestroy();
  };
const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024, 0x20));

export const HOSTILE_CASES: readonly HostileCase[] = [
  each("reset before headers", breaksAfter(""), "yes", UNAVAILABLE),
  each("closed before headers", (socket) => void socket.end(), "yes", UNAVAILABLE),
  each("not HTTP at all", (socket) => void socket.end("220 mail ready\r\n"), "yes", UNAVAILABLE),
  each(
    "reset in the body",
    breaksAfter(`${headOf("200 OK", { ...JSON_TYPE, "content-length": "500" })}{"data":`),
    "yes",
    PROCESSING,
  ),
  each(
    "reset in an event",
    breaksAfter(`${headOf("200 OK", SSE_TYPE)}event: delta\ndata: {"text":"a"}\n\nevent: resu`),
    "yes",
    PROCESSING,
  ),
  each(
    "a Content-Length too short",
    json('{"data":{"fine":true}}', { "content-length": "9" }),
    "yes",
    PROCESSING,
  ),
  each("a Content-Length too long", json('{"data":{"fi', { "content-length": "500" }), "yes", PROCESSING),
  each(
    "a chunked body that is cut",
    (socket) =>
      void socket.end(
        `${headOf("200 OK", { ...JSON_TYPE, "transfer-encoding": "chunked" })}9\r\n{"data":{\r\n40\r\n"a`,
      ),
    "yes",
    PROCESSING,
  ),
  each("a slow drip", writesForEver(headOf("200 OK", JSON_TYPE), " ", 50), "yes", "STAGE_TIMEOUT"),
  each(
    "a slow drip of headers",
    writesForEver("HTTP/1.1 200 OK\r\n", "a: b\r\n", 50),
    "yes",
    "STAGE_TIMEOUT",
  ),
  each(
    "a body without end",
    writesForEver(headOf("200 OK", JSON_TYPE), " ".repeat(65_536), 0),
    "no",
    PROCESSING,
  ),
  each(
    "a stream without end",
    writesForEver(
      headOf("200 OK", SSE_TYPE),
      `event: delta\ndata: {"text":"${"more".repeat(1_000)}"}\n\n`.repeat(20),
      0,
    ),
    "no",
    PROCESSING,
  ),
  each(
    "an event without end",
    writesForEver(`${headOf("200 OK", SSE_TYPE)}event: delta\ndata: `, "x".repeat(65_536), 0),
    "no",
    PROCESSING,
  ),
  each("a gzip bomb of 200 MB", json(bomb, { "content-encoding": "gzip" }), "no", PROCESSING),
  each("gzip that is none", json("not gzip at all", { "content-encoding": "gzip" }), "yes", PROCESSING),
  each("204", responds("204 No Content", {}), "once", PROCESSING),
  each("205", responds("205 Reset Content", JSON_TYPE), "once", PROCESSING),
  each("101", responds("101 Switching Protocols", { upgrade: "none" }), "once", PROCESSING),
  each("301", responds("301 Moved Permanently", { location: "/fine" }), "no", PROCESSING),
  each("302", responds("302 Found", { location: "http://127.0.0.1:1/" }), "no", PROCESSING),
  each("304", responds("304 Not Modified", {}), "no", PROCESSING),
  each("307", responds("307 Temporary Redirect", { location: "/fine" }), "no", PROCESSING),
  each("600", responds("600 Beyond", JSON_TYPE, '{"data":{}}'), "once", PROCESSING),
  each("999", responds("999 Far Beyond", JSON_TYPE, '{"data":{}}'), "once", PROCESSING),
  each(
    "a wrong content type",
    responds("200 OK", { "content-type": "text/html" }, "<p>"),
    "once",
    PROCESSING,
  ),
  each("no content type", responds("200 OK", {}, '{"data":{}}'), "once", PROCESSING),
  each("an empty body", json(""), "yes", PROCESSING),
  each("UTF-8 that is none", json(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])), "once", PROCESSING),
  each("a character cut in two", json(Buffer.from([0x22, 0xe2, 0x82])), "yes", PROCESSING),
  each("NaN", json('{"data":{"score":NaN}}'), "once", PROCESSING),
  each("1e999", json('{"data":{"score":1e999}}'), "once", PROCESSING),
  each("depth 10^6", json(`${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`), "once", PROCESSING),
  each("depth 10^6, open", json("[".repeat(1_000_000)), "yes", PROCESSING),
  each("duplicate keys", json('{"data":{"a":1,"fine":false,"fine":true}}'), "fine", ""),
  each("a reserved key", json('{"data":{"__proto__":{"fine":true}}}'), "once", PROCESSING),
  each("data that is no object", json('{"data":[1]}'), "once", PROCESSING),
  each("a result of 2 MiB", json(`{"data":{"a":"${"x".repeat(2 ** 21)}"}}`), "no", "RESOURCE_EXHAUSTED"),
  each("a header of 300 kB", json('{"data":{"fine":true}}', { "x-long": "x".repeat(300_000) }), "fine", ""),
  each(
    "an answer after the deadline",
    async (socket) => {
      await sleep(SHORT_MS + 100);
      await fine(socket, 1);
    },
    "yes",
    "STAGE_TIMEOUT",
  ),
  each(
    "a stream with broken framing",
    stream('event result\ndata {"data":{}}\n\n::::\n\n'),
    "yes",
    PROCESSING,
  ),
  each("a stream of another kind", stream('{"data":{"fine":true}}'), "yes", PROCESSING),
  each("a stream without result", stream('event: delta\ndata: {"text":"a"}\n\n'), "yes", PROCESSING),
  each("a second result", stream(`${RESULT}event: result\ndata: {"data":{"fine":false}}\n\n`), "fine", ""),
  each(
    "events after the result",
    stream(`${RESULT}event: delta\ndata: {"text":1}\n\nevent: error\ndata: nope\n\ndata: [DONE]\n\n`),
    "fine",
    "",
  ),
  each(
    "a reset after the result",
    breaksAfter(`${headOf("200 OK", SSE_TYPE)}${RESULT}event: del`),
    "fine",
    "",
  ),
  each(
    "comments without end after the result",
    writesForEver(`${headOf("200 OK", SSE_TYPE)}${RESULT}`, ": here\n\n", 50),
    "fine",
    "",
  ),
  each(
    "bytes without end after the result",
    writesForEver(`${headOf("200 OK", SSE_TYPE)}${RESULT}`, "x".repeat(65_536), 0),
    "fine",
    "",
  ),
  each(
    "a progress that is no progress",
    stream(`event: progress\ndata: {"message":1}\n\n${RESULT}`),
    "fine",
    "",
  ),
  each(
    "an error status whose body drips",
    writesForEver(headOf("500 Internal Server Error", JSON_TYPE), " ", 50),
    "yes",
    PROCESSING,
  ),
  each(
    "an error status whose body has no end",
    writesForEver(headOf("400 Bad Request", JSON_TYPE), " ".repeat(65_536), 0),
    "no",
    PROCESSING,
  ),
  each("a delta that is no delta", stream(`event: delta\ndata: {"text":1}\n\n${RESULT}`), "once", PROCESSING),
  each("a result that is no JSON", stream("event: result\ndata: {data}\n\n"), "once", PROCESSING),
  each("an error that is no problem document", stream("event: error\ndata: nope\n\n"), "once", PROCESSING),
  each("a result that is cut", stream('event: result\ndata: {"data":{\n\n'), "yes", PROCESSING),
];

function each(name: string, behaviour: RawBehaviour, retried: Retried, code: string): HostileCase {
  return { name, behaviour, retried, code, try_ms: code === "STAGE_TIMEOUT" ? SHORT_MS : LONG_MS };
}
