// Reads an event stream as a careful client does.
import { createParser } from "eventsource-parser";

export interface Received {
  id: number | null;
  event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  data: any;
  raw: string;
}

/** Every event of a response's stream until it closes, each passed to `on` as it comes. */
export async function readEvents(
  response: Response,
  on: (event: Received) => void = () => {},
): Promise<Received[]> {
  const received: Received[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      const got = {
        id: id === undefined ? null : Number(id),
        event: event ?? "message",
        data: JSON.parse(data) as unknown,
        raw: data,
      };
      received.push(got);
      on(got);
    },
  });
  const decoder = new TextDecoder();
  if (response.body === null) return received;
  for await (const chunk of response.body) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
  return received;
}

/** The lifecycle events: those with an id. */
export function lifecycle(events: readonly Received[]): Received[] {
  return events.filter((event) => event.id !== null);
}

/**
 * The text of a stage by the one rule of src/contract/README.md section 3: a new attempt empties it; then cut at
 * `offset` and append.
 */
export function textOf(events: readonly Received[], stage: string): string {
  let text = "";
  let attempt = 0;
  for (const { event, data } of events) {
    if (event !== "stage.delta" || data.stage !== stage) continue;
    if (data.attempt !== attempt) text = "";
    attempt = data.attempt;
    text = text.slice(0, data.data.offset) + data.data.partial_answer;
  }
  return text;
}
