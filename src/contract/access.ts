// Who may: the keys that a deployment knows (the secret AGENT_COORDINATOR_API_KEYS, API.md section 5).
import * as z from "./zod.ts";
import { Tenant } from "./names.ts";

export const Scope = z.enum(["execute", "admin"]);
export type Scope = z.infer<typeof Scope>;

export const ApiKey = z.lazy(() =>
  z.strictObject({
    tenant: Tenant,
    /** Of the key's UTF-8 bytes; the key itself is kept nowhere. */
    key_sha256: z
      .string()
      .check(z.regex(/^[0-9a-fA-F]{64}$/, "must be the SHA-256 of the key in hex"), z.toLowerCase()),
    scopes: z.array(Scope).check(z.minLength(1)),
  }),
);
export type ApiKey = z.infer<typeof ApiKey>;
