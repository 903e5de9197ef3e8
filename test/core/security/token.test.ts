// Keys and stream tokens: what is accepted, what is not, and that a secret's text is never told.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accessWith } from "../../../src/adapters/platform/access.ts";
import type { ApiKey } from "../../../src/contract/access.ts";
import { findKey, isExpired, parseKeys } from "../../../src/core/security/keys.ts";
import { parseOrigins } from "../../../src/core/security/origins.ts";
import { TOKEN_SECONDS } from "../../../src/core/security/token.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const entry = (tenant: string, scope: "execute" | "admin") => ({
  tenant,
  key_sha256: sha256(`key-${tenant}`),
  scopes: [scope],
});
const known = (of: ReturnType<typeof entry>) => ({ ...of, id: of.key_sha256.slice(0, 8) });
const ACME = known(entry("acme", "execute"));
const OTHER = known(entry("other", "admin"));

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

describe("stream tokens", () => {
  const now = Date.UTC(2026, 10, 23);
  const RUN = { execution_id: "ex_1", started_at: now - 5_000 };
  const OPENED = { tenant: "acme", started_at: RUN.started_at };
  const at = (ms: number, keys: readonly ApiKey[] = [ACME, OTHER], secret = "a secret of enough bytes") =>
    accessWith(keys, secret, { now: () => ms });
  const made = (ms = now) => at(ms).streamToken("acme", RUN, ACME.id);
  const DAY = TOKEN_SECONDS * 1_000;

  test("open one run of one tenant for a day", async () => {
    const token = await made();
    expect(await at(now).openedBy(token, "ex_1")).toEqual(OPENED);
    expect(await at(now + DAY - 1).openedBy(token, "ex_1")).toEqual(OPENED);
    expect(await at(now + DAY).openedBy(token, "ex_1")).toBeNull();
    expect(await at(now).openedBy(token, "ex_2")).toBeNull();
    expect(await at(now, [ACME], "another secret of enough bytes").openedBy(token, "ex_1")).toBeNull();
  });

  test("are not good for longer than a day, but for what clocks may differ", async () => {
    const ahead = (ms: number) => made(now + ms);
    expect(await at(now).openedBy(await ahead(299_000), "ex_1")).toEqual(OPENED);
    expect(await at(now).openedBy(await ahead(302_000), "ex_1")).toBeNull();
    expect(await at(now).openedBy(await ahead(365 * DAY), "ex_1")).toBeNull();
  });

  test("end with the key under which they were made", async () => {
    const token = await made();
    expect(await at(now, [OTHER, ACME]).openedBy(token, "ex_1")).toEqual(OPENED);
    const without: [string, ApiKey[]][] = [
      ["removed", [OTHER]],
      ["expired", [{ ...ACME, not_after: new Date(now - 1).toISOString() }, OTHER]],
      ["replaced by another of that id", [{ ...ACME, key_sha256: sha256("key-new") }]],
      ["another tenant's", [{ ...ACME, tenant: "other" }]],
      ["known by another id", [{ ...ACME, id: "renamed" }]],
      ["no keys at all", []],
    ];
    for (const [what, keys] of without) expect(await at(now, keys).openedBy(token, "ex_1"), what).toBeNull();
    const later = { ...ACME, not_after: new Date(now + 1).toISOString() };
    expect(await at(now, [later]).openedBy(token, "ex_1")).toEqual(OPENED);
  });

  test("made where no keys are asked for open nothing where they are", async () => {
    const token = await at(now, []).streamToken("local", RUN, null);
    expect(token).toMatch(/^local\.\d+\.\.\d+\.[\w-]+$/);
    const local = { ...ACME, tenant: "local" };
    for (const keys of [[], [local], [{ ...local, id: "" }]]) {
      expect(await at(now, keys).openedBy(token, "ex_1")).toBeNull();
    }
  });

  test("no token that was changed opens anything", async () => {
    const token = await made();
    const [tenant = "", start = "", key = "", expiry = "", signature = ""] = token.split(".");
    const changed = [
      ["other", start, key, expiry, signature],
      [tenant, Number(start) + 1, key, expiry, signature],
      [tenant, start, OTHER.id, expiry, signature],
      [tenant, start, "", expiry, signature],
      [tenant, start, key, Number(expiry) + 1, signature],
      [tenant, start, key, expiry, signature.slice(0, -2)],
      [tenant, start, key, expiry, `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`],
      [tenant, start, key, expiry, ""],
      [tenant, start, key, expiry],
      [tenant, start, key, expiry, signature, "x"],
      [tenant, start, key, "1e9", signature],
      [tenant, "-1", key, expiry, signature],
      // As an earlier version made them: bound to no run and to no key.
      [tenant, expiry, signature],
      [""],
      ["", "", "", "", ""],
      ["é", 1, "", 1, "é"],
      ["a".repeat(100_000)],
    ].map((parts) => parts.join("."));
    for (const forged of changed) {
      expect(await at(now).openedBy(forged, "ex_1"), forged.slice(0, 80)).toBeNull();
    }
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
