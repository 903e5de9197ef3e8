// Keys and tokens: a key is hashed before it is compared, a token carries an HMAC-SHA256. Any fault of a token for the
// outside is found by the same steps: one signature is computed, and compared to its end.
import type { Access } from "../../engine/worker-ports.ts";
import type { ApiKey } from "../../contract/access.ts";
import { equalInConstantTime } from "../../contract/constant-time.ts";
import { findKey } from "../../core/security/keys.ts";
import {
  claimsOf,
  type OutsideClaims,
  type OutsideKind,
  signedBody,
  signedToken,
  tokenBody,
  tokenParts,
} from "../../core/security/outside-token.ts";
import { keyOfToken, readToken, signedText, TOKEN_SECONDS, tokenText } from "../../core/security/token.ts";
import type { Clock } from "../../engine/ports.ts";
import { signatureOf, type SigningKeys, signingKeys } from "./signing-keys.ts";
import { sha256Hex } from "./system.ts";

/** @param secrets the first signs tokens, all verify them; with none no token lives longer than the isolate */
export function accessWith(
  keys: readonly ApiKey[],
  secrets: readonly string[],
  clock: Pick<Clock, "now">,
): Access {
  const signers = signingKeys(secrets);
  return {
    async keyHolder(key) {
      return findKey(keys, await sha256Hex(key));
    },
    async streamToken(tenant, run, key_id) {
      const expires_at = Math.floor(clock.now() / 1_000) + TOKEN_SECONDS;
      const claims = { tenant, ...run, key_id: key_id ?? "", expires_at };
      const text = signedText(claims, keyOfToken(keys, claims, clock.now()));
      const [{ key }] = await signers();
      return tokenText(claims, await signatureOf(key, text));
    },
    async openedBy(token, execution_id) {
      const read = readToken(token, execution_id, clock.now());
      const key = read === null ? null : keyOfToken(keys, read.claims, clock.now());
      if (read === null || key === null) return null;
      const isSigned = await isSignedByAny(await signers(), signedText(read.claims, key), read.signature);
      return isSigned ? { tenant: read.claims.tenant, started_at: read.claims.started_at } : null;
    },
    signWaitToken: (claims) => signOutside(signers(), "wait", claims),
    readWaitToken: (text) => readOutside(signers(), "wait", text),
    signCallbackToken: (claims) => signOutside(signers(), "callback", claims),
    readCallbackToken: (text) => readOutside(signers(), "callback", text),
  };
}

/** Its text does not say which secret has signed it: every key is tried. */
async function isSignedByAny(signers: SigningKeys, text: string, signature: string): Promise<boolean> {
  const right = await Promise.all(signers.map(({ key }) => signatureOf(key, text)));
  return right.map((each) => equalInConstantTime(each, signature)).includes(true);
}

async function signOutside<Kind extends OutsideKind>(
  signers: Promise<SigningKeys>,
  kind: Kind,
  claims: OutsideClaims[Kind],
): Promise<string> {
  const [{ id, key }] = await signers;
  const body = tokenBody(kind, claims, id);
  return signedToken(body, await signatureOf(key, signedBody(kind, body)));
}

async function readOutside<Kind extends OutsideKind>(
  signers: Promise<SigningKeys>,
  kind: Kind,
  text: string,
): Promise<OutsideClaims[Kind] | null> {
  const { key_id, body, signature } = tokenParts(text);
  const all = await signers;
  // A key that is not known is answered for by the first, whose signature it cannot have.
  const { key } = all.find(({ id }) => id === key_id) ?? all[0];
  const right = await signatureOf(key, signedBody(kind, body));
  return equalInConstantTime(right, signature) ? claimsOf(kind, body) : null;
}
