// The results of agents that answer later. The token in the path says of which call; the body goes on to the object of
// its execution as it comes.
import { err, ok, type Result } from "../../../contract/problem.ts";
import { endpoint } from "../../endpoint.ts";
import { OBJECT_ERRORS } from "../../openapi/description.ts";
import { JSON_TYPE, SSE_TYPE } from "../../route.ts";

export const callbacks = [
  endpoint({
    id: "send_callback",
    method: "post",
    path: "/v1/callbacks/:token",
    permission: "token",
    params: { token: (text: string): Result<string> => ok(text) },
    answers: { 200: "CallbackReply" },
    describe: () => ({
      summary: "Send the result of an agent that has answered 202, or a sign of life",
      takes: {
        [JSON_TYPE]: {
          type: "object",
          description: 'An agent\'s JSON answer, {"heartbeat": true} or {"progress": {…}}',
        },
        "application/problem+json": { type: "object", description: "The work has failed" },
        [SSE_TYPE]: { type: "string", description: "The event stream of an agent" },
      },
      answers: { 200: "What it was taken for" },
      errors: ["NOT_FOUND", "EXECUTION_CONFLICT", ...OBJECT_ERRORS],
    }),
    handle: async ({ call, services, params: { token } }) => {
      const claims = await services.access.readCallbackToken(token);
      if (claims === null) return err({ code: "NOT_FOUND" });
      const { tenant, execution_id } = claims;
      const taken = await services.executions.callback(tenant, execution_id, claims, call.req.raw);
      return taken.ok ? { status: 200, json: { status: taken.value } } : taken;
    },
  }),
];
