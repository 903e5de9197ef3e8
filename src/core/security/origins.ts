// AGENT_COORDINATOR_CORS_ORIGINS: the exact origins of pages that may call. Exact, so that no pattern can let in more
// than intended.
import { err, ok, type Result } from "../../contract/problem.ts";

/** The list, or its first entry that is not an origin. */
export function parseOrigins(list: string | undefined): Result<ReadonlySet<string>, string> {
  const entries = (list ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const wrong = entries.find((entry) => !URL.canParse(entry) || new URL(entry).origin !== entry);
  return wrong === undefined ? ok(new Set(entries)) : err(wrong);
}
