// Where a call may go: the rules for an agent's URL. Asked when an agent is registered and again at every call, for
// the list of allowed hosts may have changed in between. The URL parser has undone every disguise by then: decimal,
// octal, hex and full-width hosts come out of it as plain addresses and names.
import type { AgentRegistration } from "../../contract/agent.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { isPublicV4, isPublicV6 } from "./ip-address.ts";

/**
 * AGENT_COORDINATOR_AGENT_HOSTS as a set of `host[:port]`. Where it is not set: null, and `loopback` for a coordinator
 * without keys, which may call the machine that it runs on, as well.
 */
export type AllowedHosts = ReadonlySet<string> | "loopback" | null;

/** The list, null if it is empty, or its first entry that is not a host. */
export function parseAllowedHosts(list: string | undefined): Result<ReadonlySet<string> | null, string> {
  const entries = (list ?? "")
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "");
  const wrong = entries.find((entry) => !isHost(entry));
  if (wrong !== undefined) return err(wrong);
  return ok(entries.length === 0 ? null : new Set(entries));
}

/** The URL as it will be called, or why it may not be. */
export function agentUrl(text: string, allowed: AllowedHosts): Result<URL, string> {
  if (!URL.canParse(text) || HOST_AND_PORT.test(text)) return err(notAbsolute(text, allowed));
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return err("must be https:");
  if (url.username !== "" || url.password !== "")
    return err("must not carry credentials: use headers with secret:NAME");
  if (url.hash !== "") return err("must not have a fragment");
  if (url.port === "0") return err("must not have the port 0, which is not a valid destination");
  if (hasEmptyLabel(url.hostname)) return err(`names the host ${url.host}, which has an empty label`);
  if (allowed === "loopback" && isLoopback(url.hostname)) return ok(url);
  if (allowed !== null && allowed !== "loopback") {
    if (isListed(url, allowed)) return ok(url);
    return err(`names the host ${url.host}, which AGENT_COORDINATOR_AGENT_HOSTS does not allow`);
  }
  if (url.protocol === "http:") {
    const own = allowed === "loopback" ? "this machine's own names and " : "";
    return err(
      `must be https: (http: only for ${own}hosts in AGENT_COORDINATOR_AGENT_HOSTS, and ${url.host} is not)`,
    );
  }
  if (!isPublicHost(url.hostname)) {
    return err(
      `names the host ${url.host}, which is not on the public internet (AGENT_COORDINATOR_AGENT_HOSTS can allow it)`,
    );
  }
  return ok(url);
}

/** `localhost:9334/x`, which the URL parser takes for a URL of the scheme `localhost:`. */
const HOST_AND_PORT = /^[\w.-]+:\d/;
/** What begins with a host, as people write it when they leave the scheme out. */
const HOST_FIRST =
  /^(?:localhost|\[[\da-f:.]+\]|[\w-]+(?:\.[\w-]+)+\.?|[\w-]+(?=:\d))(?::\d{1,5})?(?:[/?#]|$)/i;

/** Why a text is not a URL, with the URL that was probably meant. */
function notAbsolute(text: string, allowed: AllowedHosts): string {
  const rest = text.trim().replace(/^\/\//, "");
  const fault = "is not an absolute URL";
  if (!HOST_FIRST.test(rest) || !URL.canParse(`https://${rest}`)) return fault;
  const url = new URL(`http://${rest}`);
  const isPlain = isLoopback(url.hostname) || (allowed instanceof Set && isListed(url, allowed));
  const meant = isPlain ? url : new URL(`https://${rest}`);
  return `${fault}: write ${shownUrl(meant)}${meant.search === "" ? "" : "?…"}`;
}

/** The machine's own name and addresses, as the URL parser writes them. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost\.?|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** A URL as it may be shown: without user, query and fragment, each of which may hold a credential. */
export function shownUrl(url: URL): string {
  return url.origin === "null" ? `${url.protocol}…` : `${url.origin}${url.pathname}`;
}

/** The agent that a registration names, as it may be shown. */
export function shownAgent(registration: AgentRegistration): string | undefined {
  if ("binding" in registration) {
    return `binding:${registration.binding}${(registration.path ?? "/").replace(/[?#].*$/, "")}`;
  }
  return URL.canParse(registration.url) ? shownUrl(new URL(registration.url)) : undefined;
}

function isListed(url: URL, allowed: ReadonlySet<string>): boolean {
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return allowed.has(url.host) || allowed.has(`${url.hostname}:${port}`);
}

/** An exact `host[:port]`, spelled as the URL parser spells it: anything else could never match. */
function isHost(entry: string): boolean {
  // The URL parser accepts a star as a letter, but its author means a pattern.
  if (entry.includes("*") || !URL.canParse(`https://${entry}`)) return false;
  const url = new URL(`https://${entry}`);
  if (url.port === "0" || hasEmptyLabel(url.hostname)) return false;
  return entry === url.host || entry === `${url.hostname}:443`;
}

/**
 * Last labels that no public registry gives out: reserved by RFC 2606, 6761, 6762, 7686, 8375 and 9476, by ICANN
 * (`internal`; `corp`, `home` and `mail` for good), or in use in private networks, whose own resolvers answer for them.
 *
 * Only the name is judged here, and a Worker cannot ask what it resolves to: `127.0.0.1.nip.io` and `localtest.me`
 * are public names of private addresses. AGENT_COORDINATOR_AGENT_HOSTS keeps those out.
 */
const LOCAL_SUFFIXES: ReadonlySet<string> = new Set(
  (
    "localhost local localdomain localnet internal intranet private lan home corp mail workgroup dhcp " +
    "test invalid onion alt arpa svc consul docker"
  ).split(" "),
);

/** One dot at the end says that the name is absolute; any other label without a character is a mistake, or a trick. */
function hasEmptyLabel(hostname: string): boolean {
  return hostname.replace(/\.$/, "").split(".").includes("");
}

function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPublicV6(hostname.slice(1, -1));
  // The URL parser refuses a last label of digits that is not an IPv4 address.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return isPublicV4(hostname);
  const labels = hostname.replace(/\.$/, "").split(".");
  // A name without a dot is looked up in the machine's own search domains.
  return labels.length > 1 && !LOCAL_SUFFIXES.has(labels.at(-1) ?? "");
}
