// The result of an MCP tool as the data of its stage: its text is the answer, its structured content the data itself,
// its links citations.
import { isObject } from "../../../../core/json/json.ts";
import type { AnswerRead } from "../../protocol.ts";
import { listOf, type Members, membersOf, parsed, present, wordOf } from "../members.ts";
import { answerOf, refused } from "../outcomes.ts";
import { questionOf } from "./questions.ts";

/** @param retries whether a tool that answers with an error is called again */
export function toolAnswer(result: Members, retries: boolean): AnswerRead {
  const content = listOf(result["content"]).map(membersOf);
  const text = content
    .flatMap((part) => (part["type"] === "text" ? (wordOf(part["text"]) ?? []) : []))
    .join("\n");
  if (result["resultType"] === "input_required") {
    return questionOf(result) ?? refused(422, `the agent asks for more: ${messagesOf(result)}`, false);
  }
  if (result["isError"] === true) {
    return refused(retries ? 500 : 422, text === "" ? "the tool failed" : text, retries);
  }
  const structured = isObject(result["structuredContent"]) ? result["structuredContent"] : null;
  const citations = content.flatMap(citationOf);
  const data = {
    // A server repeats its structured content as a text.
    ...(text === "" || (structured !== null && isObject(parsed(text))) ? {} : { answer: text }),
    ...(citations.length === 0 ? {} : { citations }),
    ...structured,
  };
  return answerOf("result", data, 200);
}

/** A link to a resource, or a resource itself. */
function citationOf(part: Members): Members[] {
  const { type } = part;
  if (type !== "resource_link" && type !== "resource") return [];
  const { uri, name, title, description, mimeType, text } =
    type === "resource" ? membersOf(part["resource"]) : part;
  const address = wordOf(uri);
  if (address === null) return [];
  const place = /^https?:/i.test(address) ? { url: address } : { document: address };
  const about = {
    title: wordOf(title) ?? wordOf(name),
    text: wordOf(text) ?? wordOf(description),
    media_type: wordOf(mimeType),
  };
  return [{ ...place, ...present(about) }];
}

function messagesOf(result: Members): string {
  const messages = Object.values(membersOf(result["inputRequests"])).flatMap((request) => {
    const { message } = membersOf(membersOf(request)["params"]);
    return wordOf(message) ?? [];
  });
  return messages.length === 0 ? "input is required" : messages.join("; ");
}
