// A callback between a Worker and the object of an execution: a request whose body is the agent's, passed through, so
// that the object reads it as it comes. Each part is written and read by a function of this file alone.
import { err, ok, type Result } from "../contract/problem.ts";
import {
  type CallbackReceipt,
  type CallbackTarget,
  type ObjectRequest,
  refusalOf,
  type Sent,
} from "./object-protocol.ts";

const PATH = "/callback";
/** What says how to read the body. Sent under other names: the platform may decode a body whose coding it knows. */
const HEADERS = { "content-type": "x-agent-type", "content-encoding": "x-agent-coding" } as const;

/** @param sent the request at the Worker */
export function callbackRequest(
  { stage, call, started_at }: CallbackTarget,
  sent: Sent & Pick<Request, "signal">,
): ObjectRequest {
  const query = new URLSearchParams({ stage, call: String(call), started_at: String(started_at) });
  const headers = renamed(Object.entries(HEADERS), sent.headers);
  const { body, signal } = sent;
  const url = `https://execution${PATH}?${query.toString()}`;
  return { url, init: { method: "POST", headers, body, signal } };
}

/** The callback that the object received; null where the request is another. */
export function receivedCallback(request: Request): { target: CallbackTarget; sent: Sent } | null {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname !== PATH) return null;
  const target = {
    stage: searchParams.get("stage") ?? "",
    call: Number(searchParams.get("call")),
    started_at: Number(searchParams.get("started_at")),
  };
  const names = Object.entries(HEADERS).map(([name, other]) => [other, name] as const);
  return { target, sent: { headers: renamed(names, request.headers), body: request.body } };
}

/** What a callback was taken for. */
export function receiptResponse(receipt: CallbackReceipt): Response {
  return Response.json(receipt);
}

/** What the object says of a callback. */
export async function readReceipt(response: Response): Promise<Result<CallbackReceipt>> {
  const refusal = await refusalOf(response);
  return refusal === null ? ok(await response.json<CallbackReceipt>()) : err(refusal);
}

function renamed(names: readonly (readonly [string, string])[], headers: Headers): Headers {
  const others = new Headers();
  for (const [name, other] of names) {
    const value = headers.get(name);
    if (value !== null) others.set(other, value);
  }
  return others;
}
