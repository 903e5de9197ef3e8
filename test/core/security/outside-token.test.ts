// Tokens for the outside: what one says, that nothing else is read as one, which secrets verify, and that finding out that
// a text is none takes the same steps whatever is wrong with it.
import { createHash, createHmac } from "node:crypto";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { accessWith } from "../../../src/adapters/platform/access.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import {
  type CallbackClaims,
  signedBody,
  type WaitClaims,
} from "../../../src/core/security/outside-token.ts";
import { ACME } from "./api-keys.ts";

const [OLD, NEW, OTHER] = [
  "the old secret of tokens!",
  "the new secret of tokens!",
  "a secret of another place",
];
const with_ = (...secrets: string[]) => accessWith([ACME], secrets, { now: () => 1_800_000_000_000 });
const ACCESS = with_(OLD);

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const RUN = { tenant: "acme", execution_id: "ex_1", started_at: 1_800_000_000_000, stage: "approve.v-1" };
const WAIT: WaitClaims = { ...RUN, wait: 7, id: "tk_1-A" };
const CALL: CallbackClaims = { ...RUN, call: 7 };
const LONGEST: WaitClaims = {
  tenant: "t".repeat(32),
  execution_id: "e".repeat(64),
  started_at: 9_999_999_999_999,
  stage: "s".repeat(64),
  wait: 9_999_999_999,
  id: "i".repeat(32),
};

afterEach(() => vi.restoreAllMocks());

const nameOf = (pattern: RegExp) => fc.stringMatching(pattern);
const run = {
  tenant: nameOf(/^[a-z0-9]{1,32}$/),
  execution_id: nameOf(/^[A-Za-z0-9_-]{1,64}$/),
  started_at: fc.nat(9_999_999_999_999),
  stage: nameOf(/^[A-Za-z0-9_.-]{1,64}$/),
};
const waits = fc.record({ ...run, wait: fc.nat(), id: nameOf(/^[A-Za-z0-9_-]{1,32}$/) });
const calls = fc.record({ ...run, call: fc.nat() });

describe("a token", () => {
  test("says what was signed, in a text for an address", async () => {
    for (const claims of [WAIT, LONGEST]) {
      const token = await ACCESS.signWaitToken(claims);
      expect(token).toMatch(/^[A-Za-z0-9_.-]+$/);
      expect(token.length).toBeLessThanOrEqual(LIMITS.OUTSIDE_TOKEN_CHARS);
      expect(await ACCESS.readWaitToken(token)).toEqual(claims);
    }
    const token = await ACCESS.signCallbackToken(CALL);
    expect(await ACCESS.readCallbackToken(token)).toEqual(CALL);
    expect(await ACCESS.signCallbackToken(CALL)).toBe(token);
  });

  test("any claims are read as they were signed", async () => {
    await fc.assert(
      fc.asyncProperty(waits, calls, async (wait, call) => {
        expect(await ACCESS.readWaitToken(await ACCESS.signWaitToken(wait))).toEqual(wait);
        expect(await ACCESS.readCallbackToken(await ACCESS.signCallbackToken(call))).toEqual(call);
      }),
    );
  });

  test("is written so for good: tokens are in use for 30 days", async () => {
    const token = await ACCESS.signWaitToken(WAIT);
    const hash = (label: string) =>
      createHash("sha256").update(`agent-coordinator ${label}\n${OLD}`).digest();
    const fields = ["acme", "ex_1", 1_800_000_000_000, "approve.v-1", 7, "tk_1-A"].join("\n");
    const body = `${hash("token key id").toString("hex").slice(0, 8)}.${Buffer.from(fields).toString("base64url")}`;
    const hmac = createHmac("sha256", hash("stream token")).update(`wait/1\n${body}`);
    expect(token).toBe(`${body}.${hmac.digest("base64url")}`);
  });

  test("with any character changed, left out or added is none", async () => {
    const tokens = [await ACCESS.signWaitToken(WAIT), await ACCESS.signCallbackToken(CALL)];
    const character = fc.constantFrom(...Array.from("ABCXYZabcxyz0189_-.=~+/ é\n\u0000"));
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.option(character), fc.boolean(), async (place, put, inserts) => {
        for (const token of tokens) {
          const at = place % token.length;
          const changed = `${token.slice(0, at)}${put ?? ""}${token.slice(inserts ? at : at + 1)}`;
          if (changed === token) continue;
          expect(await ACCESS.readWaitToken(changed), changed).toBeNull();
          expect(await ACCESS.readCallbackToken(changed), changed).toBeNull();
        }
      }),
      { numRuns: 500 },
    );
  });

  test("each character counts: another of the alphabet in its place is found out", async () => {
    const token = await ACCESS.signWaitToken(WAIT);
    for (let at = 0; at < token.length; at += 1) {
      // The last character of a base64 text has bits that are not read.
      for (const put of at === token.length - 1 ? ALPHABET : "AZh0_") {
        const changed = `${token.slice(0, at)}${put}${token.slice(at + 1)}`;
        if (changed !== token) expect(await ACCESS.readWaitToken(changed), `${at} ${put}`).toBeNull();
      }
    }
  });

  test("of one kind is none of another", async () => {
    await fc.assert(
      fc.asyncProperty(waits, async (claims) => {
        const { tenant, execution_id, started_at, wait } = claims;
        const token = await ACCESS.signWaitToken(claims);
        expect(await ACCESS.readCallbackToken(token)).toBeNull();
        expect(await ACCESS.openedBy(token, execution_id)).toBeNull();
        const callback = await ACCESS.signCallbackToken({ ...claims, call: wait });
        expect(await ACCESS.readWaitToken(callback)).toBeNull();
        expect(await ACCESS.openedBy(callback, execution_id)).toBeNull();
        const stream = await ACCESS.streamToken(tenant, { execution_id, started_at }, ACME.id);
        expect(await ACCESS.readWaitToken(stream)).toBeNull();
        expect(await ACCESS.readCallbackToken(stream)).toBeNull();
      }),
      { numRuns: 50 },
    );
    // Not by the number of their claims alone.
    expect(signedBody("wait", "b")).not.toBe(signedBody("callback", "b"));
  });

  test("that an old secret signed is read while it is listed, and not after", async () => {
    const token = await with_(OLD).signWaitToken(WAIT);
    const rotated = with_(NEW, OLD);
    expect(await rotated.readWaitToken(token)).toEqual(WAIT);
    expect(await with_(NEW).readWaitToken(token)).toBeNull();
    const fresh = await rotated.signCallbackToken(CALL);
    expect(await with_(NEW).readCallbackToken(fresh)).toEqual(CALL);
    expect(await with_(OLD).readCallbackToken(fresh)).toBeNull();
    expect(fresh.split(".")[0]).not.toBe(token.split(".")[0]);
  });

  test("is made and read where no keys are asked for; without any secret none from elsewhere is read", async () => {
    const token = await with_("").signWaitToken(WAIT);
    expect(await with_("").readWaitToken(token)).toEqual(WAIT);
    const none = with_();
    expect(await none.readWaitToken(token)).toBeNull();
    expect(await none.readWaitToken(await none.signWaitToken(WAIT))).toEqual(WAIT);
    expect(await with_().readWaitToken(await none.signWaitToken(WAIT))).toBeNull();
  });
});

