// The keys that sign tokens: HMAC-SHA256 with WebCrypto, one key for each secret. Derived at the first use and then kept:
// an isolate that signs nothing pays nothing.
import { toBase64Url } from "../../core/bytes.ts";
import { KEY_ID_DIGITS, keyIdText, keyText } from "../../core/security/token-secret.ts";
import { randomExecutionId, sha256Hex } from "./system.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;

interface SigningKey {
  id: string;
  key: CryptoKey;
}

/** The first signs, all verify. */
export type SigningKeys = readonly [SigningKey, ...SigningKey[]];

/**
 * The keys of these secrets. Without a secret they are of this isolate alone: its tokens end with it, and no others can
 * be made.
 */
export function signingKeys(secrets: readonly string[]): () => Promise<SigningKeys> {
  let derived: Promise<SigningKeys> | null = null;
  return () => (derived ??= deriveAll(secrets));
}

async function deriveAll([first, ...others]: readonly string[]): Promise<SigningKeys> {
  const [signs, ...verify] = await Promise.all([first ?? randomExecutionId(), ...others].map(derive));
  return [signs as SigningKey, ...verify];
}

async function derive(secret: string): Promise<SigningKey> {
  const material = await crypto.subtle.digest("SHA-256", bytesOf(keyText(secret)));
  const key = await crypto.subtle.importKey("raw", material, HMAC, false, ["sign", "verify"]);
  const id = (await sha256Hex(keyIdText(secret))).slice(0, KEY_ID_DIGITS);
  return { id, key };
}

/** The signature of a text, in base64url. */
export async function signatureOf(key: CryptoKey, text: string): Promise<string> {
  const signature = await crypto.subtle.sign(HMAC, key, bytesOf(text));
  return toBase64Url(String.fromCharCode(...new Uint8Array(signature)));
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
