// A2A 0.3 in the words of 1.0: a request as 0.3 has it, and a result of 0.3 as 1.0 has it.
import { isObject } from "../../../../core/json/json.ts";
import { rpcBody } from "../json-rpc.ts";
import { listOf, type Members, membersOf, wordOf } from "../members.ts";

const METHODS: Readonly<Record<string, string>> = {
  SendMessage: "message/send",
  SendStreamingMessage: "message/stream",
  GetTask: "tasks/get",
  SubscribeToTask: "tasks/resubscribe",
  CancelTask: "tasks/cancel",
};

export function earlierRequest(id: number, method: string, params: Members): string {
  const earlier = METHODS[method] ?? method;
  if (params["message"] === undefined) return rpcBody(id, earlier, params);
  const { parts, ...message } = membersOf(params["message"]);
  const own = listOf(parts)
    .map(membersOf)
    .map(({ text, data }) => (text === undefined ? { kind: "data", data } : { kind: "text", text }));
  return rpcBody(id, earlier, {
    message: { ...message, kind: "message", role: "user", parts: own },
    configuration: { ...membersOf(params["configuration"]), blocking: true },
  });
}

export function laterResult(result: Members): Members {
  const { kind, status, artifact, artifacts } = result;
  switch (kind) {
    case "message":
      return { message: withParts(result) };
    case "status-update":
      return { statusUpdate: { ...result, status: laterStatus(status) } };
    case "artifact-update":
      return { artifactUpdate: { ...result, artifact: withParts(artifact) } };
    default: {
      const all = artifacts === undefined ? {} : { artifacts: listOf(artifacts).map(withParts) };
      return { task: { ...result, status: laterStatus(status), ...all } };
    }
  }
}

function laterStatus(status: unknown): Members {
  const { state, message } = membersOf(status);
  const name = wordOf(state)?.toUpperCase().replaceAll("-", "_");
  return { state: `TASK_STATE_${name}`, message: withParts(message) };
}

function withParts(holder: unknown): Members {
  const members = membersOf(holder);
  return { ...members, parts: listOf(members["parts"]).map(laterPart) };
}

/** Texts and data are where they were. */
function laterPart(part: unknown): unknown {
  const { file } = membersOf(part);
  if (!isObject(file)) return part;
  return { url: file["uri"], filename: file["name"], mediaType: file["mimeType"] };
}
