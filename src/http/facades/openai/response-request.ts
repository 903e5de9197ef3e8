// The body of POST /v1/responses: a text, or items of which the last one of the user is the question.
import type { ConversationTurn } from "../../../contract/execution.ts";
import { JsonObject } from "../../../contract/json.ts";
import { err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import { askedIn, Content, contentText } from "../history.ts";
import { systemIn } from "./chat-request.ts";

const Item = z.looseObject({
  type: z.optional(z.string()),
  role: z.optional(z.enum(["user", "assistant", "system", "developer"])),
  content: z.nullish(Content),
});

export const ResponseRequest = z.lazy(() =>
  z.looseObject({
    model: z.string(),
    input: z.union([z.string(), z.array(Item)]),
    instructions: z.nullish(z.string()),
    stream: z.nullish(z.boolean()),
    background: z.nullish(z.boolean()),
    previous_response_id: z.nullish(z.string()),
    conversation: z.nullish(z.union([z.string(), z.looseObject({ id: z.string() })])),
    metadata: z.nullish(JsonObject),
  }),
);
export type ResponseRequest = z.infer<typeof ResponseRequest>;

export interface ResponseQuestion {
  query: string;
  /** Of the items before the question; none where there are none. */
  history: ConversationTurn[];
  /** `instructions`, and items of the system. */
  system: string | null;
}

export function questionIn({ input, instructions }: ResponseRequest): Result<ResponseQuestion, InputError> {
  if (typeof input === "string") {
    if (input.trim() === "") return err({ pointer: "/input", detail: "must hold text" });
    return ok({ query: input, history: [], system: instructions ?? null });
  }
  const said = input.map(({ role = "", content }) => ({ role, text: contentText(content) }));
  const asked = askedIn(said, "/input");
  if (!asked.ok) return asked;
  const { query, history } = asked.value;
  return ok({ query, history, system: systemIn(said, instructions ?? "") });
}
