// Two tenants with keys, as a deployment has them, and calls made with a key.
import { expectDeclared } from "./declared-answer.ts";
import { createHash } from "node:crypto";
import type { Answer, Coordinator } from "../servers/coordinator.ts";

/** The keys that tests present; the coordinator knows their hashes alone. */
export const KEYS = {
  acme: "key-of-acme-0123456789",
  globex: "key-of-globex-0123456789",
  /** acme's too, with one scope each. */
  runner: "key-that-runs-0123456789",
  admin: "key-that-writes-0123456789",
  reader: "key-that-reads-0123456789",
  /** acme's too, with every scope, and past its end. */
  expired: "key-that-is-over-0123456789",
} as const;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** The variables of a deployment that knows them. */
export const KEYED = {
  AGENT_COORDINATOR_AUTH: "keys",
  AGENT_COORDINATOR_API_KEYS: JSON.stringify([
    { tenant: "acme", key_sha256: sha256(KEYS.acme), scopes: ["execute", "admin"] },
    { tenant: "globex", key_sha256: sha256(KEYS.globex), scopes: ["execute", "admin"] },
    { tenant: "acme", key_sha256: sha256(KEYS.runner), scopes: ["execute"] },
    { tenant: "acme", key_sha256: sha256(KEYS.admin), scopes: ["admin"] },
    { tenant: "acme", key_sha256: sha256(KEYS.reader), scopes: ["read"], id: "reader", name: "dashboards" },
    {
      tenant: "acme",
      key_sha256: sha256(KEYS.expired),
      scopes: ["execute", "admin"],
      id: "old",
      name: "dashboards",
      not_after: "2026-01-01T00:00:00Z",
    },
  ]),
};

/** A call with a key, or without one, and its answer as JSON, or as text where it is none. */
export async function callWith(
  coordinator: Pick<Coordinator, "fetch">,
  key: string | null,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await coordinator.fetch(path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").includes("json") && text !== "";
  const answer = {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  };
  if (isJson) expectDeclared(method, path, answer.status, answer.body);
  return answer;
}
