// Which requests a coordinator without keys (AGENT_COORDINATOR_AUTH=none) serves. No caller has a key, so a page of
// another site that is open in a developer's browser is kept out by the headers that the browser sends. `Host`: the
// owner of a name can make it resolve to the developer's own machine (DNS rebinding), and the page then reads every
// answer as its own. `Origin`: a page can send a form, or a fetch whose answer it cannot read, to any address.
import { err, ok, type Result } from "../../contract/problem.ts";
import { isLoopback } from "./agent-target.ts";
import { type BadVariable, badEntry } from "../config/bad-variable.ts";
import { textVariable } from "../config/config.ts";

export interface LocalAccess {
  /** Host names that are served beside loopback names and IP addresses, in lower case. */
  hosts: ReadonlySet<string>;
  /** Origins of pages that may change something, beside the coordinator's own. */
  origins: ReadonlySet<string>;
}

/** The headers of a request that are checked; null if a header is absent. */
export interface LocalRequest {
  method: string;
  url: string;
  host: string | null;
  origin: string | null;
  /** Sec-Fetch-Site */
  site: string | null;
}

export type LocalRefusal = { host: string } | { origin: string };

/** Why a request is refused, or null where it is served. */
export function localRefusal(request: LocalRequest, { hosts, origins }: LocalAccess): LocalRefusal | null {
  const { method, url, host, origin, site } = request;
  // Browsers always send it. A call through a service binding has none.
  if (host !== null && !isServed(host, hosts)) return { host };
  if (SAFE_METHODS.has(method)) return null;
  // A browser that leaves `Origin` out still says whether the page is its own.
  if (origin === null) return site === null || OWN_SITES.has(site) ? null : { origin: site };
  return origin === ownOrigin(url, host) || origins.has(origin) ? null : { origin };
}

const HOSTS = "AGENT_COORDINATOR_HOSTS";

/**
 * The hosts and origins that the environment allows.
 * @param cors origins of AGENT_COORDINATOR_CORS_ORIGINS
 * @param own the origin in AGENT_COORDINATOR_PUBLIC_URL, if any
 */
export function readLocalAccess(
  vars: Readonly<Record<string, unknown>>,
  cors: ReadonlySet<string>,
  own: string | null,
): Result<LocalAccess, BadVariable> {
  const list = textVariable(vars, HOSTS);
  const names = parseHostNames(list);
  if (!names.ok) {
    return err(badEntry(HOSTS, list, names.error, "host names without a port, comma-separated"));
  }
  const origins = new Set(own === null ? cors : [...cors, own]);
  return ok({
    hosts: new Set([...names.value, ...Array.from(origins, (known) => new URL(known).hostname)]),
    origins,
  });
}

/** The names, or the first entry that is not one. */
function parseHostNames(list: string | undefined): Result<string[], string> {
  const entries = (list ?? "")
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "");
  // To the URL parser a star is a letter.
  const wrong = entries.find((entry) => entry.includes("*") || hostname(entry) !== entry);
  return wrong === undefined ? ok(entries.map(withoutDot)) : err(wrong);
}

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

function isServed(host: string, hosts: ReadonlySet<string>): boolean {
  const name = hostname(host);
  if (name === null) return false;
  // The URL parser writes every spelling of an address in one way.
  if (name.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(name)) return true;
  const plain = withoutDot(name);
  return plain === "localhost" || plain.endsWith(".localhost") || hosts.has(plain);
}

/** True where a request's `Host` is the machine's own. */
export function isLoopbackHost(host: string | null): boolean {
  const name = host === null ? null : hostname(host);
  return name !== null && isLoopback(name);
}

/** `name.` is the same name, marked as absolute. */
function withoutDot(name: string): string {
  return name.replace(/\.$/, "");
}

/** Of a `Host` header, in lower case and without the port; null where it is not one. */
function hostname(host: string): string | null {
  if (/[/\\?#@]/.test(host) || !URL.canParse(`http://${host}`)) return null;
  return new URL(`http://${host}`).hostname;
}

/** The origin that a page of this coordinator has, as the browser that asks sees it. */
function ownOrigin(url: string, host: string | null): string {
  const { protocol, origin } = new URL(url);
  return host === null ? origin : new URL(`${protocol}//${host}`).origin;
}
