// The endpoints as the OpenAPI document describes them: with their words, and with the schemas of their answers, which
// are loaded for it alone.
import type * as z from "../../contract/zod.ts";
import type { Answers, TaggedEndpoint } from "../endpoint.ts";
import type { Description } from "./description.ts";

export interface Operation
  extends Omit<TaggedEndpoint, "answers" | "describe" | "serve">,
    Omit<Description, "answers"> {
  answers: readonly OperationAnswer[];
}

interface OperationAnswer {
  status: number;
  description: string;
  headers: readonly string[];
  /** Of its JSON. */
  schema?: { name: string; schema: z.ZodMiniType };
  /** Its media type, if it has no schema. */
  media?: string;
}

/** In the order of the endpoints. */
export async function operationsOf(endpoints: readonly TaggedEndpoint[]): Promise<Operation[]> {
  const schemas: Readonly<Record<string, z.ZodMiniType>> = await import("../../contract/answers.ts");
  return endpoints.map((endpoint) => {
    const description = endpoint.describe();
    return { ...endpoint, ...description, answers: answersOf(endpoint.answers, description, schemas) };
  });
}

function answersOf(
  answers: Answers,
  described: Description,
  schemas: Readonly<Record<string, z.ZodMiniType>>,
): OperationAnswer[] {
  return Object.entries(answers).map(([text, answer]) => {
    const status = Number(text);
    const words = described.answers[status] ?? "";
    const head =
      typeof words === "string" ? { status, description: words, headers: [] } : { status, ...words };
    if (typeof answer !== "string") return { ...head, ...answer };
    return { ...head, schema: { name: answer, schema: schemas[answer] as z.ZodMiniType } };
  });
}
