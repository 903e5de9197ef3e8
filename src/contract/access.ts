// The API keys of a deployment (the secret AGENT_COORDINATOR_API_KEYS, src/contract/README.md section 5).
import { LIMITS } from "./limits.ts";
import { Tenant } from "./names.ts";
import * as z from "./zod.ts";

/** `execute` and `admin` include `read`. */
export const Scope = z.enum(["read", "execute", "admin"]);
export type Scope = z.infer<typeof Scope>;

/** Digits of a key's hash that name the key where it has no id of its own. */
const ID_DIGITS = 8;

const KeyEntry = z.lazy(() =>
  z.strictObject({
    tenant: Tenant,
    /** Of the key's UTF-8 bytes; the key itself is kept nowhere. */
    key_sha256: z
      .string()
      .check(z.regex(/^[0-9a-fA-F]{64}$/, "must be the SHA-256 of the key in hex"), z.toLowerCase()),
    scopes: z.array(Scope).check(z.minLength(1)),
    /** Names the key where it must be named: unique. */
    id: z.optional(
      z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 characters of A-Z a-z 0-9 _ -")),
    ),
    /** For people; the keys of a rotation share one. */
    name: z.optional(z.string().check(z.minLength(1), z.maxLength(LIMITS.KEY_NAME_CHARS))),
    /** The key is refused after this time. */
    not_after: z.optional(z.iso.datetime({ offset: true })),
  }),
);

/** A key as the deployment knows it; its id is always filled in. */
export type ApiKey = z.infer<typeof KeyEntry> & { id: string };

export const ApiKey = z.pipe(
  KeyEntry,
  z.transform((key): ApiKey => ({ ...key, id: key.id ?? key.key_sha256.slice(0, ID_DIGITS) })),
);
