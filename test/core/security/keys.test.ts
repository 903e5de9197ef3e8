// Keys: what is accepted, what is not, and that a secret's text is never shown.
import { describe, expect, test } from "vitest";
import { findKey, isExpired, parseKeys } from "../../../src/core/security/keys.ts";
import { ACME, entry, OTHER, sha256 } from "./api-keys.ts";

describe("keys", () => {
  test("are read from their secret, upper case hex too", () => {
    const text = JSON.stringify([{ ...entry("acme", "execute"), key_sha256: ACME.key_sha256.toUpperCase() }]);
    expect(parseKeys(text)).toEqual({ ok: true, value: [ACME] });
    expect(parseKeys(undefined)).toEqual({ ok: true, value: [] });
  });

  test("may have an id, a name and an end; the id is the hash's first eight digits where none is given", () => {
    const until = "2026-12-31T23:59:59Z";
    const keys = [
      { ...entry("acme", "execute"), id: "ci-1", name: "ci", not_after: until, scopes: ["read"] },
      { ...entry("other", "admin"), name: "ci" },
    ];
    expect(parseKeys(JSON.stringify(keys))).toEqual({
      ok: true,
      value: [keys[0], { ...keys[1], id: OTHER.id }],
    });
  });

  test("end with their not_after, in the zone that it names", () => {
    const at = Date.parse("2026-12-31T23:00:00Z");
    for (const not_after of ["2026-12-31T23:00:00Z", "2027-01-01T00:00:00.000+01:00"]) {
      const [key] = parseKeysOrThrow([{ ...entry("acme", "execute"), not_after }]);
      expect(isExpired(key as typeof ACME, at)).toBe(false);
      expect(isExpired(key as typeof ACME, at + 1)).toBe(true);
    }
    expect(isExpired(ACME, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  const parseKeysOrThrow = (keys: unknown) => {
    const parsed = parseKeys(JSON.stringify(keys));
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  };

  test.each([
    "not json",
    "{}",
    JSON.stringify([{ ...ACME, tenant: "Ac me" }]),
    JSON.stringify([{ ...ACME, scopes: ["root"] }]),
    JSON.stringify([{ ...ACME, scopes: [] }]),
    JSON.stringify([{ ...ACME, key_sha256: "abc" }]),
    JSON.stringify([{ ...ACME, key: "key-acme" }]),
    JSON.stringify([ACME, { ...OTHER, key_sha256: ACME.key_sha256 }]),
    JSON.stringify([ACME, { ...OTHER, id: ACME.id }]),
    JSON.stringify([{ ...entry("acme", "execute") }, { ...OTHER, id: ACME.id }]),
    JSON.stringify([{ ...ACME, id: "a b" }]),
    JSON.stringify([{ ...ACME, id: "a.b" }]),
    JSON.stringify([{ ...ACME, id: "" }]),
    JSON.stringify([{ ...ACME, name: "" }]),
    JSON.stringify([{ ...ACME, not_after: "tomorrow" }]),
    JSON.stringify([{ ...ACME, not_after: "2026-12-31T23:00:00" }]),
    JSON.stringify([{ ...ACME, not_after: 1_800_000_000 }]),
  ])("a bad secret is refused without a word of it: %s", (secret) => {
    const parsed = parseKeys(secret);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain(ACME.key_sha256);
    expect(JSON.stringify(parsed)).not.toContain("key-acme");
  });

  test("are found by their hash, and by nothing that is nearly it", () => {
    expect(findKey([ACME, OTHER], sha256("key-other"))).toBe(OTHER);
    for (const wrong of ["", ACME.key_sha256.slice(0, -1), `${ACME.key_sha256}0`, sha256("key-acm")]) {
      expect(findKey([ACME, OTHER], wrong)).toBeNull();
    }
  });

  test("a comparison reads every character, at any position of the first difference", () => {
    let reads = 0;
    const counted = (text: string) =>
      new Proxy(Object(text) as object, {
        get: (target, name) => {
          if (name === "charCodeAt") {
            return (at: number) => {
              reads += 1;
              return text.charCodeAt(at);
            };
          }
          return Reflect.get(target, name) as unknown;
        },
      }) as unknown as string;
    const looked = (presented: string) => {
      reads = 0;
      findKey([ACME, OTHER], counted(presented));
      return reads;
    };
    const differsAtOnce = `${ACME.key_sha256.startsWith("0") ? "1" : "0"}${ACME.key_sha256.slice(1)}`;
    expect(looked(ACME.key_sha256)).toBe(128);
    expect(looked(differsAtOnce)).toBe(128);
  });
});
