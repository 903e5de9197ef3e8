// The variables of the webhook and of the collector.
import { describe, expect, test } from "vitest";
import { readOutbound } from "../../../src/adapters/outbound/outbound.ts";
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
