// Without keys, requests of other sites' pages are refused before anything else looks at them: core/access/local.ts.
import type { MiddlewareHandler } from "hono";
import { localRefusal } from "../../core/access/local.ts";
import { type AppEnv, problem } from "../context.ts";

export const local: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { auth, local: access } = call.var.services.settings;
  if (auth !== "none") return next();
  const { method, url, headers } = call.req.raw;
  const [host, origin, site] = [headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site")];
  const refusal = localRefusal({ method, url, host, origin, site }, access);
  return refusal === null ? next() : problem(call, { code: "FORBIDDEN", ...refusal });
};
