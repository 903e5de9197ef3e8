// answer_generation with a language model, at a real local endpoint that answers well, badly, and not at all.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { type AnswerData, agentsOver, gadgets as retrieval } from "./support.ts";

const agents = agentsOver();
const STREAM = "text/event-stream, application/json;q=0.9";

describe("a language model", () => {
  type Seen = { headers: IncomingMessage["headers"]; body: Record<string, unknown>; url: string | undefined };
  type Endpoint = { environment: Record<string, string>; seen: Seen[] };

  async function endpoint(
    answer: (response: ServerResponse) => void,
    use: (endpoint: Endpoint) => Promise<void>,
  ): Promise<void> {
    const seen: Seen[] = [];
    const server = createServer((request, response) => {
      const { headers, url } = request;
      let body = "";
      request.on("data", (piece: Buffer) => (body += piece.toString()));
      request.on("end", () => {
        seen.push({ headers, url, body: JSON.parse(body) as Seen["body"] });
        answer(response);
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    const environment = {
      LLM_BASE_URL: `http://127.0.0.1:${port}/v1/`,
      LLM_API_KEY: "sk-secret",
      LLM_MODEL: "tiny",
    };
    try {
      await use({ environment, seen });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  }

  const chunk = (content: string, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason }] })}\n\n`;
  const stream = (response: ServerResponse, ...events: string[]) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of events) response.write(event);
  };
  const call = { query: "Why does the gadget glow?", inputs: { source_retrieval: retrieval } };

  test("streams its text, renumbers its citations and counts its tokens", async () => {
    const usage = { prompt_tokens: 50, completion_tokens: 7 };
    await endpoint(
      (response) => {
        stream(
          response,
          ": hello\n\n",
          chunk("It glows gr"),
          chunk("een [2"),
          chunk("]. Made up [9]."),
          chunk("", "stop"),
        );
        response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
      },
      async ({ environment, seen }) => {
        const history = [{ query: "What hums?", answer: { answer: "The gadget." } }];
        const response = await agents.respond("answer_generation", { ...call, history, environment });
        expect(await response.json()).toMatchObject({
          data: {
            answer: "It glows green [1]. Made up.",
            citations: [{ index: 1, document: "b.md" }],
            grounded: true,
            generator: "language_model",
            model: "tiny",
          },
          usage: { input_tokens: 50, output_tokens: 7 },
        });
        expect(seen[0]).toMatchObject({
          url: "/v1/chat/completions",
          headers: { authorization: "Bearer sk-secret" },
          body: { model: "tiny", stream: true },
        });
        const messages = seen[0]?.body["messages"] as { role: string; content: string }[];
        expect(messages.map((message) => message.role)).toEqual(["system", "user", "assistant", "user"]);
        expect(messages.at(-1)?.content).toContain("[2] On b.md / Part\nA gadget glows green at night.");
      },
    );
  });

  test("one that finds no answer in the sources is followed by the nearest passages", async () => {
    await endpoint(
      (response) => {
        stream(response, chunk("The sources do not "), chunk("answer this question.", "stop"));
        response.end("data: [DONE]\n\n");
      },
      async ({ environment }) => {
        const data = await agents.data<AnswerData>("answer_generation", { ...call, environment });
        expect(data.answer).toMatch(/^The sources do not answer this question\.\n\nThe nearest passages/);
        expect(data).toMatchObject({
          grounded: false,
          nearest: [{ document: "b.md" }, { document: "a.md" }],
        });
      },
    );
  });

  test("one that answers in a piece is understood too", async () => {
    await endpoint(
      (response) => {
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify({ choices: [{ message: { content: "Green [2]." }, finish_reason: "stop" }] }),
        );
      },
      async ({ environment }) => {
        const data = await agents.data<AnswerData>("answer_generation", { ...call, environment });
        expect(data.answer).toBe("Green [1].");
      },
    );
  });

  test.each([
    [401, 502, false, undefined],
    [429, 429, true, "3"],
    [503, 503, true, "2.5"],
    [500, 502, true, undefined],
    [302, 502, false, undefined],
  ])(
    "its status %i becomes %i, retryable: %s, and tells no secret",
    async (status, expected, retryable, wait) => {
      await endpoint(
        (response) => {
          response.writeHead(status, wait === undefined ? {} : { "retry-after": wait });
          response.end("wrong key sk-secret");
        },
        async ({ environment }) => {
          const response = await agents.respond("answer_generation", { ...call, environment });
          const text = await response.text();
          // The progress note has gone out before the call, so a stream would tell it as an event; JSON has a status.
          expect(response.status).toBe(expected);
          expect(response.headers.get("retry-after")).toBe(
            wait === undefined ? null : String(Math.ceil(Number(wait))),
          );
          expect(JSON.parse(text)).toMatchObject({ retryable });
          expect(text).not.toContain("sk-secret");
        },
      );
    },
  );

  test.each([
    ["ends without an end", (response: ServerResponse) => response.end()],
    ["is cut", (response: ServerResponse) => response.destroy()],
    [
      "reports an error",
      (response: ServerResponse) => response.end('data: {"error":{"message":"overloaded"}}\n\n'),
    ],
    ["turns to garbage", (response: ServerResponse) => response.end("data: {nonsense\n\n")],
  ])("a stream that %s is a retryable error event after its deltas", async (_name, end) => {
    await endpoint(
      (response) => {
        stream(response, chunk("It glows "));
        response.write(chunk("green"), () => end(response));
      },
      async ({ environment }) => {
        const response = await agents.respond("answer_generation", { ...call, environment, accept: STREAM });
        const text = await response.text();
        expect(text).toContain('event: delta\ndata: {"text":"It glows"}');
        expect(text).toMatch(/event: error\ndata: .*"status":502.*"retryable":true}\n\n$/);
        expect(text).not.toContain("event: result");
      },
    );
  });

  test("one that is not there is worth another try", async () => {
    const environment = { LLM_BASE_URL: "http://127.0.0.1:9/v1", LLM_MODEL: "tiny" };
    const response = await agents.respond("answer_generation", { ...call, environment });
    expect(await response.json()).toMatchObject({ status: 503, retryable: true });
  });

  test('the model "simple" does without it', async () => {
    const environment = { LLM_BASE_URL: "http://127.0.0.1:9/v1", LLM_MODEL: "tiny" };
    const config = { model: "simple", pace_ms: 0 };
    const data = await agents.data<AnswerData>("answer_generation", { ...call, config, environment });
    expect(data).toMatchObject({ generator: "extractive", grounded: true });
  });

  test("a reader who leaves ends the model's stream", async () => {
    let gone: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    await endpoint(
      (response) => {
        response.on("close", gone);
        stream(response, chunk("It glows "));
      },
      async ({ environment }) => {
        const response = await agents.respond("answer_generation", { ...call, environment, accept: STREAM });
        const reader = response.body?.getReader();
        let text = "";
        while (!text.includes("event: delta")) {
          const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
          if (done) throw new Error(`no delta in ${text}`);
          text += new TextDecoder().decode(value);
        }
        await reader?.cancel();
        await closed;
      },
    );
  });
});
