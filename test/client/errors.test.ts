// What the client makes of an answer that is a failure.
import { describe, expect, test } from "vitest";
import { errorOf } from "../../src/client/errors.ts";

const problem = (headers: Record<string, string>) =>
  new Response(JSON.stringify({ code: "RATE_LIMITED", detail: "try again" }), { status: 429, headers });

describe("retryAfterSeconds", () => {
  test.each([
    ["3", 3],
    ["1.5", 2],
    ["1795700000", 1_795_700_000],
    ["soon", null],
    ["-1", null],
    ["", null],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ])("of Retry-After: %s is %s", async (header, seconds) => {
    expect((await errorOf(problem({ "retry-after": header }))).retryAfterSeconds).toBe(seconds);
  });

  test("of a date is what is left until then", async () => {
    const date = new Date(Date.now() + 90_000).toUTCString();
    const { retryAfterSeconds } = await errorOf(problem({ "retry-after": date }));
    expect(retryAfterSeconds).toBeGreaterThan(80);
    expect(retryAfterSeconds).toBeLessThanOrEqual(90);
  });

  test("of no header is null", async () => {
    expect((await errorOf(problem({}))).retryAfterSeconds).toBeNull();
  });
});

test("a response that is not a coordinator's is shown, cut between characters", async () => {
  const { code, message } = await errorOf(new Response(`${"x".repeat(199)}\u{1f981}`, { status: 502 }));
  expect([code, message.isWellFormed()]).toEqual(["INVALID_RESPONSE", true]);
  expect(message).toMatch(/x{199}$/);
});
