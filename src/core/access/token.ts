// The stream token: `<tenant>.<expiry>.<signature>`, which opens one execution's events and nothing else. Owns its
// text; the signature is an adapter's matter.
import { Tenant } from "../../contract/names.ts";

/** How long a token is good for: a stream that is watched over night still reconnects. */
export const TOKEN_SECONDS = 24 * 3_600;

export interface TokenClaims {
  tenant: string;
  execution_id: string;
  /** Seconds since the epoch. */
  expires_at: number;
}

/** What is signed. The execution's id stands in the URL beside the token, so the token does not repeat it. */
export function signedText({ tenant, execution_id, expires_at }: TokenClaims): string {
  return `events\n${tenant}\n${execution_id}\n${expires_at}`;
}

export function tokenText(claims: TokenClaims, signature: string): string {
  return `${claims.tenant}.${claims.expires_at}.${signature}`;
}

/** What a token claims, or null where it is no token or its time is over. @param now ms since the epoch */
export function readToken(
  token: string,
  execution_id: string,
  now: number,
): { claims: TokenClaims; signature: string } | null {
  const [tenant = "", expiry = "", signature = "", ...rest] = token.split(".");
  if (rest.length > 0 || !Tenant.safeParse(tenant).success || !/^\d{1,11}$/.test(expiry)) return null;
  const expires_at = Number(expiry);
  if (expires_at * 1_000 <= now) return null;
  return { claims: { tenant, execution_id, expires_at }, signature };
}
