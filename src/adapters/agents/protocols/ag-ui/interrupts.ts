// The questions that end an AG-UI run, as one question to a person, and the answer as the entries of `resume`. An answer
// is always an object: one question's is the payload itself where that may be an object, any other is in a member.
import type { JsonObject } from "../../../../contract/json.ts";
import { listOf, type Members, membersOf, wordOf } from "../members.ts";
import { schemaOfMembers, usableSchema } from "../questions.ts";
import type { Interrupt } from "./run-reader.ts";

/** The member of the answer to one question whose payload is no object. */
const VALUE = "value";

/** Where the payload of a question is in the answer; null where it is the answer. */
interface Awaited {
  id: string;
  member: string | null;
}

export interface Question {
  prompt: JsonObject;
  schema: JsonObject | null;
  awaited: Awaited[];
}

/** @param interrupts one at least */
export function questionOf(interrupts: readonly Interrupt[]): Question {
  const [only] = interrupts;
  if (only !== undefined && interrupts.length === 1) {
    const prompt = shown(only);
    const schema = usableSchema(only.schema);
    if (schema === null || schema["type"] === undefined || schema["type"] === "object") {
      return { prompt, schema, awaited: [{ id: only.id, member: null }] };
    }
    return { prompt, schema: schemaOfMembers([[VALUE, schema]]), awaited: [{ id: only.id, member: VALUE }] };
  }
  return {
    prompt: {
      question: interrupts.map(({ message, reason }) => message ?? reason).join("\n"),
      interrupts: interrupts.map((interrupt) => ({ id: interrupt.id, ...shown(interrupt) })),
    },
    schema: schemaOfMembers(interrupts.map(({ id, schema }) => [id, usableSchema(schema)])),
    awaited: interrupts.map(({ id }) => ({ id, member: id })),
  };
}

/** The entries of `resume` for the answer to a question. @param awaited of the question, as it was kept */
export function resumeOf(awaited: unknown, data: Members): JsonObject[] {
  return listOf(awaited).map((item) => {
    const { id, member } = membersOf(item);
    const name = wordOf(member);
    return { interruptId: id, status: "resolved", payload: name === null ? data : data[name] };
  });
}

function shown({ message, reason, metadata }: Interrupt): JsonObject {
  return { question: message ?? reason, reason, ...(metadata === null ? {} : { metadata }) };
}
