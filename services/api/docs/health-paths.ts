import { DependencyUnavailable } from "../../../lib/contract/errors.ts";
import { errorsOf } from "./refusals.ts";

/** The health and metrics routes (lib/http/health.routes.ts), as OpenAPI paths. */

const json = (name: string) => ({ "application/json": { schema: { $ref: `#/components/schemas/${name}` } } });

const OPERATION_IDS: Record<string, string> = {
  "/health": "getHealth",
  "/health/live": "getLiveness",
  "/health/ready": "getReadiness",
  "/metrics": "getMetrics",
};

const get = (summary: string, path: string, responses: object) => ({
  get: {
    tags: ["node"],
    operationId: OPERATION_IDS[path],
    summary,
    description: "Open to anyone.",
    security: [],
    responses,
  },
});

export const HEALTH_PATHS = {
  "/health": get("Get the state of the database and of Kafka, as this node sees them", "/health", {
    200: { description: "The database answers", content: json("Health") },
    503: { description: "The database is unavailable", content: json("HealthError") },
  }),
  "/health/live": get("Check that the process runs", "/health/live", {
    200: { description: "It runs", content: json("NodeStatus") },
  }),
  "/health/ready": get("Check that the node is ready for requests", "/health/ready", {
    200: { description: "It is ready", content: json("NodeStatus") },
    ...errorsOf([new DependencyUnavailable("database")], "/health/ready"),
  }),
  "/metrics": get("Get the metrics", "/metrics", {
    200: { description: "Prometheus text format", content: { "text/plain": { schema: { type: "string" } } } },
  }),
};
