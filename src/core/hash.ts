// FNV-1a: a non-cryptographic hash that spreads names over shards and distinguishes values; collisions can be forged.
// Not for anything that must not be guessed or forged.

const FNV_SEED = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** 32 bits. */
export function fnv1a(text: string): number {
  let hash = FNV_SEED;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}

/** 64 bits as 16 hex digits: two hashes, seeded apart, in one pass. */
export function hash64(text: string): string {
  let first = FNV_SEED;
  let second = 0x01234567;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    first = Math.imul(first ^ unit, FNV_PRIME);
    second = Math.imul(second ^ unit, FNV_PRIME);
  }
  return hex(first) + hex(second);
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}
