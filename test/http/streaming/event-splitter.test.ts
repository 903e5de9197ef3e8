// EventBytes: however a stream is cut into chunks, whole events come out byte for byte, and the last number is known.
import { array, assert, boolean, nat, property, record, string } from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../../../src/core/bytes.ts";
import { EventBytes } from "../../../src/http/streaming/event-splitter.ts";

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const event = record({ numbered: boolean(), data: string({ unit: "grapheme", maxLength: 40 }) });

test("any chunks of any stream give its whole events, and hold back the half one", () => {
  assert(
    property(
      array(event, { maxLength: 12 }),
      string({ maxLength: 20 }),
      array(nat(30), { minLength: 1, maxLength: 60 }),
      (events, half, sizes) => {
        let seq = 0;
        const whole = events
          .map(({ numbered, data }) => {
            if (numbered) seq += 1;
            const id = numbered ? `id: ${seq}\n` : "";
            return `event: x\ndata: ${JSON.stringify(data)}\n${id}\n`;
          })
          .join("");
        const rest = half.replaceAll("\n", " ");
        const bytes = encoder.encode(whole + rest);
        const reader = new EventBytes(0);
        const out: Uint8Array[] = [];
        let count = 0;
        for (let at = 0, turn = 0; at < bytes.byteLength; turn += 1) {
          const size = 1 + (sizes[turn % sizes.length] as number);
          const got = reader.push(bytes.slice(at, at + size));
          out.push(...got.pieces);
          count += got.events;
          at += size;
        }
        expect(text(concatBytes(out))).toBe(whole);
        expect(count).toBe(events.length);
        expect(reader.seq).toBe(seq);
        expect(text(reader.takeRest())).toBe(rest);
        expect(reader.takeRest().byteLength).toBe(0);
      },
    ),
    { numRuns: 500, seed: 7 },
  );
});

test("an id counts at any position of its line, and only there", () => {
  const reader = new EventBytes(3);
  reader.push(encoder.encode('id: 12\nevent: a\ndata: {"x":"id: 99"}\n\n'));
  expect(reader.seq).toBe(12);
  reader.push(encoder.encode('event: a\ndata: "id: 99"\n\n: \n\n'));
  expect(reader.seq).toBe(12);
  reader.push(encoder.encode("event: a\ndata: {}\nid: 13\n\n"));
  expect(reader.seq).toBe(13);
});
