// The keys of a deployment: parsed from their secret, and compared in constant time.
import { equalInConstantTime } from "../../contract/constant-time.ts";
import * as z from "../../contract/zod.ts";
import { ApiKey } from "../../contract/access.ts";
import { err, ok, type Result } from "../../contract/problem.ts";

/** The keys in the secret, or its error, which never contains the value. */
export function parseKeys(secret: string | undefined): Result<ApiKey[], string> {
  if (secret === undefined) return ok([]);
  let value: unknown;
  try {
    value = JSON.parse(secret);
  } catch {
    return err("a JSON array (it is not JSON)");
  }
  const keys = z.array(ApiKey).safeParse(value);
  if (!keys.success) {
    const issue = keys.error.issues[0];
    const fields = '{"tenant","key_sha256","scopes"}, and optionally "id","name","not_after"';
    return err(`a JSON array of ${fields} (/${issue?.path.join("/")} is wrong)`);
  }
  const hashes = new Set(keys.data.map((key) => key.key_sha256));
  if (hashes.size < keys.data.length) return err("distinct keys (a key_sha256 is repeated)");
  const ids = new Set(keys.data.map((key) => key.id));
  if (ids.size < keys.data.length) return err("distinct key ids (an id is repeated)");
  return ok(keys.data);
}

/** True once the key's `not_after` has passed. @param now ms since the epoch */
export function isExpired(key: ApiKey, now: number): boolean {
  return key.not_after !== undefined && Date.parse(key.not_after) < now;
}

/**
 * The key whose hash this is, or null. Both sides are hashes, so they are equally long and a caller cannot choose
 * how far a comparison gets; every key is compared.
 */
export function findKey(keys: readonly ApiKey[], sha256: string): ApiKey | null {
  let found: ApiKey | null = null;
  for (const key of keys) if (equalInConstantTime(key.key_sha256, sha256)) found = key;
  return found;
}
