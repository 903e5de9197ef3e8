// Stream tokens: what one opens, until when, and that no token that was changed opens anything.
import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { accessWith } from "../../../src/adapters/platform/access.ts";
import type { ApiKey } from "../../../src/contract/access.ts";
import { TOKEN_SECONDS } from "../../../src/core/security/token.ts";
import { ACME, OTHER, sha256 } from "./api-keys.ts";

describe("stream tokens", () => {
  const SECRET = "a secret of enough bytes";
  const now = Date.UTC(2026, 10, 23);
  const RUN = { execution_id: "ex_1", started_at: now - 5_000 };
  const OPENED = { tenant: "acme", started_at: RUN.started_at };
  const at = (ms: number, keys: readonly ApiKey[] = [ACME, OTHER], ...secrets: string[]) =>
    accessWith(keys, secrets.length === 0 ? [SECRET] : secrets, { now: () => ms });
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

  test("of an earlier version open their run, and so do those that a secret signed which is still listed", async () => {
    const [start, expiry] = [RUN.started_at, now / 1_000 + TOKEN_SECONDS];
    const signed = ["events/2", "acme", "ex_1", start, ACME.id, ACME.key_sha256, expiry].join("\n");
    const key = createHash("sha256").update(`agent-coordinator stream token\n${SECRET}`).digest();
    const signature = createHmac("sha256", key).update(signed).digest("base64url");
    const token = ["acme", start, ACME.id, expiry, signature].join(".");
    expect(await made()).toBe(token);
    const NEW = "another secret of enough bytes";
    expect(await at(now, [ACME], SECRET).openedBy(token, "ex_1")).toEqual(OPENED);
    expect(await at(now, [ACME], NEW, SECRET).openedBy(token, "ex_1")).toEqual(OPENED);
    expect(await at(now, [ACME], NEW).openedBy(token, "ex_1")).toBeNull();
    const fresh = await at(now, [ACME], NEW, SECRET).streamToken("acme", RUN, ACME.id);
    expect(await at(now, [ACME], NEW).openedBy(fresh, "ex_1")).toEqual(OPENED);
    expect(await at(now, [ACME], SECRET).openedBy(fresh, "ex_1")).toBeNull();
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
