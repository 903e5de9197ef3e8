// A page with useChat in it, in happy-dom: React 19 renders the chat's text, and a test presses its buttons. Strict mode,
// so that each effect runs twice, as it does where people develop such a page.
import { Window } from "happy-dom";
import type { UIMessage } from "ai";

const window = new Window({ url: "https://app.example.com" });
// React looks for a page when it is loaded.
Object.assign(globalThis, { window, document: window.document });

const { createElement, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useChat } = await import("@ai-sdk/react");
const { DefaultChatTransport } = await import("ai");

export interface PageOptions {
  api: string;
  id: string;
  /** Those that the page has kept. */
  messages?: UIMessage[];
}

export interface HookPage {
  chat: ReturnType<typeof useChat>;
  /** What each look for a stream to take up was answered, 0 where it was given up; null where it is not yet. */
  looked: (number | null)[];
  /** The statuses that were rendered, each once in a row. */
  statuses: string[];
  /** The text of the last answer as it is on the page. */
  text(): string;
  press(button: string): void;
  close(): void;
}

export function openHookPage({ api, id, messages = [] }: PageOptions): HookPage {
  const container = window.document.createElement("main");
  window.document.body.append(container);
  const looked: (number | null)[] = [];
  const look: typeof fetch = async (url, init) => {
    if (init?.method === "POST") return fetch(url, init);
    const at = looked.push(null) - 1;
    try {
      const response = await fetch(url, init);
      looked[at] = response.status;
      return response;
    } finally {
      // Strict mode gives the first one up.
      looked[at] ??= 0;
    }
  };
  const transport = new DefaultChatTransport({ api, fetch: look });
  const statuses: string[] = [];
  let chat: ReturnType<typeof useChat> | undefined;
  const Page = () => {
    chat = useChat({ id, messages, transport, resume: true });
    const { status } = chat;
    if (statuses.at(-1) !== status) statuses.push(status);
    const last = chat.messages.at(-1);
    const parts = last?.role === "assistant" ? last.parts : [];
    const shown = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    const [base] = api.split("?");
    const buttons = {
      ask: () => void chat?.sendMessage({ text: "Asked?" }),
      again: () => void chat?.regenerate(),
      leave: () => void chat?.stop(),
      stop: () => void fetch(`${base}/${id}/stop`, { method: "POST" }),
      resume: () => void chat?.resumeStream(),
    };
    return createElement(
      "section",
      null,
      createElement("p", null, ...shown),
      ...Object.entries(buttons).map(([name, onClick]) =>
        createElement("button", { name, onClick, key: name }, name),
      ),
    );
  };
  const root = createRoot(container);
  root.render(createElement(StrictMode, null, createElement(Page, null)));
  return {
    get chat() {
      if (chat === undefined) throw new Error("the page is not rendered yet");
      return chat;
    },
    looked,
    statuses,
    text: () => container.querySelector("p")?.textContent ?? "",
    press: (name) =>
      (container.querySelector(`button[name=${name}]`) as unknown as { click(): void }).click(),
    close: () => {
      root.unmount();
      container.remove();
    },
  };
}
