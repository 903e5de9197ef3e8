// Where a call may go: the rules for an agent's URL. Asked when an agent is registered and again at every call, for
// the list of allowed hosts may have changed in between.
import { err, ok, type Result } from "../contract/problem.ts";

/** AGENT_COORDINATOR_AGENT_HOSTS as a set of `host[:port]`; null where it is not set. */
export type AllowedHosts = ReadonlySet<string> | null;

export function parseAllowedHosts(list: string | undefined): AllowedHosts {
  const hosts = (list ?? "")
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== "");
  return hosts.length === 0 ? null : new Set(hosts);
}

/** The URL as it will be called, or why it may not be. */
export function agentUrl(text: string, allowed: AllowedHosts): Result<URL, string> {
  if (!URL.canParse(text)) return err("is not an absolute URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return err("must be https:");
  if (url.username !== "" || url.password !== "")
    return err("must not carry credentials: use headers with secret:NAME");
  if (url.hash !== "") return err("must not have a fragment");
  const listed = allowed !== null && isListed(url, allowed);
  if (allowed !== null && !listed) {
    return err(`names the host ${url.host}, which AGENT_COORDINATOR_AGENT_HOSTS does not allow`);
  }
  if (url.protocol === "http:" && !listed) {
    return err(
      `must be https: (http: only for hosts in AGENT_COORDINATOR_AGENT_HOSTS, and ${url.host} is not)`,
    );
  }
  return ok(url);
}

function isListed(url: URL, allowed: ReadonlySet<string>): boolean {
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return allowed.has(url.host) || allowed.has(`${url.hostname}:${port}`);
}
