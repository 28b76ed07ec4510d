import { createNode } from "./operator.ts";

/** `npm run repl`: a prompt on a node of its own. */
const broker = await createNode("repl");
await broker.start();
broker.repl();
