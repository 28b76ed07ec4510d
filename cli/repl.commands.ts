import type { Context, ReplOptions, ServiceBroker } from "moleculer";
import { call } from "../lib/contract/call.ts";
import { DLQ_USAGE, operateDeadLetters } from "../services/ingest/dead-letter.operate.ts";
import { countSetAside, outboxAge, outboxLength } from "../services/outbox/outbox.store.ts";
import { OUTBOX_USAGE, operateOutbox } from "../services/outbox/set-aside.operate.ts";
import { OPERATOR } from "./rights.ts";

/** The REPL's commands besides Moleculer's own (`nodes`, `call users.get --id …`). */

type Command = {
  command: string;
  description: string;
  action(broker: ServiceBroker, args: Record<string, string>): Promise<void>;
};

const findUser = (broker: ServiceBroker, who: string) =>
  who.includes("@")
    ? call(broker, "users.getByEmail", { email: who })
    : call(broker, "users.get", { id: who });

const COMMANDS: Command[] = [
  {
    command: "user <who>",
    description: "Shows a user, by id or e-mail",
    action: async (broker, { who = "" }) => {
      console.dir(await findUser(broker, who), { depth: null });
    },
  },
  {
    command: "history <who>",
    description: "Shows the latest changes of a user, by id or e-mail, newest first",
    action: async (broker, { who = "" }) => {
      const { id } = await findUser(broker, who);
      console.dir((await call(broker, "users.history", { id })).items, { depth: null });
    },
  },
  {
    command: "erasure <id>",
    description: "Shows the erasure of a user, deleted or not, and what is stored of the user",
    action: async (broker, { id = "" }) => {
      console.dir(await call(broker, "users.inventory", { id }, { meta: OPERATOR }), { depth: null });
    },
  },
  {
    command: "watch <event>",
    description: "Shows events as they are published: user.created, or user.** for all of them",
    action: async (broker, { event = "" }) => {
      const group = `watch-${broker.nodeID}`; // its own group, so that no listener loses an event to it
      const handler = ({ params }: Context) => console.dir(params, { depth: null });
      broker.createService({ name: "watch", events: { [event]: { group, handler } } });
    },
  },
  {
    command: "outbox [words...]",
    description: `Shows how many records wait to be published and for how long. Records that are set aside: ${OUTBOX_USAGE}`,
    action: async (_broker, { rawCommand = "" }) => {
      const words = rawCommand.split(/\s+/).slice(1);
      if (words.length > 0) return operateOutbox(words);
      const waiting = `${await outboxLength()} wait, the oldest for ${await outboxAge()} s`;
      console.log(`${waiting}; ${await countSetAside()} are set aside`);
    },
  },
  {
    command: "dlq [words...]",
    description: `Dead letters: ${DLQ_USAGE}`,
    action: (_broker, { rawCommand = "" }) => operateDeadLetters(rawCommand.split(/\s+/).slice(1)),
  },
];

/** Prints only the message of a command's error: the REPL would print the whole error. */
const sayingFaults = ({ action, ...rest }: Command): Command => ({
  ...rest,
  action: (broker, args) => action(broker, args).catch((error: Error) => console.error(error.message)),
});

export const REPL_OPTIONS = {
  delimiter: "user-service $",
  customCommands: COMMANDS.map(sayingFaults),
} as unknown as ReplOptions; // its types declare the arguments as a list
