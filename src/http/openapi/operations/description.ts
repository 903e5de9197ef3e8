// What can be said of an operation beyond its endpoint, and what several operations have in common.
import type { ErrorCode } from "../../../contract/problem.ts";
import type * as z from "../../../contract/zod.ts";

export interface Answer {
  description: string;
  schema?: z.ZodMiniType;
  /** Where it is not JSON of that schema alone. */
  type?: string;
  headers?: readonly string[];
}

export interface Description {
  summary: string;
  body?: { schema: z.ZodMiniType; optional?: true };
  /** What the parameters of the endpoint's query are, by name. */
  parameters?: Readonly<Record<string, string>>;
  /** Request headers that change what it does. */
  headers?: readonly string[];
  answers: Readonly<Record<number, Answer>>;
  /** Beside those that every operation may answer. */
  errors: readonly ErrorCode[];
}

export const DEFINITION = ["INVALID_PIPELINE_CONFIG", "CIRCULAR_DEPENDENCY", "MISSING_DEPENDENCY"] as const;
export const DELETED: Answer = { description: "It is gone" };
