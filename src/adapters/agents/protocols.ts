// The protocols that agents are called by, under the names that a registration's `protocol` may have.
import type { AgentRegistration } from "../../contract/agent.ts";
import { native } from "./native.ts";
import type { AgentProtocol, ConversingProtocol } from "./protocol.ts";
import { a2a } from "./protocols/a2a/a2a.ts";
import { agUi } from "./protocols/ag-ui/ag-ui.ts";
import { langGraph } from "./protocols/langgraph/langgraph.ts";
import { mcp } from "./protocols/mcp/mcp.ts";
import { openAi } from "./protocols/openai/openai.ts";

export const PROTOCOLS: Readonly<Record<AgentRegistration["protocol"], AgentProtocol | ConversingProtocol>> =
  {
    native,
    openai: openAi,
    a2a,
    mcp,
    "ag-ui": agUi,
    langgraph: langGraph,
  };
