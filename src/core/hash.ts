// FNV-1a: a non-cryptographic hash that spreads names over shards and distinguishes values; collisions can be forged.
// Not for anything that must not be guessed or forged.

const FNV_SEED = 0x811c9dc5;

/** 32 bits. @param seed another one gives a hash of its own */
export function fnv1a(text: string, seed: number = FNV_SEED): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** 64 bits as 16 hex digits: two hashes, seeded apart. */
export function hash64(text: string): string {
  return [FNV_SEED, 0x01234567].map((seed) => fnv1a(text, seed).toString(16).padStart(8, "0")).join("");
}
