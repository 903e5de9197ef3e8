// Checks the query of every call against what its endpoint declares. A parameter that the endpoint does not know, or
// one that is given twice, is refused: a filter that is not understood must not give the unfiltered list. This holds
// for public endpoints as well (src/contract/README.md section 2).
import type { MiddlewareHandler } from "hono";
import { err, type InputError, ok, type Result } from "../../contract/problem.ts";
import { invalid, parseWith, pointer } from "../request/body.ts";
import { type AppEnv, problem } from "../context.ts";
import { queryParameters, type Route } from "../route.ts";

export const query: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { endpoint } = call.var;
  if (endpoint === undefined || endpoint.any_query === true) return next();
  const read = readQuery(call.req.url, endpoint);
  if (!read.ok) return problem(call, read.error);
  call.set("query", read.value);
  return next();
};

/** The parameters of a URL, as the endpoint's schema gives them. */
function readQuery(url: string, endpoint: Route): Result<unknown> {
  const { query: schema } = endpoint;
  if (schema === undefined && !url.includes("?")) return ok({});
  const known = Object.keys(queryParameters(endpoint));
  const given = new Map<string, string>();
  const errors: InputError[] = [];
  for (const [name, value] of new URL(url).searchParams) {
    const fault = !known.includes(name)
      ? `is not a query parameter here${known.length === 0 ? "" : `; known: ${known.join(", ")}`}`
      : given.has(name)
        ? "is given more than once"
        : null;
    if (fault !== null) errors.push({ pointer: pointer([name]), detail: fault });
    else given.set(name, value);
  }
  if (errors.length > 0) return err(invalid(errors));
  return schema === undefined ? ok({}) : parseWith(schema, Object.fromEntries(given));
}
