// A delivery's Retry-After, as a real receiver sends it.
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deliver } from "../../../src/adapters/outbound/webhook.ts";
import { onLoopback } from "../../support/servers/loopback.ts";

const DAY_MS = 86_400_000;
let receiver: Awaited<ReturnType<typeof onLoopback>>;

beforeAll(async () => {
  const server = createServer((request, response) => {
    const header = decodeURIComponent((request.url ?? "/").slice(1));
    request.resume();
    response.writeHead(503, header === "" ? {} : { "retry-after": header }).end();
  });
  receiver = await onLoopback(server);
});

afterAll(() => receiver.close());

test.each([
  ["", null],
  ["30", 30_000],
  ["1.5", 2_000],
  ["9999999999", DAY_MS],
  ["soon", null],
  ["0x10", null],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["Fri, 31 Dec 9999 23:59:59 GMT", DAY_MS],
])("%j is %s ms", async (header, retry_after_ms) => {
  const target = {
    url: `${receiver.url}/${encodeURIComponent(header)}`,
    key: new Uint8Array(24),
    format: "standard" as const,
  };
  expect(await deliver(target, "msg_1", "{}", Date.now())).toEqual({ status: 503, retry_after_ms });
});
