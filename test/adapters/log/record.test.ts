// The record: what is written is read back, and whatever a disk may do to it is told, never guessed.
import { describe, expect, test } from "vitest";
import { crc32 } from "../../../src/adapters/log/crc32.ts";
import { type Chunk, decodeRecords, encodeRecord, recordKeyFrom } from "../../../src/adapters/log/record.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { LogCorrupted, LogFormatUnknown } from "../../../src/engine/ports.ts";

function event(seq: number, message = "m"): LogEvent {
  const timestamp = "2026-11-23T12:00:00.000Z";
  const logged = {
    execution_id: "ex",
    seq,
    timestamp,
    type: "execution.resumed",
    status: "running",
  } as const;
  return { ...logged, message, data: {} };
}

const read = (chunks: readonly Chunk[], from = 1) => [
  ...decodeRecords(
    chunks.map(({ key, bytes }) => [key, bytes] as const),
    from,
  ),
];

/** A record with a right checksum over any text. */
function forged(key: string, text: string): Chunk {
  const body = new TextEncoder().encode(text);
  const bytes = new Uint8Array(4 + body.byteLength);
  new DataView(bytes.buffer).setUint32(0, crc32(body));
  bytes.set(body, 4);
  return { key, bytes };
}

test("the checksum is CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcb_f4_39_26);
  expect(crc32(new Uint8Array())).toBe(0);
});

test("what is written is read back, of one batch and of several", () => {
  const chunks = [...encodeRecord([event(1, "ü 🌍"), event(2)]), ...encodeRecord([event(3)])];
  expect(chunks.map(({ key }) => key)).toEqual(["log/0000000001/0000-0001", "log/0000000003/0000-0001"]);
  expect(read(chunks)).toEqual([event(1, "ü 🌍"), event(2), event(3)]);
  expect(read(chunks.slice(1), 3)).toEqual([event(3)]);
  expect(recordKeyFrom(3) < "log/0000000003/0000-0001").toBe(true);
});

describe("a record of more than ten chunks", () => {
  const large = event(1, "🌍".repeat((11.5 * TIMINGS.RECORD_CHUNK_BYTES) / 4));
  const chunks = encodeRecord([large]);

  test("is read back in the order in which storage lists its keys", () => {
    expect(chunks.length).toBe(12);
    const listed = chunks.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    expect(listed).toEqual(chunks);
    expect(read(listed)).toEqual([large]);
  });

  test("each chunk has a buffer of its own: storage keeps the whole buffer under a view", () => {
    for (const { bytes } of chunks) expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
  });

  test("is read from keys that were not padded, which storage lists as text", () => {
    const listed = chunks
      .map(({ bytes }, at) => ({ key: `log/0000000001/${at}-${chunks.length}`, bytes }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    expect(listed[2]?.key).toBe("log/0000000001/10-12");
    expect(read([...listed, ...encodeRecord([event(2)])])).toEqual([large, event(2)]);
  });

  test("is corrupted where a chunk of it is missing or comes twice", () => {
    expect(() => read(chunks.toSpliced(5, 1))).toThrow(LogCorrupted);
    expect(() => read(chunks.toSpliced(5, 1, chunks[4] as Chunk))).toThrow(LogCorrupted);
  });
});

test("a record is cut into chunks of 512 KiB, also inside a character", () => {
  const large = event(1, "🌍".repeat(TIMINGS.RECORD_CHUNK_BYTES / 3));
  const chunks = encodeRecord([large]);
  expect(chunks.map(({ key }) => key)).toEqual(["log/0000000001/0000-0002", "log/0000000001/0001-0002"]);
  for (const { bytes } of chunks) expect(bytes.byteLength).toBeLessThanOrEqual(TIMINGS.RECORD_CHUNK_BYTES);
  expect(read(chunks)).toEqual([large]);
});

describe("corrupted is", () => {
  const [one, two, three] = [1, 2, 3].map((seq) => encodeRecord([event(seq)])[0] as Chunk) as [
    Chunk,
    Chunk,
    Chunk,
  ];
  const halves = encodeRecord([event(1, "x".repeat(TIMINGS.RECORD_CHUNK_BYTES))]);
  const spoilt = (chunk: Chunk, change: (bytes: Uint8Array) => void) => {
    const bytes = chunk.bytes.slice();
    change(bytes);
    return { key: chunk.key, bytes };
  };
  const cases: Record<string, readonly Chunk[]> = {
    "a gap between records": [one, three],
    "a log without its first record": [two, three],
    "a record that stands twice": [one, one],
    "a record behind the next": [two, one],
    "a record that lacks its first chunk": halves.slice(1),
    "a record that lacks its last chunk": halves.slice(0, 1),
    "chunks of two records mixed": [halves[0] as Chunk, two],
    "a flipped bit in the body": [spoilt(one, (bytes) => (bytes[20] = (bytes[20] as number) ^ 1))],
    "a flipped bit in the checksum": [spoilt(one, (bytes) => (bytes[0] = (bytes[0] as number) ^ 128))],
    "a truncated record": [{ key: one.key, bytes: one.bytes.slice(0, -1) }],
    "a record of no bytes": [{ key: one.key, bytes: new Uint8Array() }],
    "a record of a format that never was": [forged(one.key, '{"v":"x","events":[]}')],
    "a record of format 0": [forged(one.key, '{"v":0,"events":[]}')],
    "a record that is not JSON": [forged(one.key, '{"v":1,"ev')],
    "a record without events": [forged(one.key, '{"v":1}')],
    "a record of null": [forged(one.key, "null")],
    "a key of another kind": [{ key: "log/1", bytes: one.bytes }],
    "a value that is not bytes": [{ key: one.key, bytes: "text" as unknown as Uint8Array }],
    "a record under another's key": [{ key: two.key, bytes: one.bytes }],
  };
  test.each(Object.entries(cases))("%s", (_, chunks) => {
    expect(() => read(chunks)).toThrow(LogCorrupted);
  });
});

describe("the format of a log", () => {
  const json = JSON.stringify([event(1)]);
  const first = encodeRecord([event(1)])[0] as Chunk;

  test("is in its first record", () => {
    expect(JSON.parse(new TextDecoder().decode(first.bytes.subarray(4)))).toMatchObject({ v: 1 });
  });

  test("is 1 where the record has none", () => {
    expect(read([forged(first.key, `{"events":${json}}`)])).toEqual([event(1)]);
  });

  test.each([3, 4, 1_000])("is refused by its number where this version does not know it: %d", (v) => {
    const later = forged(first.key, `{"v":${v},"events":${json},"and":"what only that version knows"}`);
    expect(() => read([later])).toThrow(LogFormatUnknown);
    expect(() => read([later])).toThrow(`has the format ${v}, and this version reads format 1, 2`);
  });

  test("is refused as well where a later record has another one", () => {
    const later = forged(recordKeyFrom(2) + "/0000-0001", `{"v":3,"events":${JSON.stringify([event(2)])}}`);
    expect(() => read([first, later])).toThrow(LogFormatUnknown);
  });
});
