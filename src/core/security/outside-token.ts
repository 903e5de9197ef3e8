// Tokens for the outside: `<key id>.<claims>.<signature>`, URL-safe and at most LIMITS.OUTSIDE_TOKEN_CHARS long. A wait
// token answers one wait without a key; a callback token takes the later answer of one call of an agent. Owns their text;
// an adapter computes the signature.
//
// They have no expiry of their own: the execution's object knows whether the wait or the call is still open (30 days at
// most), and an expiry in the token could only disagree with it. They are bound to the run's start and to the `seq` at
// which the wait or the call began, so that they open neither a later run of the same id nor a later wait or try.
//
// Trap: a claim is to be read only after the signature has been checked, so `claimsOf` is a step of its own.
import { LIMITS } from "../../contract/limits.ts";
import { fromBase64Url, toBase64Url } from "../bytes.ts";
import type { TokenRun } from "./token.ts";

/** The stage of a run that a token is about. */
interface TokenStage extends TokenRun {
  tenant: string;
  /** For a callback, its unit: an item's call has a token of its own, also where a crash has given its `seq` away. */
  stage: string;
}

export interface WaitClaims extends TokenStage {
  /** The `seq` of the wait's `stage.waiting`. */
  wait: number;
  /** Names the token in `answered_by`: 1 to 32 characters of A-Z a-z 0-9 _ -, drawn by the caller. */
  id: string;
}

export interface CallbackClaims extends TokenStage {
  /** The `seq` of the call's `stage.started`. */
  call: number;
}

/** The claims of each kind of token. */
export interface OutsideClaims {
  wait: WaitClaims;
  callback: CallbackClaims;
}

export type OutsideKind = keyof OutsideClaims;

/** A token taken apart; nothing in it is known to be true. */
interface OutsideToken {
  /** The id that it gives of the secret that signed it. */
  key_id: string;
  /** The token without its signature. */
  body: string;
  signature: string;
}

/** Taken in the place of a text that is no token: such a text costs what a forged one costs. */
const NO_TOKEN: OutsideToken = { key_id: "00000000", body: "00000000.", signature: "A".repeat(43) };

/** A token without its signature. @param key_id of the secret that will sign it */
export function tokenBody<Kind extends OutsideKind>(
  kind: Kind,
  claims: OutsideClaims[Kind],
  key_id: string,
): string {
  const fields = FIELDS[kind].map((field) => (claims as unknown as Record<string, unknown>)[field]);
  return `${key_id}.${toBase64Url(fields.join("\n"))}`;
}

/** What is signed: the purpose makes a token of one kind, or a stream token, worthless as another. */
export function signedBody(kind: OutsideKind, body: string): string {
  return `${kind}/1\n${body}`;
}

/** The token whose body has this signature, of 32 bytes in base64url. */
export function signedToken(body: string, signature: string): string {
  return `${body}.${signature}`;
}

/** The parts of a text that has a token's form; `NO_TOKEN` for every other. */
export function tokenParts(text: string): OutsideToken {
  // The length comes first: a long text costs no search.
  const parts = text.length > LIMITS.OUTSIDE_TOKEN_CHARS ? null : TOKEN.exec(text);
  if (parts === null) return NO_TOKEN;
  const [, body = "", key_id = "", signature = ""] = parts;
  return { key_id, body, signature };
}

/** What the body of a token says whose signature is right; null where another version wrote it. */
export function claimsOf<Kind extends OutsideKind>(kind: Kind, body: string): OutsideClaims[Kind] | null {
  const values = fromBase64Url(body.slice(body.indexOf(".") + 1))?.split("\n");
  const fields = FIELDS[kind];
  if (values?.length !== fields.length) return null;
  const claims = fields.map((field, at) => [field, NUMBERS.has(field) ? Number(values[at]) : values[at]]);
  return Object.fromEntries(claims) as OutsideClaims[Kind];
}

/** The claims of a kind, in the order in which they are written. */
const FIELDS: { readonly [Kind in OutsideKind]: readonly (string & keyof OutsideClaims[Kind])[] } = {
  wait: ["tenant", "execution_id", "started_at", "stage", "wait", "id"],
  callback: ["tenant", "execution_id", "started_at", "stage", "call"],
};
const NUMBERS: ReadonlySet<string> = new Set(["started_at", "wait", "call"]);

const TOKEN = /^(([0-9a-f]{8})\.[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/;
