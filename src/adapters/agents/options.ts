// The options of one call: those of the registration, with the members of the stage's config that its protocol knows
// in their place.
import type { AgentRegistration } from "../../contract/agent.ts";
import { AGENT_OPTIONS } from "../../contract/agent-options.ts";
import type { JsonObject } from "../../contract/json.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { clip } from "./parse.ts";

/** @returns the options, or what is wrong with one of them */
export function optionsOfCall(
  { protocol, options = {} }: AgentRegistration,
  config: JsonObject,
): Result<JsonObject, string> {
  // Most agents have none, and their config is their own.
  if (protocol === "native" || !Object.hasOwn(AGENT_OPTIONS, protocol)) return ok(options);
  const schema = AGENT_OPTIONS[protocol];
  let laid: JsonObject = { ...options, ...config };
  let parsed = schema.safeParse(laid);
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys" || issue.path.length > 0) continue;
    // What the protocol does not know of a config is for templates. Of a registration all is known.
    const unknown = new Set(issue.keys);
    laid = Object.fromEntries(Object.entries(laid).filter(([name]) => !unknown.has(name)));
    parsed = schema.safeParse(laid);
    break;
  }
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const name = String(issue?.path[0] ?? "");
  const origin = Object.hasOwn(config, name) ? "the stage's config" : "its options";
  return err(`/${clip(issue?.path.join("/") ?? "")} of ${origin}: ${clip(issue?.message ?? "is not valid")}`);
}
