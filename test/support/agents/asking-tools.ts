// An MCP server of the official package whose tools ask a person before they go on.
import { acceptedContent, createMcpHandler, inputRequired, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Behaviour } from "./agent-server.ts";

export const dateSchema = {
  type: "object" as const,
  properties: { date: { type: "string" as const } },
  required: ["date"],
};

/** `book` asks for a date, `pair` for two at once. */
export function askingTools(): Behaviour {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "asking", version: "1" });
    const inputSchema = z.object({ query: z.string() });
    const form = (message: string) => inputRequired.elicit({ message, requestedSchema: dateSchema });
    server.registerTool("book", { inputSchema }, async (_given, { mcpReq }) => {
      const content = acceptedContent<{ date: string }>(mcpReq.inputResponses, "day");
      if (content === undefined)
        return inputRequired({ inputRequests: { day: form("Which day?") }, requestState: "kept" });
      return {
        content: [{ type: "text", text: `Booked for ${content.date}, ${String(mcpReq.requestState())}.` }],
      };
    });
    server.registerTool("pair", { inputSchema }, async (_given, { mcpReq }) => {
      const from = acceptedContent<{ date: string }>(mcpReq.inputResponses, "from");
      const until = acceptedContent<{ date: string }>(mcpReq.inputResponses, "until");
      if (from === undefined || until === undefined)
        return inputRequired({ inputRequests: { from: form("From?"), until: form("Until?") } });
      return { content: [{ type: "text", text: `${from.date} to ${until.date}` }] };
    });
    return server;
  });
  return async ({ method, headers, text }, response) => {
    const sent = { method, headers: new Headers(headers as Record<string, string>), body: text };
    const answer = await handler.fetch(new Request("http://mcp.local/mcp", sent));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  };
}
