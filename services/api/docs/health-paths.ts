import { DependencyUnavailable } from "../../../lib/contract/errors.ts";
import { errorsOf } from "./refusals.ts";

/** What anyone may ask a node about itself (lib/http/health.routes.ts), as OpenAPI paths. */

const json = (name: string) => ({ "application/json": { schema: { $ref: `#/components/schemas/${name}` } } });

const get = (summary: string, path: string, responses: object) => ({
  get: { tags: ["node"], operationId: `get${path.replaceAll("/", "-")}`, summary, security: [], responses },
});

export const HEALTH_PATHS = {
  "/health": get("Database and Kafka as the node sees them", "/health", {
    200: { description: "The database is there", content: json("Health") },
    503: { description: "The database is away", content: json("HealthError") },
  }),
  "/health/live": get("Whether the process runs", "/health/live", {
    200: { description: "It does", content: json("Status") },
  }),
  "/health/ready": get("Whether the node may be asked", "/health/ready", {
    200: { description: "It may", content: json("Status") },
    ...errorsOf([new DependencyUnavailable("database")], "/health/ready"),
  }),
  "/metrics": get("Figures for Prometheus", "/metrics", {
    200: { description: "Prometheus text format", content: { "text/plain": { schema: { type: "string" } } } },
  }),
};
