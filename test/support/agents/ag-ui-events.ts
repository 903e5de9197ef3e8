// Runs of AG-UI agents, as their servers stream them: each event is checked by the protocol's own schema.
import { EventSchemas } from "@ag-ui/core/schemas";
import type { Behaviour } from "./agent-server.ts";

export type Event = { type: string } & Record<string, unknown>;
const RUN = { threadId: "c1", runId: "e1.say" };
export const STARTED: Event = { type: "RUN_STARTED", ...RUN };
export const finished = (more: object = {}): Event => ({ type: "RUN_FINISHED", ...RUN, ...more });
export const start = (messageId: string, role = "assistant"): Event => ({
  type: "TEXT_MESSAGE_START",
  messageId,
  role,
});
export const say = (messageId: string, delta: string): Event => ({
  type: "TEXT_MESSAGE_CONTENT",
  messageId,
  delta,
});
export const end = (messageId: string): Event => ({ type: "TEXT_MESSAGE_END", messageId });
export const asks = (...interrupts: object[]): Event =>
  finished({ outcome: { type: "interrupt", interrupts } });
export const snapshot = (...messages: object[]): Event => ({ type: "MESSAGES_SNAPSHOT", messages });

/** The events as a server sends them. */
export function written(events: readonly Event[]): string {
  return events.map((event) => `data: ${JSON.stringify(EventSchemas.parse(event))}\n\n`).join("");
}

/** @param isCut the connection breaks behind them */
export function streamsRun(events: readonly Event[], isCut = false): Behaviour {
  const text = written(events);
  return (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => (isCut ? response.destroy() : response.end()));
  };
}
