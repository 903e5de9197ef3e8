// /v1/conversations/:id: the turns of a conversation, and the deletion of all that is kept of it.
import { err, ok, type Result } from "../../../contract/problem.ts";
import { ForgetQuery, TurnsQuery } from "../../../contract/requests.ts";
import { isoTime } from "../../../core/time.ts";
import type { TurnPlace } from "../../../engine/conversation-turns.ts";
import { endpoint } from "../../endpoint.ts";
import { OBJECT_ERRORS } from "../../openapi/description.ts";
import { invalid } from "../../request/body.ts";
import { conversationId } from "../../runs/identify.ts";
import { forgetConversation } from "../../runs/forget-conversation.ts";

const PATH = "/v1/conversations/:id";

const params = { id: conversationId };

export const conversations = [
  endpoint({
    id: "get_conversation",
    method: "get",
    path: PATH,
    permission: "read",
    params,
    query: TurnsQuery,
    answers: { 200: "Conversation" },
    describe: () => ({
      summary: "List the turns of a conversation, oldest first",
      parameters: { limit: "Maximum number of turns", cursor: "next_cursor of the previous page" },
      answers: { 200: "One page of turns; none of a conversation that is not known" },
    }),
    handle: async ({ services, tenant, params: { id }, query: { cursor, limit } }) => {
      const after = readTurnPlace(cursor);
      if (!after.ok) return after;
      const asked = { conversation_id: id, after: after.value, limit };
      const { turns, next } = await services.executionIndex.turns(tenant, asked);
      const data = turns.map(({ execution_id, ended, turn, replaced }) => ({
        execution_id,
        query: turn.query,
        answer: turn.answer,
        ended_at: isoTime(ended),
        partial: turn.partial === true,
        replaced,
      }));
      const next_cursor = next === null ? null : `${next.at.toString(36)}.${next.id}`;
      return { status: 200, json: { data, has_more: next !== null, next_cursor } };
    },
  }),
  endpoint({
    id: "delete_conversation",
    method: "delete",
    path: PATH,
    permission: "execute",
    params,
    query: ForgetQuery,
    answers: { 202: "CleanupResult", 204: null },
    describe: () => ({
      summary: "Delete a conversation: its executions, turns, questions to people and cached results",
      parameters: { cancel: "true cancels executions that have not ended; else they are a conflict" },
      answers: {
        202: "Of a large conversation a part is deleted: repeat the request for the rest",
        204: "All of it is deleted",
      },
      errors: ["CONVERSATION_BUSY", ...OBJECT_ERRORS],
    }),
    handle: async ({ services, tenant, params: { id }, query: { cancel } }) => {
      const forgotten = await forgetConversation(services, tenant, id, cancel === "true");
      if (!forgotten.ok) return forgotten;
      return forgotten.value.has_more ? { status: 202, json: forgotten.value } : { status: 204 };
    },
  }),
];

function readTurnPlace(cursor: string | undefined): Result<TurnPlace | null> {
  if (cursor === undefined) return ok(null);
  const [, at = "", id = ""] = /^([0-9a-z]{1,10})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor) ?? [];
  if (id !== "") return ok({ at: Number.parseInt(at, 36), id });
  return err(invalid([{ pointer: "/cursor", detail: "is not a next_cursor of this conversation" }]));
}
