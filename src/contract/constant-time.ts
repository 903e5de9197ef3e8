// Comparison of secrets, for the coordinator's keys and for the agent SDK.

/**
 * Compares two texts without stopping at the first difference. Callers pass hashes: they are equally long, and a caller
 * cannot choose how far a comparison gets.
 */
export function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
