// As much of Express's types as the tests use: the package brings none.
declare module "express" {
  import type { RequestListener } from "node:http";
  interface App extends RequestListener {
    use(path: string, handler: unknown): void;
  }
  export default function express(): App;
}
