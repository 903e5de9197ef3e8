// Byte arrays: concatenated, and in hex; texts of bytes in base64url.

/** Concatenates the parts; a single part is returned unchanged. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * The bytes in hex. Joined: a text that is put together piece by piece stays a tree of its pieces in V8, and
 * JSON.stringify takes three times as long for a value that holds one.
 */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => HEX[byte]).join("");
}

/** A text whose characters are bytes, in base64url without padding. */
export function toBase64Url(bytes: string): string {
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The text that was encoded so; null where it is not base64url. */
export function fromBase64Url(text: string): string | null {
  try {
    return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
}
