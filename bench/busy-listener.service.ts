import type { ServiceSchema } from "moleculer";

/** In ms. So much more than PostgreSQL and Kafka need for an event that two relays on two cores do not wait for them. */
const BUSY_FOR = 0.7;

/** A listener that makes a relay need a lot of CPU time: it handles each event in the process of the relay. */
const BusyListener: ServiceSchema = {
  name: "busy-listener",
  events: {
    "user.created"() {
      for (const start = performance.now(); performance.now() - start < BUSY_FOR; );
    },
  },
};

export default BusyListener;
