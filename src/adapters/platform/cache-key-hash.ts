// Cache keys as stores hold them: SHA-256 of the canonical text, which may be as long as a stage's inputs.
import type { CacheKey } from "../../core/caching/cache-key.ts";
import { sha256Hex } from "./system.ts";

export interface HashedKey {
  tenant: string;
  exact: string;
  family: string;
}

const hashes = new WeakMap<CacheKey, Promise<HashedKey>>();

/** Hashed once for each key. */
export function hashedKey(key: CacheKey): Promise<HashedKey> {
  let hashed = hashes.get(key);
  if (hashed === undefined) {
    hashed = Promise.all([sha256Hex(key.exact), sha256Hex(key.family)]).then(([exact, family]) => ({
      tenant: key.tenant,
      exact,
      family,
    }));
    hashes.set(key, hashed);
  }
  return hashed;
}
