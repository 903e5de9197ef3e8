// Credentials taken out of texts: whole, cut, and in pieces wherever a stream cuts them.
import { array, assert, constantFrom, nat, oneof, property, string, option, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import {
  credentialTexts,
  redactExcerpt,
  RedactingStream,
  redactText,
  redactValue,
} from "../../../src/core/security/redact.ts";

const CANARY = "canary-7f3a9b2c";
const credentials = credentialTexts([`Bearer ${CANARY}`]);

describe("redactText", () => {
  test("takes out a credential with its scheme and without", () => {
    expect(credentials).toEqual([`Bearer ${CANARY}`, CANARY]);
    expect(redactText(`sent authorization: Bearer ${CANARY}!`, credentials)).toBe(
      "sent authorization: [redacted]!",
    );
    expect(redactText(`token ${CANARY} is bad`, credentials)).toBe("token [redacted] is bad");
  });

  test("takes out the beginning of one that a cut has left at the end", () => {
    expect(redactText(`token ${CANARY.slice(0, 10)}`, credentials)).toBe("token [redacted]");
    expect(redactText("a teddy Bear", credentials)).toBe("a teddy Bear");
  });

  test("leaves everything alone where a credential is too short to hide", () => {
    expect(credentialTexts(["abc", "x abc"])).toEqual([]);
  });
});

test("an excerpt of another text loses each piece of a secret that would reveal it", () => {
  const whole = `say Bearer ${CANARY}, please`;
  for (let from = 0; from < whole.length; from += 1) {
    for (let to = from + 1; to <= whole.length; to += 1) {
      const shown = redactExcerpt(whole.slice(from, to), credentials);
      for (let at = 0; at + 8 <= CANARY.length; at += 1)
        expect(shown).not.toContain(CANARY.slice(at, at + 8));
    }
  }
  expect(redactExcerpt("nothing of it", credentials)).toBe("nothing of it");
});

test("values lose them at any depth, in keys too", () => {
  const value = { [CANARY]: [{ deep: `x${CANARY}y` }], number: 1, none: null };
  expect(redactValue(value, credentials)).toEqual({
    "[redacted]": [{ deep: "x[redacted]y" }],
    number: 1,
    none: null,
  });
});

test("a stream loses them wherever it is cut, and loses nothing else", () => {
  const piece = oneof(string({ maxLength: 12 }), constantFrom(CANARY, `Bearer ${CANARY}`, "canary-", "Bear"));
  assert(
    property(array(piece, { maxLength: 8 }), array(nat(20), { maxLength: 40 }), (parts, cuts) => {
      const text = parts.join("");
      const stream = new RedactingStream(credentials);
      let out = "";
      let at = 0;
      for (const length of cuts) {
        out += stream.push(text.slice(at, at + length));
        at += length;
      }
      out += stream.push(text.slice(at));
      out += stream.rest();
      expect(out).not.toContain(CANARY);
      expect(out).toBe(redactText(text, credentials));
    }),
    { seed: 20261123, numRuns: 500 },
  );
});

test("a stream whose pieces replace what came before reads as the text that is left", () => {
  const piece = oneof(
    string({ maxLength: 6, unit: "grapheme" }),
    constantFrom(CANARY, `Bearer ${CANARY}`, "canary-", "Bear"),
  );
  assert(
    property(array(tuple(piece, option(nat(30))), { maxLength: 20 }), (pieces) => {
      const stream = new RedactingStream(credentials);
      let text = "";
      let read = "";
      for (const [words, offset] of pieces) {
        text = text.slice(0, offset ?? text.length) + words;
        const told: { text: string; offset?: number } =
          offset === null ? { text: stream.push(words) } : stream.replace(words, offset);
        read = read.slice(0, told.offset ?? read.length) + told.text;
        expect(read).not.toContain(CANARY);
      }
      expect(read + stream.rest()).toBe(redactText(text, credentials));
    }),
    { seed: 20261127, numRuns: 1_000 },
  );
});
