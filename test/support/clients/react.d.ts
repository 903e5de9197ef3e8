// As much of React's types as the tests use: the package brings none.
declare module "react" {
  export interface Element {
    readonly type: unknown;
  }
  export type Component<Props> = (props: Props) => Element;
  export const StrictMode: Component<object>;
  export function createElement<Props extends object>(
    type: string | Component<Props>,
    props: Props | null,
    ...children: (Element | string)[]
  ): Element;
}

declare module "react-dom/client" {
  import type { Element } from "react";
  export function createRoot(container: unknown): { render(element: Element): void; unmount(): void };
}
