// AGENT_COORDINATOR_TOKEN_SECRET: one secret as a text, or a JSON array of one or two, so that the secret can be replaced
// while tokens of 30 days are in use. The first signs, all verify.
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";

/** The secrets, or what is expected: nothing of the value. */
export function parseTokenSecrets(text: string): Result<readonly string[], string> {
  const list = listIn(text);
  const secrets = list ?? [text];
  const isUsable = secrets.length >= 1 && secrets.length <= 2 && secrets.every(isLongEnough);
  if (isUsable && new Set(secrets).size === secrets.length) return ok(secrets as string[]);
  return err(EXPECTED);
}

const EXPECTED = `at least ${LIMITS.TOKEN_SECRET_BYTES} bytes, or a JSON array of one or two different texts of that length (["new","old"])`;

/** The entries of a list; null where the text is itself the secret. */
function listIn(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    // Trap: a list with a mistake in it, taken for one secret, would sign and end every token in use without a word.
    return /^\s*\[\s*"/.test(text) ? [] : null;
  }
}

/** Shorter ones can be guessed from a token that was made with them. */
function isLongEnough(secret: unknown): boolean {
  return (
    typeof secret === "string" && new TextEncoder().encode(secret).byteLength >= LIMITS.TOKEN_SECRET_BYTES
  );
}

/** Hashed for the id of the key that a secret gives: another text than the key's, so that the id says nothing of it. */
export function keyIdText(secret: string): string {
  return `agent-coordinator token key id\n${secret}`;
}

/** Hashed for the key itself, so that a key derived from another secret is not that secret. */
export function keyText(secret: string): string {
  return `agent-coordinator stream token\n${secret}`;
}

/** Hex digits of a hash that name a key. */
export const KEY_ID_DIGITS = 8;
