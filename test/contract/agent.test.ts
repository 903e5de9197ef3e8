// The headers that an agent's registration may have: not those that the coordinator, the connection or a proxy sets.
import { describe, expect, test } from "vitest";
import { AgentRegistration } from "../../src/contract/agent.ts";
import { parseWith } from "../../src/http/request/body.ts";

const names = (text: string) => text.trim().split(/\s+/);
const registered = (name: string, secret = "secret:KEY") =>
  parseWith(AgentRegistration, { url: "https://agents.example.com/", headers: { [name]: secret } });

const REFUSED = [
  {
    what: "the coordinator sets itself",
    headers: names(`accept Accept-Encoding content-type content-length content-encoding Content-Range host
      idempotency-key traceparent coordinator-execution-id Coordinator-Anything`),
  },
  {
    what: "of the connection",
    headers:
      names(`connection Keep-Alive proxy-authorization proxy-authenticate proxy-connection te trailer trailers
      Transfer-Encoding upgrade http2-settings Expect`),
  },
  {
    what: "proxies or browsers set",
    headers:
      names(`cf-connecting-ip CF-Ray cf-worker cdn-loop x-forwarded-for X-Forwarded-Host x-forwarded-proto
      x-real-ip forwarded via sec-fetch-site Sec-WebSocket-Key`),
  },
];

describe.each(REFUSED)("headers $what", ({ what, headers }) => {
  test.each(headers)("%s is refused by its name, with a reason and without its value", (name) => {
    for (const binding of [false, true]) {
      const target = binding ? { binding: "AGENTS" } : { url: "https://agents.example.com/" };
      const refused = parseWith(AgentRegistration, { ...target, headers: { [name]: "secret:KEY" } });
      expect(refused).toMatchObject({
        ok: false,
        error: { code: "INVALID_REQUEST", errors: [{ pointer: `/headers/${name}` }] },
      });
      expect(JSON.stringify(refused)).toContain(what);
      expect(JSON.stringify(refused)).not.toContain("KEY");
    }
  });
});

test.each(
  names("authorization x-api-key Cookie user-agent accept-language x-forward x-te contented expected proxy"),
)("%s may be registered", (name) => {
  expect(registered(name)).toMatchObject({ ok: true, value: { headers: { [name]: "secret:KEY" } } });
});

test("an invalid header name is reported", () => {
  expect(registered("a b")).toMatchObject({
    ok: false,
    error: { errors: [{ pointer: "/headers/a b", detail: "is not a header name" }] },
  });
});
