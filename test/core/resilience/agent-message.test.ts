// What an agent says about its failure, in every form that frameworks give it.
import { describe, expect, test } from "vitest";
import { agentMessage, wordsOf } from "../../../src/core/resilience/agent-message.ts";
import { htmlText } from "../../../src/core/resilience/html-text.ts";

describe("agentWords", () => {
  test.each([
    ["plain text", "Traceback:\n  File x\nKeyError: 'q'", "text/plain", "Traceback: File x KeyError: 'q'"],
    ["no content type", "out of ink", "", "out of ink"],
    ["a string", '"out of ink"', "application/json", "out of ink"],
    ["error", '{"error":"out of ink"}', "application/json", "out of ink"],
    ["error.message", '{"error":{"message":"out of ink","code":"E1"}}', "application/json", "out of ink"],
    ["error without words", '{"error":{"code":7}}', "application/json", '{"code":7}'],
    ["FastAPI's detail", '{"detail":"out of ink"}', "application/json", "out of ink"],
    [
      "FastAPI's list",
      '{"detail":[{"loc":["body","query"],"msg":"field required","type":"missing"},{"loc":["body",0],"msg":"no"}]}',
      "application/json",
      "body.query: field required; body.0: no",
    ],
    ["Express", '{"message":"out of ink"}', "application/json", "out of ink"],
    [
      "NestJS",
      '{"statusCode":400,"message":["a must be set","b too"],"error":"Bad Request"}',
      "application/json",
      "Bad Request: a must be set; b too",
    ],
    ["ASP.NET", '{"title":"Bad","errors":{"q":["required"]}}', "application/json", '{"q":["required"]}'],
    ["a title alone", '{"title":"Bad","status":400}', "application/problem+json", "Bad"],
    ["JSON of its own", '{"reason_code":17}', "application/json", '{"reason_code":17}'],
    ["JSON that is cut", '{"error":"out of', "application/json", '{"error":"out of'],
    ["a page", "<h1>Oops</h1><p>out&nbsp;of &lt;ink&gt;", "text/html", "Oops out of <ink>"],
    ["a page without a type", "<!DOCTYPE html><title>500</title>ink", "", "500 ink"],
  ])("of %s", (_name, body, type, words) => {
    expect(agentMessage(body, type)).toBe(words);
  });

  test.each([
    ["nothing", "", ""],
    ["white space", " \n", "text/plain"],
    ["an empty object", "{}", "application/json"],
    ["the status again", '{"status":503,"retryable":false}', "application/problem+json"],
    ["null", "null", "application/json"],
    ["an empty page", "<html><body></body></html>", "text/html"],
    ["bytes", "\u0000PNG", "image/png"],
    ["bytes that are no UTF-8", "a\ufffd\ufffd\ufffd", ""],
  ])("none in %s", (_name, body, type) => {
    expect(agentMessage(body, type)).toBeNull();
  });

  test("an answer without its wrapper has words only where a member is named for them", () => {
    expect(wordsOf({ answer: "yes", sources: [] })).toBeNull();
    expect(wordsOf({ error: "no" })).toBe("no");
  });
});

describe("htmlText", () => {
  test("scripts, styles, comments and tags are no text", () => {
    const page =
      "<html><head><title>T</title><style>p{}</style><script>alert(1)</script></head><!-- <p>no</p> --><body>" +
      '<p class="a>b">one<br/>two</p>a < b &#8364;&#x1F981;&unknown;</body></html>';
    expect(htmlText(page)).toBe('T b">one two a < b €🦁&unknown;');
  });

  test("what is never closed hides the rest", () => {
    expect(htmlText("a<script>b")).toBe("a");
    expect(htmlText("a<!-- b")).toBe("a");
    expect(htmlText("a<p b")).toBe("a");
  });

  test("costs no more than its length, for any unclosed part", () => {
    const began = performance.now();
    for (const piece of ["<script>", "<!--", "<p ", "<", "</", "&#", "<svg></"]) {
      htmlText(piece.repeat(100_000));
    }
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
