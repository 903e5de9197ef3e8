// Keys and stream tokens: what is accepted, what is not, and that a secret's text is never told.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accessWith } from "../../src/adapters/access.ts";
import { findKey, parseKeys } from "../../src/core/access/keys.ts";
import { parseOrigins } from "../../src/core/access/origins.ts";
import { TOKEN_SECONDS } from "../../src/core/access/token.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const ACME = { tenant: "acme", key_sha256: sha256("key-acme"), scopes: ["execute" as const] };
const OTHER = { tenant: "other", key_sha256: sha256("key-other"), scopes: ["admin" as const] };

describe("keys", () => {
  test("are read from their secret, upper case hex too", () => {
    const text = JSON.stringify([{ ...ACME, key_sha256: ACME.key_sha256.toUpperCase() }]);
    expect(parseKeys(text)).toEqual({ ok: true, value: [ACME] });
    expect(parseKeys(undefined)).toEqual({ ok: true, value: [] });
  });

  test.each([
    "not json",
    "{}",
    JSON.stringify([{ ...ACME, tenant: "Ac me" }]),
    JSON.stringify([{ ...ACME, scopes: ["root"] }]),
    JSON.stringify([{ ...ACME, scopes: [] }]),
    JSON.stringify([{ ...ACME, key_sha256: "abc" }]),
    JSON.stringify([{ ...ACME, key: "key-acme" }]),
    JSON.stringify([ACME, { ...OTHER, key_sha256: ACME.key_sha256 }]),
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

  test("a comparison looks at every character, wherever the first difference stands", () => {
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

describe("stream tokens", () => {
  const at = (ms: number, secret = "a secret") => accessWith([ACME], secret, { now: () => ms });
  const now = Date.UTC(2026, 10, 23);

  test("open one execution of one tenant for a day", async () => {
    const token = await at(now).streamToken("acme", "ex_1");
    expect(await at(now).tenantOfToken(token, "ex_1")).toBe("acme");
    expect(await at(now + TOKEN_SECONDS * 1_000 - 1).tenantOfToken(token, "ex_1")).toBe("acme");
    expect(await at(now + TOKEN_SECONDS * 1_000).tenantOfToken(token, "ex_1")).toBeNull();
    expect(await at(now).tenantOfToken(token, "ex_2")).toBeNull();
    expect(await at(now, "another secret").tenantOfToken(token, "ex_1")).toBeNull();
  });

  test("no token that was changed opens anything", async () => {
    const token = await at(now).streamToken("acme", "ex_1");
    const [tenant = "", expiry = "", signature = ""] = token.split(".");
    const changed = [
      `other.${expiry}.${signature}`,
      `${tenant}.${Number(expiry) + 1}.${signature}`,
      `${tenant}.${expiry}.${signature.slice(0, -2)}`,
      `${tenant}.${expiry}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`,
      `${tenant}.${expiry}.`,
      `${tenant}.${expiry}`,
      `${tenant}.${expiry}.${signature}.x`,
      `${tenant}.1e99.${signature}`,
      `${tenant}.-1.${signature}`,
      "",
      ".",
      "..",
      "é.1.é",
      "a".repeat(100_000),
    ];
    for (const forged of changed)
      expect(await at(now).tenantOfToken(forged, "ex_1"), forged.slice(0, 80)).toBeNull();
  });
});

test("origins are exact", () => {
  expect(parseOrigins("https://app.example.com, http://localhost:5173")).toEqual({
    ok: true,
    value: new Set(["https://app.example.com", "http://localhost:5173"]),
  });
  for (const wrong of [
    "*",
    "https://app.example.com/",
    "app.example.com",
    "https://*.example.com/x",
    "null",
  ]) {
    expect(parseOrigins(`https://fine.example.com,${wrong}`)).toEqual({ ok: false, error: wrong });
  }
});
