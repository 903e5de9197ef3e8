// The endpoints as the OpenAPI document describes them: with their words, and with the schemas of their answers, which
// are loaded for it alone.
import type * as z from "../../contract/zod.ts";
import type { Answers, Endpoint } from "../endpoint.ts";
import type { Description } from "./description.ts";

export interface Operation
  extends Omit<Endpoint, "answers" | "describe" | "serve">,
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
export function operationsOf(endpoints: readonly Endpoint[]): Promise<Operation[]> {
  return Promise.all(
    endpoints.map(async (endpoint) => {
      const description = endpoint.describe();
      return { ...endpoint, ...description, answers: await answersOf(endpoint.answers, description) };
    }),
  );
}

function answersOf(answers: Answers, described: Description): Promise<OperationAnswer[]> {
  return Promise.all(
    Object.entries(answers).map(async ([text, answer]) => {
      const status = Number(text);
      const words = described.answers[status] ?? "";
      const head =
        typeof words === "string" ? { status, description: words, headers: [] } : { status, ...words };
      if (answer.kind === "media") return { ...head, media: answer.media };
      if (answer.kind === "empty") return head;
      const module = (await answer.load()) as Readonly<Record<string, z.ZodMiniType>>;
      const schema = module[answer.name];
      if (schema === undefined) throw new Error(`there is no schema ${answer.name}`);
      return { ...head, schema: { name: answer.name, schema } };
    }),
  );
}
