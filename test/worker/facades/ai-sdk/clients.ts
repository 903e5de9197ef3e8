// useChat's logic without a page, in each version of the AI SDK: its AbstractChat with a state that is a plain object.
import { Chat } from "@ai-sdk/react";
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses as complete7,
  type UIMessage,
} from "ai";
import * as ai5 from "ai5";
import * as ai6 from "ai6";
import { lastAssistantMessageIsCompleteWithApprovalResponses as complete6 } from "ai6";

/** What the tests use of a chat. */
export interface TestChat {
  readonly messages: UIMessage[];
  readonly status: string;
  readonly error: Error | undefined;
  sendMessage(message: { text: string }): Promise<void>;
  regenerate(): Promise<void>;
  resumeStream(): Promise<void>;
  stop(): Promise<void>;
  /** Not of version 5. */
  addToolApprovalResponse?(answer: {
    id: string;
    approved: boolean;
    reason?: string;
  }): void | PromiseLike<void>;
}

export type Version = "5" | "6" | "7" | "7 with ui=7";
export const VERSIONS: readonly Version[] = ["5", "6", "7", "7 with ui=7"];

export interface ChatOptions {
  id: string;
  messages?: UIMessage[];
  /** Parts that are not kept in the message. */
  onData?: (part: { type: string; data: unknown }) => void;
  headers?: Record<string, string>;
  /** Sends the message again once its approvals are answered. */
  approves?: boolean;
}

/** The state of a chat as any framework has one; snapshots are copies. */
class PlainState implements ai6.ChatState<ai6.UIMessage> {
  status: ai6.ChatStatus = "ready";
  error: Error | undefined = undefined;
  messages: ai6.UIMessage[];

  constructor(messages: readonly unknown[]) {
    this.messages = [...messages] as ai6.UIMessage[];
  }

  pushMessage = (message: ai6.UIMessage): void => {
    this.messages = [...this.messages, message];
  };
  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (at: number, message: ai6.UIMessage): void => {
    this.messages = this.messages.with(at, message);
  };
  snapshot = <T>(value: T): T => structuredClone(value);
}

/** A chat of this version at the coordinator's route. @param api its URL */
export function chatOf(version: Version, api: string, options: ChatOptions): TestChat {
  const { id, messages = [], onData = () => {}, headers = {}, approves = false } = options;
  if (version === "5" || version === "6") {
    const { AbstractChat, DefaultChatTransport: Transport } = (version === "5" ? ai5 : ai6) as typeof ai6;
    class PlainChat extends AbstractChat<ai6.UIMessage> {}
    const transport = new Transport({ api, headers });
    const automatic = approves ? { sendAutomaticallyWhen: complete6 } : {};
    return new PlainChat({ id, state: new PlainState(messages), transport, onData, ...automatic });
  }
  const url = version === "7" ? api : `${api}${api.includes("?") ? "&" : "?"}ui=7`;
  const transport = new DefaultChatTransport({ api: url, headers });
  const automatic = approves ? { sendAutomaticallyWhen: complete7 } : {};
  return new Chat({ id, messages, transport, onData, ...automatic });
}

/** The text of the last message as a page shows it: without parts that were taken back. */
export function shownText(chat: TestChat): string {
  return shownTexts(chat).join("");
}

export function shownTexts({ messages }: TestChat): string[] {
  return (messages.at(-1)?.parts ?? []).flatMap((part) => {
    if (part.type !== "text") return [];
    const own = part.providerMetadata?.["coordinator"] as { superseded?: boolean } | undefined;
    return own?.superseded === true ? [] : [part.text];
  });
}

/** The statuses of the stages as the last message has them. */
export function stagesOf({ messages }: TestChat): Record<string, string> {
  const parts = (messages.at(-1)?.parts ?? []) as {
    type: string;
    data?: { stage: string; status: string };
  }[];
  return Object.fromEntries(
    parts.flatMap(({ type, data }) =>
      type === "data-stage" && data !== undefined ? [[data.stage, data.status]] : [],
    ),
  );
}

export function metadataOf({ messages }: TestChat): Record<string, unknown> {
  return (messages.at(-1)?.metadata ?? {}) as Record<string, unknown>;
}
