// Authentication, before any handler: the endpoint that the router found, the caller's key or stream token, its
// scope, and whether the caller accepts the response type. A preflight and OPTIONS need no credentials. Fails closed:
// an unknown path under /v1 still needs a key.
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { ApiKey, Scope } from "../../contract/access.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { isExpired } from "../../core/security/keys.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { preferredType } from "../request/negotiate.ts";
import { allowedMethods, endpointOf } from "../endpoints.ts";
import { isWhole, type Permission, type Route } from "../route.ts";
import { logRefusal, type Refusal } from "./refusal-log.ts";

export const authenticate: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { method, path } = call.req;
  if (method === "OPTIONS") {
    const allow = allowedMethods(path);
    if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
    return new Response(null, { status: 204, headers: { allow: allow.join(", ") } });
  }
  const endpoint = endpointFor(call);
  call.set("endpoint", endpoint);
  const permission = endpoint?.permission ?? (path.startsWith("/v1/") ? "read" : "public");
  const caller = await callerOf(call, permission);
  if (!caller.ok) return problem(call, caller.error);
  call.set("tenant", caller.value.tenant);
  call.set("key_id", caller.value.key_id ?? null);
  call.set("token_start", caller.value.token_start ?? null);
  if (!isWhole(path)) return problem(call, { code: "NOT_FOUND" });
  if (endpoint?.any_accept === true) call.set("accepted", endpoint.produces[0] ?? "");
  else if (endpoint !== undefined) {
    const offered = endpoint.produces;
    const accepted = preferredType(call.req.header("accept") ?? null, offered);
    if (accepted === null) return problem(call, { code: "NOT_ACCEPTABLE", offered: [...offered] });
    call.set("accepted", accepted);
  }
  return next();
};

function endpointFor(call: Call): Route | undefined {
  if (!isWhole(call.req.path)) return undefined;
  const handler = matchedRoutes(call).findLast((route) => route.method !== "ALL");
  return handler === undefined ? undefined : endpointOf(handler.method, handler.path);
}

interface Caller {
  tenant: string;
  key_id?: string;
  token_start?: number;
}

async function callerOf(call: Call, permission: Permission): Promise<Result<Caller, Refusal>> {
  const { settings, access, clock } = call.var.services;
  if (permission === "public" || permission === "token") return ok({ tenant: "" });
  if (settings.auth === "none") return ok({ tenant: "local" });
  const refuse = (refusal: Refusal, key: ApiKey | null = null) => {
    logRefusal(call, refusal, key);
    return err(refusal);
  };
  if (!settings.hasKeys) return refuse(unauthorized("not_configured"));
  const header = call.req.header("authorization");
  if (header === undefined) {
    const token = permission === "follow" ? call.req.query("token") : undefined;
    if (token === undefined) return refuse(unauthorized("missing"));
    const opened = await access.openedBy(token, call.req.path.split("/").at(-2) ?? "");
    if (opened === null) return refuse(unauthorized("bad_token"));
    return ok({ tenant: opened.tenant, token_start: opened.started_at });
  }
  const presented = /^bearer +(\S+) *$/i.exec(header)?.[1];
  const key = presented === undefined ? null : await access.keyHolder(presented);
  if (key === null) return refuse(unauthorized("unknown"));
  if (isExpired(key, clock.now())) return refuse(unauthorized("expired"), key);
  const wanted = SCOPES[permission];
  if (wanted.some((scope) => key.scopes.includes(scope))) return ok({ tenant: key.tenant, key_id: key.id });
  return refuse({ code: "FORBIDDEN", scope: wanted[0] as Scope }, key);
}

/** The scopes that give a permission; a caller who has none of them lacks the first. */
const SCOPES: Record<Exclude<Permission, "public" | "token">, readonly Scope[]> = {
  read: ["read", "execute", "admin"],
  follow: ["read", "execute", "admin"],
  execute: ["execute"],
  admin: ["admin"],
};

function unauthorized(reason: Extract<Refusal, { code: "UNAUTHORIZED" }>["reason"]): Refusal {
  return { code: "UNAUTHORIZED", reason };
}
