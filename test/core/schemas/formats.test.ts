// The formats that are checked: what is of them, what is not, and that a long text costs no more than reading it.
import { describe, expect, test } from "vitest";
import { FORMATS } from "../../../src/core/schemas/formats.ts";

const MOST_MS = 100;
/** The square of it are minutes. */
const TEXT_CHARS = 256 * 1024;

const CASES: Readonly<Record<string, { right: string[]; wrong: string[] }>> = {
  "date-time": {
    right: ["2026-11-27T13:05:00Z", "2026-11-27t13:05:60.123456z", "2024-02-29T00:00:00-23:59"],
    wrong: [
      "2026-11-27",
      "2026-11-27 13:05:00Z",
      "2026-11-27T13:05:00",
      "2026-02-29T00:00:00Z",
      "2026-11-27T24:00:00Z",
    ],
  },
  date: {
    right: ["2026-11-27", "2024-02-29", "2000-02-29", "0001-01-31"],
    wrong: [
      "2026-02-29",
      "1900-02-29",
      "2026-13-01",
      "2026-00-01",
      "2026-04-31",
      "2026-1-1",
      "2026-11-00",
      " 2026-11-27",
    ],
  },
  time: { right: ["13:05:00Z", "00:00:00.5+01:00"], wrong: ["13:05Z", "13:05:00", "25:00:00Z", "13:60:00Z"] },
  duration: {
    right: ["P1Y2M3DT4H5M6S", "PT1M", "P4W", "P1D"],
    wrong: ["P", "PT", "1D", "P1DT", "P1W1D", "P1M1Y", "P-1D"],
  },
  email: {
    right: ["ada@example.org", "a.b+c@x-y.example", "o'neil@localhost"],
    wrong: [
      "ada",
      "@example.org",
      "ada@",
      ".ada@example.org",
      "a..b@example.org",
      "ada@-x.org",
      "a b@example.org",
      "a@b@c",
    ],
  },
  hostname: {
    right: ["example.org", "localhost", "a-1.b", "a".repeat(63)],
    wrong: ["", ".", "a..b", "-a", "a-", "a_b", "a".repeat(64), `${"a.".repeat(130)}a`],
  },
  ipv4: {
    right: ["0.0.0.0", "255.255.255.255"],
    wrong: ["256.1.1.1", "1.1.1", "1.1.1.1.1", "01.1.1.1", "1.1.1.", "a.b.c.d"],
  },
  ipv6: {
    right: [
      "::",
      "::1",
      "1::",
      "2001:db8::8:800:200c:417a",
      "1:2:3:4:5:6:7:8",
      "::ffff:1.2.3.4",
      "1:2:3:4:5:6:1.2.3.4",
    ],
    wrong: [
      "",
      ":",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "12345::",
      "::1.2.3",
      "1.2.3.4::",
      "::1%eth0",
      "1:2:3:4:5:6:7::8",
    ],
  },
  uri: {
    right: ["https://example.org/a?b=c#d", "urn:isbn:1", "mailto:a@b.c", "http://[::1]/", "data:,%41"],
    wrong: [
      "/a",
      "example.org",
      "http://a b",
      "http://x/%4",
      "http://x/%zz",
      "http://x/<>",
      "1a:b",
      "http://x/ä",
    ],
  },
  "uri-reference": {
    right: ["", "/a", "#b", "../c?d", "https://example.org"],
    wrong: ["a b", "%", "\\a", '"'],
  },
  uuid: {
    right: ["0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E"],
    wrong: ["0f8fad5b", "{0f8fad5b-d9cb-469f-a165-70867728950e}", "0f8fad5bd9cb469fa16570867728950e"],
  },
  "json-pointer": { right: ["", "/", "/a/0", "/a~0~1"], wrong: ["a", "/a~", "/a~2", "#/a"] },
  regex: { right: ["", "^a+$", "\\p{L}"], wrong: ["(", "\\y", "a".repeat(2_049)] },
  textarea: { right: ["", "a\nb"], wrong: [] },
};

test("each format has cases", () => {
  expect(Object.keys(CASES).toSorted()).toEqual([...FORMATS.keys()].toSorted());
});

describe.each(Object.entries(CASES))("%s", (name, { right, wrong }) => {
  const isValid = FORMATS.get(name) as (text: string) => boolean;

  test("is what it says", () => {
    expect(right.filter((text) => !isValid(text))).toEqual([]);
    expect(wrong.filter((text) => isValid(text))).toEqual([]);
  });

  test("takes no longer than reading it for a long text", () => {
    const parts = [
      "a",
      "1",
      "-",
      ".",
      ":",
      "%41",
      "%",
      "~",
      "~0",
      "/",
      "(",
      "[",
      "a.",
      "a-",
      "1:",
      "P1",
      "PT1",
      " ",
      "@",
    ];
    for (const head of ["", "P", "PT", "2026-11-27T13:05:00.", "a@", "http:", "::", "a"]) {
      for (const part of parts) {
        const text = head + part.repeat(TEXT_CHARS / part.length);
        const before = process.cpuUsage().user;
        isValid(text);
        isValid(`${text}!`);
        expect((process.cpuUsage().user - before) / 1_000, `${head}${part}…`).toBeLessThan(MOST_MS);
      }
    }
  });
});
