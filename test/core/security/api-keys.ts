// Two tenants' keys, as a coordinator has read them.
import { createHash } from "node:crypto";

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export const entry = (tenant: string, scope: "execute" | "admin") => ({
  tenant,
  key_sha256: sha256(`key-${tenant}`),
  scopes: [scope],
});

const known = (of: ReturnType<typeof entry>) => ({ ...of, id: of.key_sha256.slice(0, 8) });
export const ACME = known(entry("acme", "execute"));
export const OTHER = known(entry("other", "admin"));
