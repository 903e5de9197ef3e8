// Retry-After: RFC 9110's forms, a fraction rounded up, and nothing else.
import { describe, expect, test } from "vitest";
import { retryAfterMs } from "../../src/contract/retry-after.ts";

/** Sunday, 6 November 1994, 08:49:07 GMT: half a minute before the RFC's example. */
const NOW = Date.UTC(1994, 10, 6, 8, 49, 7);

describe("delay-seconds", () => {
  test.each([
    ["0", 0],
    ["1", 1_000],
    ["120", 120_000],
    [" 120\t", 120_000],
    ["007", 7_000],
    ["1.5", 2_000],
    ["32.5", 33_000],
    ["0.493", 1_000],
    ["299.997", 300_000],
    ["1.0", 1_000],
    ["2026", 2_026_000],
    ["1795700000", 1_795_700_000_000],
    ["99999999999", 99_999_999_999_000],
  ])("%j is %i ms", (header, ms) => expect(retryAfterMs(header, NOW)).toBe(ms));

  test("of any length is a very long wait, which a time can bear", () => {
    const wait = retryAfterMs("9".repeat(400), NOW) ?? 0;
    expect(wait).toBeGreaterThan(1_000 * 365 * 86_400_000);
    expect(Number.isSafeInteger(wait + NOW)).toBe(true);
  });
});

describe("HTTP-date", () => {
  test.each([
    ["Sun, 06 Nov 1994 08:49:37 GMT", 30_000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 30_000],
    ["Sun Nov  6 08:49:37 1994", 30_000],
    ["Sun, 06 Nov 1994 08:49:07 GMT", 0],
    ["Sun, 06 Nov 1994 08:49:06 GMT", 0],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["Mon, 07 Nov 1994 08:49:07 GMT", 86_400_000],
    ["Thu Nov 16 08:49:07 1994", 10 * 86_400_000],
    // Two digits: 50 years ahead at most, else the last century's.
    ["Sunday, 06-Nov-44 08:49:07 GMT", Date.UTC(2044, 10, 6, 8, 49, 7) - NOW],
    ["Sunday, 06-Nov-45 08:49:07 GMT", 0],
    ["Saturday, 06-Nov-99 08:49:07 GMT", Date.UTC(1999, 10, 6, 8, 49, 7) - NOW],
    ["Monday, 06-Nov-00 08:49:07 GMT", Date.UTC(2000, 10, 6, 8, 49, 7) - NOW],
    ["Thu, 29 Feb 1996 00:00:00 GMT", Date.UTC(1996, 1, 29) - NOW],
    ["Sat, 31 Dec 1994 23:59:60 GMT", Date.UTC(1995, 0, 1) - NOW],
  ])("%s", (header, ms) => expect(retryAfterMs(header, NOW)).toBe(ms));
});

describe("anything else is not a Retry-After", () => {
  test.each([
    null,
    "",
    " ",
    "-1",
    "+1",
    "1e3",
    "1.",
    ".5",
    "0x10",
    "1,5",
    "120, 120",
    "120s",
    "soon",
    "Infinity",
    "1995-11-06T08:49:37Z",
    "11/06/1994",
    "November 6, 1994",
    "6 Nov 1994",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 30 Feb 1994 08:49:37 GMT",
    "Sun, 29 Feb 1995 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
  ])("%j", (header) => expect(retryAfterMs(header, NOW)).toBeNull());
});
