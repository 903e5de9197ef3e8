// FNV-1a against the values that its authors publish.
import { expect, test } from "vitest";
import { fnv1a, hash64 } from "../../src/core/hash.ts";

test.each([
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["b", 0xe70c2de5],
  ["foobar", 0xbf9cf968],
])("%j", (text, hash) => {
  expect(fnv1a(text)).toBe(hash);
});

test("64 bits are two hashes of 32, of which the first is the plain one", () => {
  expect(hash64("foobar")).toBe("bf9cf968a7730eee");
  expect(hash64("")).toBe("811c9dc501234567");
  const many = new Set(Array.from({ length: 100_000 }, (_, at) => hash64(`name-${at}`)));
  expect(many.size).toBe(100_000);
});
