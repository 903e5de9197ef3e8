// The stream token: `<tenant>.<start>.<key>.<expiry>.<signature>`, which opens one run's events and nothing else. It is
// bound to the run's start, so that it does not open another run that was started under the same id later, and to the
// key under which it was made, whose removal ends it. Owns its text; an adapter computes the signature.
import type { ApiKey } from "../../contract/access.ts";
import { Tenant } from "../../contract/names.ts";
import { isExpired } from "./keys.ts";

/** How long a token is good for: a stream that is watched over night still reconnects. */
export const TOKEN_SECONDS = 24 * 3_600;
/** How far the clocks of two machines that sign and verify may differ. */
const CLOCK_SKEW_SECONDS = 300;

/** The run that a token opens. */
export interface TokenRun {
  execution_id: string;
  /** When it started, ms since the epoch. */
  started_at: number;
}

export interface TokenClaims extends TokenRun {
  tenant: string;
  /** The id of the key under which it was made; empty where no keys are asked for. */
  key_id: string;
  /** Seconds since the epoch. */
  expires_at: number;
}

/**
 * What is signed. The execution's id is in the URL beside the token, so the token does not repeat it; the key's hash is
 * known to the verifier, which has the key, so that another key of that id does not take its tokens over.
 */
export function signedText(claims: TokenClaims, key: ApiKey | null): string {
  const { tenant, execution_id, started_at, key_id, expires_at } = claims;
  return ["events/2", tenant, execution_id, started_at, key_id, key?.key_sha256 ?? "", expires_at].join("\n");
}

export function tokenText(claims: TokenClaims, signature: string): string {
  const { tenant, started_at, key_id, expires_at } = claims;
  return [tenant, started_at, key_id, expires_at, signature].join(".");
}

/**
 * What a token claims, or null if it is invalid, expired or valid for longer than any issued token.
 * @param now ms since the epoch
 */
export function readToken(
  token: string,
  execution_id: string,
  now: number,
): { claims: TokenClaims; signature: string } | null {
  const parts =
    /^([a-z0-9]{1,32})\.(\d{1,16})\.([A-Za-z0-9_-]{0,64})\.(\d{1,11})\.([A-Za-z0-9_-]{1,128})$/.exec(token);
  if (parts === null) return null;
  const [, tenant = "", start, key_id = "", expiry, signature = ""] = parts;
  const [started_at, expires_at] = [Number(start), Number(expiry)];
  const seconds = now / 1_000;
  if (!Tenant.safeParse(tenant).success || expires_at <= seconds) return null;
  if (expires_at > seconds + TOKEN_SECONDS + CLOCK_SKEW_SECONDS) return null;
  return { claims: { tenant, execution_id, started_at, key_id, expires_at }, signature };
}

/** The key under which a token was made, or null where it is not there any more. @param now ms since the epoch */
export function keyOfToken(
  keys: readonly ApiKey[],
  { tenant, key_id }: Pick<TokenClaims, "tenant" | "key_id">,
  now: number,
): ApiKey | null {
  const key = keys.find(({ id, ...of }) => id === key_id && of.tenant === tenant);
  return key === undefined || isExpired(key, now) ? null : key;
}
