// Origins in variables. AGENT_COORDINATOR_CORS_ORIGINS: the exact origins of pages that may call; exact, so that no
// pattern can let in more than intended. AGENT_COORDINATOR_PUBLIC_URL: the coordinator's own.
import { err, ok, type Result } from "../../contract/problem.ts";
import { isLoopback } from "./agent-target.ts";

/** The list, or its first entry that is not an origin. */
export function parseOrigins(list: string | undefined): Result<ReadonlySet<string>, string> {
  const entries = (list ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const wrong = entries.find((entry) => !URL.canParse(entry) || new URL(entry).origin !== entry);
  return wrong === undefined ? ok(new Set(entries)) : err(wrong);
}

/**
 * The origin in an address that has nothing else in it, but for a slash at its end; null for every other text. Paths
 * are appended to it, and one of its own would be dropped.
 * @param takesHttp also for hosts that are not loopback
 */
export function parsePublicOrigin(text: string, takesHttp: boolean): string | null {
  // Trap: the parser mends a text that is no address, and drops an empty user, query or fragment.
  if (!/^https?:\/\/[^\s/\\?#@]+\/?$/i.test(text) || !URL.canParse(text)) return null;
  const { protocol, hostname, origin } = new URL(text);
  const isHttp = protocol === "http:" && (takesHttp || isLoopback(hostname));
  return protocol === "https:" || isHttp ? origin : null;
}
