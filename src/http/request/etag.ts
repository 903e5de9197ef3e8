// Conditions on a pipeline (RFC 9110, section 13): its strong ETag, and what If-Match and If-None-Match ask of the
// catalog. The tag names all that GET's bytes depend on: the version, and the config's values that GET fills in.
import type { Precondition } from "../../engine/worker-ports.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { Pipeline } from "../../contract/pipeline.ts";

export function etagOf({ version }: Pipeline, config: CoordinatorConfig): string {
  return `"${version}-${config.stage_timeout_seconds}-${config.max_retry_attempts}"`;
}

/**
 * The precondition of a write's headers, or "fails" if it cannot hold.
 * @param etag null if the pipeline does not exist
 */
export function writeCondition(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
  current: { etag: string; version: number } | null,
): Precondition | "fails" {
  if (ifMatch !== undefined) {
    if (current === null || !names(ifMatch, current.etag, false)) return "fails";
    if (ifNoneMatch === undefined) return ifMatch.trim() === "*" ? "exists" : current.version;
  }
  if (ifNoneMatch === undefined) return null;
  if (current === null) return 0;
  return names(ifNoneMatch, current.etag, true) ? "fails" : current.version;
}

/** True if the caller's If-None-Match matches the current version. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && names(ifNoneMatch, etag, true);
}

/** @param weak whether `W/"x"` names `"x"` too */
function names(header: string, etag: string, weak: boolean): boolean {
  if (header.trim() === "*") return true;
  const tags = header.split(",").map((tag) => tag.trim());
  return tags.includes(etag) || (weak && tags.includes(`W/${etag}`));
}
