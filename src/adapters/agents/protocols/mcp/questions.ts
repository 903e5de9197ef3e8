// What an MCP server asks a person before its tool goes on, as one question, and the answer as the responses of the further
// call. Forms alone: a server that wants a model, a directory or a page visited has asked the wrong one.
import type { JsonObject } from "../../../../contract/json.ts";
import type { AskedCall } from "../../../../core/execution/command.ts";
import type { ProtocolCall } from "../../protocol.ts";
import { listOf, type Members, membersOf, wordOf } from "../members.ts";
import { schemaOfMembers, usableSchema } from "../questions.ts";

/** A form of a server's, under its key. */
interface Form {
  key: string;
  question: string;
  schema: JsonObject | null;
}

/** The question of a result that asks; null where it asks for anything else than the fields of a form. */
export function questionOf(result: Members): AskedCall | null {
  const forms = Object.entries(membersOf(result["inputRequests"])).map(formOf);
  const known = forms.filter((form) => form !== null);
  const [only] = known;
  if (only === undefined || known.length < forms.length) return null;
  const state = wordOf(result["requestState"]);
  const continuation = { keys: known.map(({ key }) => key), ...(state === null ? {} : { state }) };
  if (known.length === 1) {
    return { ok: "asks", prompt: { question: only.question }, schema: only.schema, continuation };
  }
  const prompt = {
    question: known.map(({ question }) => question).join("\n"),
    requests: known.map(({ key, question }) => ({ key, question })),
  };
  const schema = schemaOfMembers(known.map((form) => [form.key, form.schema]));
  return { ok: "asks", prompt, schema, continuation };
}

/** The members of the further call: the content of each form, and the server's state as it gave it. */
export function answeredBy({ continuation, data }: NonNullable<ProtocolCall["answer"]>): JsonObject {
  const { keys, state } = continuation;
  const names = listOf(keys).flatMap((key) => wordOf(key) ?? []);
  const contents = names.map((name): [string, JsonObject] => {
    const content = names.length === 1 ? data : { ...membersOf(data[name]) };
    return [name, { action: "accept", content }];
  });
  return {
    inputResponses: Object.fromEntries(contents),
    ...(state === undefined ? {} : { requestState: state }),
  };
}

function formOf([key, request]: [string, unknown]): Form | null {
  const { method, params } = membersOf(request);
  const { mode = "form", message, requestedSchema } = membersOf(params);
  if (method !== "elicitation/create" || mode !== "form") return null;
  const question = wordOf(message) ?? "input is required";
  return { key, question, schema: usableSchema(requestedSchema) };
}
