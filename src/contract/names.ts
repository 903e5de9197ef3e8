// Names that callers use: stages, agent types, pipelines, tenants, executions. One pattern each.
import * as z from "./zod.ts";
import { LIMITS } from "./limits.ts";
import { cutText } from "./text.ts";

/** Pipelines, stages, agent types. */
export const Name = z.string().check(
  z.regex(/^[A-Za-z0-9_.-]{1,64}$/, `must be 1 to ${LIMITS.NAME_CHARS} characters of A-Z a-z 0-9 _ . -`),
  z.refine((name) => !RESERVED_KEYS.has(name), "is a reserved word"),
  // A segment of these is taken out of a path by every URL parser, and the path then names its parent.
  z.refine((name) => name !== "." && name !== "..", "must not be a dot segment"),
);

/** An unknown name as an error shows it: cut to the length of the longest valid name. */
export function cutName(name: string): string {
  return cutText(name, LIMITS.NAME_CHARS);
}

/** Keys that could change a prototype: refused at any depth of any JSON, and as names. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

export const ExecutionId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 characters of A-Z a-z 0-9 _ -"));

export const Tenant = z.string().check(z.regex(/^[a-z0-9]{1,32}$/, "must be 1 to 32 characters of a-z 0-9"));

export const EXECUTION_STATUSES = [
  "queued",
  "running",
  "waiting",
  "paused",
  "completed",
  "failed",
  "cancelled",
] as const;
