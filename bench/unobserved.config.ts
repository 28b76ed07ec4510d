import type { BrokerOptions } from "moleculer";
import configure from "../moleculer.config.ts";
import { DatabaseService } from "../services/database/database.service.ts";

/** The service's own configuration without the parts that measure calls and expose metrics. */
export default async (): Promise<BrokerOptions> => ({
  ...(await configure()),
  created: (broker) => void broker.createService(DatabaseService),
});