describe("a text that is no token", () => {
  const texts = async (): Promise<[string, string][]> => {
    const token = await ACCESS.signWaitToken(WAIT);
    const [body, signature] = splitAtLast(token);
    const differsAt = (at: number) =>
      `${signature.slice(0, at)}${signature[at] === "A" ? "B" : "A"}${signature.slice(at + 1)}`;
    return [
      ["right", token],
      ["its first character", `${body}.${differsAt(0)}`],
      ["its last character", `${body}.${differsAt(42)}`],
      ["another secret's", await with_(OTHER).signWaitToken(WAIT)],
      [
        "another secret's, under this key's id",
        `${body}.${splitAtLast(await with_(OTHER).signWaitToken(WAIT))[1]}`,
      ],
      ["another kind's", await ACCESS.signCallbackToken(CALL)],
      ["a stream's", await ACCESS.streamToken("acme", RUN, ACME.id)],
      ["empty", ""],
      ["malformed", "no token"],
      ["short of a signature", body],
      ["a short signature", token.slice(0, -1)],
      ["a long signature", `${token}A`],
      ["too long", `${token.slice(0, 9)}${"A".repeat(400)}.${signature}`],
      ["much too long", "A".repeat(1_000_000)],
    ];
  };

  test("costs what a right one costs: one signature, and a comparison to its end", async () => {
    const rotated = with_(NEW, OLD);
    for (const [what, text] of await texts()) {
      const read = await rotated.readWaitToken(text);
      expect(read, what).toEqual(what === "right" ? WAIT : null);
      const sign = vi.spyOn(crypto.subtle, "sign");
      const compared = vi.spyOn(String.prototype, "charCodeAt");
      await rotated.readWaitToken(text);
      const [signatures, characters] = [sign.mock.calls.length, compared.mock.calls.length];
      vi.restoreAllMocks();
      expect([signatures, characters], what).toEqual([1, 2 * 43]);
    }
  });

  test("signing keys are derived once, at the first use", async () => {
    const derived = vi.spyOn(crypto.subtle, "importKey");
    const access = with_(NEW, OLD);
    expect(derived).not.toHaveBeenCalled();
    await access.signCallbackToken(CALL);
    await access.readCallbackToken("no token");
    await access.streamToken("acme", RUN, ACME.id);
    expect(derived).toHaveBeenCalledTimes(2);
  });
});

function splitAtLast(token: string): [string, string] {
  const at = token.lastIndexOf(".");
  return [token.slice(0, at), token.slice(at + 1)];
}
