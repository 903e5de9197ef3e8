// The page's route: the part of the URL after `#`, so that any file server can serve it, a reload finds the same
// view, and the id of the execution shown is never sent in a request for the page.
import { signal } from "@preact/signals";

export interface Route {
  /** `run`, `executions`, `waits`, `pipelines`, `health` or `compare`. */
  page: string;
  /** The path segments after the page's name, decoded. */
  rest: readonly string[];
  query: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...rest] = path.split("/").map(decoded);
  return {
    page: page === "" ? "run" : page,
    rest: rest.filter((part) => part !== ""),
    query: new URLSearchParams(query),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal<Route>(read());
addEventListener("hashchange", () => {
  route.value = read();
});

/** A link to a view. */
export function to(page: string, ...rest: readonly string[]): string {
  return `#/${[page, ...rest.map(encodeURIComponent)].join("/")}`;
}

export function go(hash: string): void {
  location.hash = hash;
}

/** Changes the view's query in place, without a step in the history. */
export function refine(changes: Readonly<Record<string, string>>): void {
  const { page, rest, query } = route.value;
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(null, "", `${to(page, ...rest)}${text === "" ? "" : `?${text}`}`);
  route.value = { page, rest, query: next };
}
