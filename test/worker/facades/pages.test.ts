// The lines that the documentation gives the users of each client, run as they are printed, but for the address.
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents } from "../../support/agents/protocol-agents.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
/** Inside the packages, so that Node resolves what the lines import, and runs them itself. */
const WRITTEN = join(ROOT, "node_modules", ".cache", "corpus-pages");

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  await protocolAgents(agents, coordinator);
  await coordinator.pipeline("rag", [{ name: "answer", agent_type: "t_answer" }]);
  mkdirSync(WRITTEN, { recursive: true });
});

afterAll(async () => {
  rmSync(WRITTEN, { recursive: true, force: true });
  await closeAll(coordinator, agents);
});

/** The first block of code of a page, for this coordinator. */
function codeOf(page: string): string {
  const text = readFileSync(join(ROOT, "fixtures", "corpus", page), "utf8");
  const code = /```tsx?\n([\s\S]*?)```/.exec(text)?.[1];
  if (code === undefined) throw new Error(`${page} has no code`);
  expect(code).toContain("http://localhost:8787");
  return code.replaceAll("http://localhost:8787", coordinator.url);
}

test.each(["openai-clients.md", "ag-ui-clients.md", "mcp-server.md", "a2a-agents.md"])(
  "%s prints the answer",
  async (page) => {
    const file = join(WRITTEN, `${page}.ts`);
    writeFileSync(file, codeOf(page));
    const said: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((value: unknown) => {
      said.push(typeof value === "string" ? value : JSON.stringify(value));
    });
    try {
      await import(/* @vite-ignore */ pathToFileURL(file).href);
    } finally {
      log.mockRestore();
    }
    // A stream prints it piece by piece.
    const text = said.map((line) => /"text":"([^"]*)"/.exec(line)?.[1] ?? line).join("");
    expect(text).toContain(ANSWER);
  },
);

test("ai-sdk-chat.md names an address that useChat works with", async () => {
  const api = /api: "([^"]+)"/.exec(codeOf("ai-sdk-chat.md"))?.[1] ?? "";
  const chat = new Chat({ id: "page", transport: new DefaultChatTransport({ api }) });
  await chat.sendMessage({ text: "How cheap is solar power?" });
  expect(JSON.stringify(chat.messages.at(-1)?.parts)).toContain(ANSWER);
});
