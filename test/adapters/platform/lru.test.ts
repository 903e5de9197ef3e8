// The bounded map: what it forgets, and what counts as a use.
import { expect, test } from "vitest";
import { Lru } from "../../../src/adapters/platform/lru.ts";

const there = (map: Lru<string, unknown>, keys: string) =>
  keys
    .split("")
    .filter((key) => map.peek(key) !== undefined)
    .join("");

test("beyond its bound it forgets what was unused for longest", () => {
  const map = new Lru<string, number>({ entries: 3 });
  for (const key of "abc") map.set(key, 1);
  expect(map.get("a", () => 2)).toBe(1);
  map.set("d", 4);
  expect(there(map, "abcd")).toBe("acd");
});

test("a value is made once, while it is known", () => {
  const map = new Lru<string, number>({ entries: 2 });
  let made = 0;
  const make = () => (made += 1);
  expect([map.get("a", make), map.get("a", make), map.get("b", make), map.get("c", make)]).toEqual([
    1, 1, 2, 3,
  ]);
  expect(map.get("a", make)).toBe(4);
});

test("a look without a use does not keep an entry, and what is deleted is gone", () => {
  const map = new Lru<string, number>({ entries: 2 });
  map.set("a", 1);
  map.set("b", 2);
  expect(map.peek("a")).toBe(1);
  map.set("c", 3);
  expect(there(map, "abc")).toBe("bc");
  map.delete("b");
  expect(there(map, "abc")).toBe("c");
});

test("weights are a second bound; the entry that was set last stays, also alone above it", () => {
  const map = new Lru<string, { size: number }>({
    entries: 10,
    weight: { most: 10, of: ({ size }) => size },
  });
  const grown = { size: 1 };
  map.set("a", grown);
  for (const key of "bcd") map.set(key, { size: 3 });
  expect(there(map, "abcd")).toBe("abcd");
  grown.size = 4;
  map.trim("a");
  // The first in order is the one that is kept: nothing before it can go.
  expect(there(map, "abcd")).toBe("abcd");
  map.set("e", { size: 3 });
  expect(there(map, "abcde")).toBe("cde");
  map.set("f", { size: 20 });
  expect(there(map, "abcdef")).toBe("f");
});
