// Without keys, requests of other sites' pages are refused before any other check: core/security/local-access.ts.
import type { MiddlewareHandler } from "hono";
import { localRefusal } from "../../core/security/local-access.ts";
import { type AppEnv, problem } from "../context.ts";
import { isOpenedByToken } from "../endpoints.ts";
import { logRefusal } from "./refusal-log.ts";

export const local: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { auth, local: access } = call.var.services.settings;
  if (auth !== "none") return next();
  const { method, url, headers } = call.req.raw;
  const host = headers.get("host");
  // What a token opens is open to who has it, from any page. Of the form on the page of a question, which sends no
  // referrer, browsers say `Origin: null`.
  const hasToken = isOpenedByToken(call.req.path);
  const [origin, site] = hasToken ? [null, null] : [headers.get("origin"), headers.get("sec-fetch-site")];
  const refused = localRefusal({ method, url, host, origin, site }, access);
  if (refused === null) return next();
  const refusal = { code: "FORBIDDEN" as const, ...refused };
  logRefusal(call, refusal, null);
  return problem(call, refusal);
};
