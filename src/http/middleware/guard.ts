// Who may come in, before any handler: the operation that the router found, the caller's key or stream token, its
// scope, and whether the caller takes what is answered. A preflight and OPTIONS are answered before anybody is asked
// who they are. Fails closed: a path under /v1 that is no operation still needs a key.
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { ApiKey, Scope } from "../../contract/access.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { isExpired } from "../../core/access/keys.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { preferredType } from "../negotiate.ts";
import { allowedMethods, type Endpoint, endpointOf, isWhole, type Permission } from "../surface.ts";
import { logRefusal } from "./refusal-log.ts";

/** Why a caller is not let in. */
export type Refusal = Extract<CoordinatorError, { code: "UNAUTHORIZED" | "FORBIDDEN" }>;

export const guard: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { method, path } = call.req;
  if (method === "OPTIONS") {
    const allow = allowedMethods(path);
    if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
    return new Response(null, { status: 204, headers: { allow: allow.join(", ") } });
  }
  const endpoint = endpointFor(call);
  call.set("endpoint", endpoint);
  const permission = endpoint?.permission ?? (path.startsWith("/v1/") ? "read" : "public");
  const tenant = await tenantFor(call, permission);
  if (!tenant.ok) return problem(call, tenant.error);
  call.set("tenant", tenant.value);
  if (!isWhole(path)) return problem(call, { code: "NOT_FOUND" });
  if (endpoint !== undefined) {
    const offered = endpoint.produces;
    if (preferredType(call.req.header("accept") ?? null, offered) === null) {
      return problem(call, { code: "NOT_ACCEPTABLE", offered: [...offered] });
    }
  }
  return next();
};

function endpointFor(call: Call): Endpoint | undefined {
  if (!isWhole(call.req.path)) return undefined;
  const handler = matchedRoutes(call).findLast((route) => route.method !== "ALL");
  return handler === undefined ? undefined : endpointOf(handler.method, handler.path);
}

async function tenantFor(call: Call, permission: Permission): Promise<Result<string, Refusal>> {
  const { settings, access, clock } = call.var.services;
  if (permission === "public") return ok("");
  if (settings.auth === "none") return ok("local");
  const refuse = (refusal: Refusal, key: ApiKey | null = null) => {
    logRefusal(call, refusal, key);
    return err(refusal);
  };
  if (!settings.hasKeys) return refuse(unauthorized("not_configured"));
  const header = call.req.header("authorization");
  if (header === undefined) {
    const token = permission === "follow" ? call.req.query("token") : undefined;
    if (token === undefined) return refuse(unauthorized("missing"));
    const tenant = await access.tenantOfToken(token, call.req.path.split("/").at(-2) ?? "");
    return tenant === null ? refuse(unauthorized("bad_token")) : ok(tenant);
  }
  const presented = /^bearer +(\S+) *$/i.exec(header)?.[1];
  const key = presented === undefined ? null : await access.whoHas(presented);
  if (key === null) return refuse(unauthorized("unknown"));
  if (isExpired(key, clock.now())) return refuse(unauthorized("expired"), key);
  const wanted = SCOPES[permission];
  if (wanted.some((scope) => key.scopes.includes(scope))) return ok(key.tenant);
  return refuse({ code: "FORBIDDEN", scope: wanted[0] as Scope }, key);
}

/** The scopes that give a permission; a caller who has none of them lacks the first. */
const SCOPES: Record<Exclude<Permission, "public">, readonly Scope[]> = {
  read: ["read", "execute", "admin"],
  follow: ["read", "execute", "admin"],
  execute: ["execute"],
  admin: ["admin"],
};

function unauthorized(reason: Extract<Refusal, { code: "UNAUTHORIZED" }>["reason"]): Refusal {
  return { code: "UNAUTHORIZED", reason };
}
