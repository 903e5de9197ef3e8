// Keys and stream tokens with WebCrypto: a key is hashed before it is compared, a token is an HMAC-SHA256.
import type { Access } from "../../engine/worker-ports.ts";
import type { ApiKey } from "../../contract/access.ts";
import { findKey } from "../../core/security/keys.ts";
import { keyOfToken, readToken, signedText, TOKEN_SECONDS, tokenText } from "../../core/security/token.ts";
import type { Clock } from "../../engine/ports.ts";
import { sha256Hex } from "./system.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;

/** @param secret what tokens are signed with */
export function accessWith(keys: readonly ApiKey[], secret: string, clock: Pick<Clock, "now">): Access {
  let imported: Promise<CryptoKey> | null = null;
  const signingKey = () => (imported ??= importKey(secret));
  return {
    async keyHolder(key) {
      return findKey(keys, await sha256Hex(key));
    },
    async streamToken(tenant, run, key_id) {
      const expires_at = Math.floor(clock.now() / 1_000) + TOKEN_SECONDS;
      const claims = { tenant, ...run, key_id: key_id ?? "", expires_at };
      const text = bytesOf(signedText(claims, keyOfToken(keys, claims, clock.now())));
      const signature = await crypto.subtle.sign(HMAC, await signingKey(), text);
      return tokenText(claims, base64Url(new Uint8Array(signature)));
    },
    async openedBy(token, execution_id) {
      const read = readToken(token, execution_id, clock.now());
      const key = read === null ? null : keyOfToken(keys, read.claims, clock.now());
      const signature = read === null ? null : fromBase64Url(read.signature);
      if (read === null || key === null || signature === null) return null;
      const text = bytesOf(signedText(read.claims, key));
      const valid = await crypto.subtle.verify(HMAC, await signingKey(), signature, text);
      return valid ? { tenant: read.claims.tenant, started_at: read.claims.started_at } : null;
    },
  };
}

/** The secret is hashed with a label first, so that a key derived from another secret is not that secret. */
async function importKey(secret: string): Promise<CryptoKey> {
  const material = await crypto.subtle.digest(
    "SHA-256",
    bytesOf(`agent-coordinator stream token\n${secret}`),
  );
  return crypto.subtle.importKey("raw", material, HMAC, false, ["sign", "verify"]);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(text)) return null;
  try {
    const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
    return bytes;
  } catch {
    return null;
  }
}
