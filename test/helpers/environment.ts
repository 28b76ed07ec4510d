import { expect } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { ConfigError } from "../../lib/config/config-error.ts";
import { checkParts } from "../../lib/config/production.ts";

/** A complete environment, with which a node starts in production. */
export const PRODUCTION = {
  NODE_ENV: "production",
  DATABASE_HOST: "db",
  MINIO_ENDPOINT: "minio",
  KAFKA_BROKERS: "kafka:9092",
  NAMESPACE: "live",
  PUBLIC_URL: "https://users.example",
  AUTH_ISSUER: "https://idp/realms/a",
  INTERNAL_TOKEN: "x".repeat(32),
  DATABASE_PASSWORD: "of our own",
  MINIO_SECRET_KEY: "of our own too",
};

/** The message with which a node with this environment refuses to start. */
export function faultOf(env: Record<string, string>): string {
  try {
    checkParts(env, readConfig(env).parts);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error("The environment was accepted");
}
