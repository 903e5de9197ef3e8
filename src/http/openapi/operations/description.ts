// The type of an operation's description, and the parts that several descriptions share.
import type { ErrorCode } from "../../../contract/problem.ts";
import type * as z from "../../../contract/zod.ts";

export interface Answer {
  description: string;
  schema?: z.ZodMiniType;
  /** The media type, if not only JSON of that schema. */
  type?: string;
  headers?: readonly string[];
}

export interface Description {
  summary: string;
  body?: { schema: z.ZodMiniType; optional?: true };
  /** Descriptions of the query parameters, by name. */
  parameters?: Readonly<Record<string, string>>;
  /** Request headers that change the operation's behaviour. */
  headers?: readonly string[];
  answers: Readonly<Record<number, Answer>>;
  /** In addition to those that every operation may return. */
  errors: readonly ErrorCode[];
}

export const DEFINITION = ["INVALID_PIPELINE_CONFIG", "CIRCULAR_DEPENDENCY", "MISSING_DEPENDENCY"] as const;
export const DELETED: Answer = { description: "Deleted" };
