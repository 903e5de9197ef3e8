// Agents that answer at once, after `config.delay_ms`, or as a stream of tokens: as cheap as an agent can be.

const INSTANT = JSON.stringify({ data: { answer: "x".repeat(200) } });
const JSON_TYPE = { "content-type": "application/json" };

export default {
  async fetch(request: Request): Promise<Response> {
    const body: { config?: { delay_ms?: number; tokens?: number } } = await request.json();
    const { delay_ms, tokens } = body.config ?? {};
    if (tokens !== undefined) return tokenStream(tokens, delay_ms ?? 0);
    if (delay_ms !== undefined) {
      await new Promise((resolve) => {
        setTimeout(resolve, delay_ms);
      });
    }
    return new Response(INSTANT, { headers: JSON_TYPE });
  },
};

function tokenStream(tokens: number, gapMs: number): Response {
  const encoder = new TextEncoder();
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sent === tokens) {
        controller.enqueue(encoder.encode(`event: result\ndata: ${INSTANT}\n\n`));
        controller.close();
        return;
      }
      if (gapMs > 0) {
        await new Promise((resolve) => {
          setTimeout(resolve, gapMs);
        });
      }
      sent += 1;
      controller.enqueue(encoder.encode(`event: delta\ndata: {"text":"${Date.now()} "}\n\n`));
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}
