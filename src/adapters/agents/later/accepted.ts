// An agent's 202: its result comes by a callback (src/contract/README.md section 10). Owns which Location is kept.
import type { CallOutcome } from "../../../core/execution/command.ts";
import type { AgentRequest } from "../../../engine/ports.ts";

/** A longer Location is not kept. */
const LOCATION_CHARS = 2_048;

/** The outcome of a 202. @param href the URL that was called */
export function accepted(
  response: Response,
  { callback_url }: Pick<AgentRequest, "callback_url">,
  href: string,
): CallOutcome {
  // It says nothing that is read, and holds the connection. Not awaited: the connection may be slow to close.
  void response.body?.cancel().catch(() => {});
  if (callback_url === null) return { ok: false, failure: { kind: "accepted" } };
  const location = locationOf(response.headers.get("location"), href);
  return { ok: "later", ...(location === null ? {} : { location }) };
}

/** Where the work can be cancelled, as an absolute URL; null where it is not of the origin that was called. */
function locationOf(location: string | null, href: string): string | null {
  if (location === null || !URL.canParse(location, href)) return null;
  const url = new URL(location, href);
  url.hash = "";
  return url.href.length <= LOCATION_CHARS && isWithin(url.href, href) ? url.href : null;
}

/** Whether a URL is of the same origin as another one, http(s), and without a user of its own. */
export function isWithin(location: string, href: string): boolean {
  const url = new URL(location);
  const isWeb = url.protocol === "https:" || url.protocol === "http:";
  return isWeb && url.username === "" && url.password === "" && url.origin === new URL(href).origin;
}
