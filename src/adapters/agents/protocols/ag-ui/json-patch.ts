// Applies JSON Patches (RFC 6902) to a document of its own. What an agent may have it do is bounded: the depth of the
// document, and the bytes that are copied and compared.
import { LIMITS } from "../../../../contract/limits.ts";
import { RESERVED_KEYS } from "../../../../contract/names.ts";
import { canonicalJson, isObject, valueFault } from "../../../../core/json/json.ts";
import { jsonBytes } from "../../../../core/json/weight.ts";
import { listOf, membersOf } from "../members.ts";

/** Maximum number of bytes that the operations of one document copy and compare. */
const WORK_BYTES = 4 * LIMITS.RESULT_BYTES;

type Container = Record<string, unknown> | unknown[];

/** An operation that cannot be applied; its message says why. */
class PatchFault extends Error {}

export class PatchedDocument {
  value: unknown;
  private work_bytes = 0;

  /** @param value belongs to the document from now on, and changes with it */
  constructor(value: unknown) {
    this.value = value;
  }

  /** @returns why an operation cannot be applied, or null; those before it stay applied */
  apply(operations: unknown): string | null {
    for (const [place, operation] of listOf(operations).entries()) {
      try {
        this.one(membersOf(operation));
      } catch (fault) {
        if (fault instanceof PatchFault) return `operation ${place} ${fault.message}`;
        throw fault;
      }
    }
    return null;
  }

  private one({ op, path, from, value }: Readonly<Record<string, unknown>>): void {
    const tokens = tokensOf(path);
    switch (op) {
      case "add":
      case "replace":
        return this.put(tokens, value, op);
      case "remove":
        return this.remove(tokens);
      case "copy":
        return this.put(tokens, structuredClone(this.weighed(this.at(tokensOf(from)))), "add");
      case "move": {
        const source = tokensOf(from);
        const moved = this.weighed(this.at(source));
        this.remove(source);
        return this.put(tokens, moved, "add");
      }
      case "test": {
        if (canonicalJson(this.weighed(this.at(tokens))) === canonicalJson(this.weighed(value))) return;
        throw new PatchFault("finds another value than it tests for");
      }
      default:
        throw new PatchFault("is none of RFC 6902");
    }
  }

  private weighed(value: unknown): unknown {
    this.work_bytes += jsonBytes(value);
    if (this.work_bytes > WORK_BYTES) throw new PatchFault("has too much to copy");
    return value;
  }

  private put(tokens: string[], value: unknown, op: "add" | "replace"): void {
    if (value === undefined) throw new PatchFault("has no value");
    const fault = valueFault(value, LIMITS.JSON_DEPTH - tokens.length);
    if (fault !== null) throw new PatchFault(fault.detail);
    const key = tokens.pop();
    if (key === undefined) {
      this.value = value;
      return;
    }
    const container = this.container(tokens);
    if (!Array.isArray(container)) {
      if (op === "replace") member(container, key);
      container[key] = value;
    } else if (op === "add") {
      const index = key === "-" ? container.length : indexOf(key, container.length);
      container.splice(index, 0, value);
    } else container[indexOf(key, container.length - 1)] = value;
  }

  private remove(tokens: string[]): void {
    const key = tokens.at(-1);
    if (key === undefined) {
      this.value = null;
      return;
    }
    const container = this.container(tokens.slice(0, -1));
    member(container, key);
    if (Array.isArray(container)) container.splice(Number(key), 1);
    else Reflect.deleteProperty(container, key);
  }

  private at(tokens: readonly string[]): unknown {
    return tokens.reduce((value, token) => member(containerOf(value, token), token), this.value);
  }

  private container(tokens: readonly string[]): Container {
    return containerOf(this.at(tokens), tokens.at(-1) ?? "");
  }
}

function containerOf(value: unknown, token: string): Container {
  if (Array.isArray(value) || isObject(value)) return value as Container;
  throw new PatchFault(`finds neither object nor list at ${token}`);
}

function member(container: Container, key: string): unknown {
  if (Array.isArray(container)) return container[indexOf(key, container.length - 1)];
  if (!Object.hasOwn(container, key)) throw new PatchFault(`finds no member ${key}`);
  return container[key];
}

function indexOf(token: string, most: number): number {
  if (/^(?:0|[1-9]\d{0,6})$/.test(token) && Number(token) <= most) return Number(token);
  throw new PatchFault(`finds no item ${token} in a list`);
}

function tokensOf(pointer: unknown): string[] {
  if (typeof pointer !== "string" || (pointer !== "" && !pointer.startsWith("/"))) {
    throw new PatchFault("has no JSON pointer");
  }
  const tokens = pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  const reserved = tokens.find((token) => RESERVED_KEYS.has(token));
  if (reserved !== undefined) throw new PatchFault(`names the key ${reserved}, which is not allowed`);
  return tokens;
}
