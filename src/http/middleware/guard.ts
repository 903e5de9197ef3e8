// Who may come in, before any handler: the operation that the router found, the caller's key or stream token, its
// scope, and whether the caller takes what is answered. A preflight and OPTIONS are answered before anybody is asked
// who they are. Fails closed: a path under /v1 that is no operation still needs a key.
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { Scope } from "../../contract/access.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { preferredType } from "../negotiate.ts";
import { allowedMethods, type Endpoint, endpointOf, type Permission } from "../surface.ts";

export const guard: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { method, path } = call.req;
  if (method === "OPTIONS") {
    const allow = allowedMethods(path);
    if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
    return new Response(null, { status: 204, headers: { allow: allow.join(", ") } });
  }
  const endpoint = endpointFor(call);
  const permission = endpoint?.permission ?? (path.startsWith("/v1/") ? "read" : "public");
  const tenant = await tenantFor(call, permission);
  if (!tenant.ok) return problem(call, tenant.error);
  call.set("tenant", tenant.value);
  if (endpoint !== undefined) {
    const offered = endpoint.produces;
    if (preferredType(call.req.header("accept") ?? null, offered) === null) {
      return problem(call, { code: "NOT_ACCEPTABLE", offered: [...offered] });
    }
  }
  return next();
};

function endpointFor(call: Call): Endpoint | undefined {
  const handler = matchedRoutes(call).findLast((route) => route.method !== "ALL");
  return handler === undefined ? undefined : endpointOf(handler.method, handler.path);
}

async function tenantFor(call: Call, permission: Permission): Promise<Result<string>> {
  const { settings, access } = call.var.services;
  if (permission === "public") return ok("");
  if (settings.auth === "none") return ok("local");
  if (!settings.hasKeys) return unauthorized("not_configured");
  const header = call.req.header("authorization");
  if (header === undefined) {
    const token = permission === "follow" ? call.req.query("token") : undefined;
    if (token === undefined) return unauthorized("missing");
    const tenant = await access.tenantOfToken(token, call.req.path.split("/").at(-2) ?? "");
    return tenant === null ? unauthorized("bad_token") : ok(tenant);
  }
  const presented = /^bearer +(\S+) *$/i.exec(header)?.[1];
  const key = presented === undefined ? null : await access.whoHas(presented);
  if (key === null) return unauthorized("unknown");
  const wanted = SCOPES[permission];
  if (wanted.some((scope) => key.scopes.includes(scope))) return ok(key.tenant);
  return err({ code: "FORBIDDEN", scope: wanted[0] as Scope });
}

const SCOPES: Record<Exclude<Permission, "public">, readonly Scope[]> = {
  read: ["execute", "admin"],
  execute: ["execute"],
  follow: ["execute"],
  admin: ["admin"],
};

function unauthorized(reason: Extract<CoordinatorError, { code: "UNAUTHORIZED" }>["reason"]) {
  return err<CoordinatorError>({ code: "UNAUTHORIZED", reason });
}
