// Finds the keys of a variable that an expression contains literally: `results.a`, `results["a"]`, `results.?a`,
// `has(results.a)`, `"a" in results`. A computed key (`results[query]`) is known only at the evaluation.
import type { Node } from "./ast.ts";

/** The literal keys of `variable`, each once, in order of appearance. */
export function keysNamed(root: Node, variable: string): string[] {
  const found: Found = { named: new Set(), tested: new Set() };
  visit(root, new Set([variable]), found);
  return [...found.named];
}

/** Those of them that are in a `has(variable.key)`. */
export function keysTested(root: Node, variable: string): string[] {
  const found: Found = { named: new Set(), tested: new Set() };
  visit(root, new Set([variable]), found);
  return [...found.tested];
}

interface Found {
  readonly named: Set<string>;
  readonly tested: Set<string>;
}

/** @param names names of the variable in this scope: its own, unless a loop variable hides it, and those bound to it */
function visit(node: Node, names: ReadonlySet<string>, found: Found): void {
  const isVariable = (of: Node) => of.op === "name" && names.has(of.name);
  switch (node.op) {
    case "literal":
    case "name":
      return;
    case "field":
    case "has":
      if (isVariable(node.of)) {
        found.named.add(node.name);
        if (node.op === "has") found.tested.add(node.name);
      }
      visit(node.of, names, found);
      return;
    case "index":
      if (isVariable(node.of)) addText(node.index, found);
      visit(node.of, names, found);
      visit(node.index, names, found);
      return;
    case "binary":
      if (node.sign === "in" && isVariable(node.right)) addText(node.left, found);
      visit(node.left, names, found);
      visit(node.right, names, found);
      return;
    case "loop": {
      visit(node.range, names, found);
      const inner = without(names, node.variable);
      if (node.filter !== null) visit(node.filter, inner, found);
      visit(node.body, inner, found);
      return;
    }
    case "bind": {
      visit(node.value, names, found);
      const outer = without(names, node.variable);
      visit(node.body, isVariable(node.value) ? new Set([...outer, node.variable]) : outer, found);
      return;
    }
    default:
      for (const child of childrenOf(node)) visit(child, names, found);
  }
}

function addText(node: Node, { named }: Found): void {
  if (node.op === "literal" && typeof node.value === "string") named.add(node.value);
}

function without(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return names.has(name) ? new Set([...names].filter((other) => other !== name)) : names;
}

type Plain = Exclude<
  Node,
  { op: "literal" | "name" | "field" | "has" | "index" | "binary" | "loop" | "bind" }
>;

function childrenOf(node: Plain): readonly Node[] {
  switch (node.op) {
    case "call":
      return node.receiver === null ? node.args : [node.receiver, ...node.args];
    case "list":
      return node.items;
    case "map":
      return node.entries.flat();
    case "if":
      return [node.condition, node.yes, node.no];
    case "and":
    case "or":
      return [node.left, node.right];
    case "not":
    case "negate":
      return [node.of];
    case "or_else":
      return [node.of, node.other];
  }
}
