// Functions of bytes: conversion to and from text and JSON, and access to items.
import { parseJson } from "../../json/exact-integer.ts";
import type { Definition } from "./definition.ts";
import { CHARS, type Meter } from "../evaluate/meter.ts";
import { Fault, type Value } from "../values/values.ts";

/** Keeps a byte order mark at the beginning of the bytes, as Go does. */
const DECODER = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

const decode: Definition[3] = ([bytes], meter) => toText(bytes as Uint8Array, meter);

const functions: readonly Definition[] = [
  ["bytes", ["bytes"], "bytes", ([bytes]) => bytes as Value],
  ["bytes", ["string"], "bytes", ([text], meter) => toBytes(text as string, meter)],
  ["string", ["bytes"], "string", decode],
];

const methods: readonly Definition[] = [
  ["string", ["bytes"], "string", decode],
  ["json", ["bytes"], "dyn", ([bytes], meter) => parsed(bytes as Uint8Array, meter)],
  ["hex", ["bytes"], "string", ([bytes], meter) => hex(bytes as Uint8Array, meter)],
  ["base64", ["bytes"], "string", ([bytes], meter) => base64(bytes as Uint8Array, meter)],
  ["at", ["bytes", "int"], "int", ([bytes, at]) => byteAt(bytes as Uint8Array, at as bigint)],
];

const sizes: readonly Definition[] = [
  ["size", ["bytes"], "int", ([bytes]) => BigInt((bytes as Uint8Array).length)],
];

export const BYTE_FUNCTIONS = { functions, methods, sizes };

function toBytes(text: string, meter: Meter): Uint8Array {
  meter.chars(text.length, CHARS.CONVERTED);
  meter.makeText(text.length);
  const bytes = new TextEncoder().encode(text);
  meter.makeText(bytes.length);
  return bytes;
}

function toText(bytes: Uint8Array, meter: Meter): string {
  meter.makeText(bytes.length);
  meter.chars(bytes.length, CHARS.CONVERTED);
  return DECODER.decode(bytes);
}

/** Steps for calling the JSON parser: where it refuses a text, its exception takes up to 40 µs. */
const PARSER_STEPS = 1_000;

function parsed(bytes: Uint8Array, meter: Meter): Value | Fault {
  const text = toText(bytes, meter);
  // In the worst case every second character begins a value.
  meter.spend(PARSER_STEPS);
  meter.chars(bytes.length, CHARS.PARSED);
  try {
    return parseJson(text) as Value;
  } catch {
    return new Fault("json() of bytes that are not valid JSON");
  }
}

/** Steps for calling the encoder, besides those for each byte. */
const BASE64_STEPS = 6;

function hex(bytes: Uint8Array, meter: Meter): string {
  meter.makeText(bytes.length * 2);
  meter.chars(bytes.length * 2, CHARS.PARSED);
  let text = "";
  for (const byte of bytes) text += (byte + 0x100).toString(16).slice(1);
  return text;
}

export function base64(bytes: Uint8Array, meter: Meter): string {
  meter.spend(BASE64_STEPS);
  meter.makeText(Math.ceil(bytes.length / 3) * 4);
  meter.chars(bytes.length * 2, CHARS.PARSED);
  let latin1 = "";
  for (const byte of bytes) latin1 += String.fromCharCode(byte);
  return btoa(latin1);
}

function byteAt(bytes: Uint8Array, at: bigint): bigint | Fault {
  if (at < 0n || at >= BigInt(bytes.length)) return new Fault("at() of a position outside the bytes");
  return BigInt(bytes[Number(at)] as number);
}
