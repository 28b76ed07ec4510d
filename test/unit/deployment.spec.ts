import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { readConfig } from "../../lib/config/config.ts";
import { SERVICE_NAMES, VARIABLES } from "../../lib/config/environment.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");

type Env = Record<string, string>;

/** The variables that the service does not read. */
const unknown = (env: object) =>
  Object.keys(env).filter((name) => !(name in VARIABLES || name.replace(/_FILE$/, "") in VARIABLES));

describe("docker-compose.yml", () => {
  type Service = { build?: string; image?: string; environment?: Env; ports?: string[]; volumes?: string[] };
  const { services } = parse(read("docker-compose.yml"), { merge: true }) as {
    services: Record<string, Service>;
  };
  const all = Object.entries(services);
  const nodes = all.filter(([, { environment }]) => environment?.SERVICES);

  test("runs each part of the service", () => {
    const running = nodes.flatMap(([, { environment }]) => environment?.SERVICES?.split(",") ?? []);
    expect(running.sort()).toEqual(SERVICE_NAMES.toSorted());
  });

  test.each(nodes)("gives %s a complete environment for production", (_, { environment = {} }) => {
    expect(unknown(environment)).toEqual([]);
    expect(readConfig(environment).production).toBe(true);
  });

  test("publishes ports on 127.0.0.1 only", () => {
    const ports = all.flatMap(([, { ports = [] }]) => ports);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
  });

  test("names a version of each image", () => {
    const images = all.flatMap(([, { image }]) => image ?? []);
    expect(images.length).toBeGreaterThan(0);
    expect(images.filter((image) => !/:\w*[\d.]+/.test(image))).toEqual([]);
  });

  test("keeps Kafka's data in a volume", () => {
    expect(services.kafka?.volumes).toEqual([`kafka:${services.kafka?.environment?.KAFKA_LOG_DIRS}`]);
  });
});

describe("the Helm chart", () => {
  type Secrets = Record<string, { name: string; key: string }>;
  type Node = { services: string[]; replicas: number };
  type Values = { env: Env; secrets: Secrets; nodes: Record<string, Node> };
  const CHART = "ops/helm/user-service";
  const defaults = parse(read(`${CHART}/values.yaml`)) as Values;
  const example = parse(read("ops/helm/values.example.yaml")) as Values;
  const schema = JSON.parse(read(`${CHART}/values.schema.json`));
  const merged = { ...defaults, ...example, env: { ...defaults.env, ...example.env } };

  /** A value for each variable that is read from a Secret. */
  const fromSecrets = Object.fromEntries(
    Object.keys(example.secrets).map((name) => [name, "a secret of 32 characters or more"]),
  );

  test.each(Object.entries(defaults.nodes))("gives %s all variables that production needs", (_, node) => {
    const env = { NODE_ENV: "production", SERVICES: node.services.join(), ...merged.env, ...fromSecrets };
    expect(unknown(env)).toEqual([]);
    expect(readConfig(env).production).toBe(true);
  });

  test("runs at least two replicas of each part of the service", () => {
    const nodes = Object.values(defaults.nodes);
    expect(nodes.flatMap(({ services }) => services).sort()).toEqual(SERVICE_NAMES.toSorted());
    expect(nodes.filter(({ replicas }) => replicas < 2)).toEqual([]);
  });

  test("accepts the values of the example, but not the defaults alone", () => {
    const validate = new Ajv({ strict: false }).compile(schema);
    validate(merged);
    expect(validate.errors).toBeNull();
    expect(validate(defaults)).toBe(false);
  });

  test("refuses variables that the chart sets itself, and values that are not strings", () => {
    const validate = new Ajv({ strict: false }).compile(schema);
    for (const variable of [{ SERVICES: "api" }, { NODE_ENV: "test" }, { PORT: "80" }, { MINIO_PORT: 443 }])
      expect([variable, validate({ ...merged, env: { ...merged.env, ...variable } })]).toEqual([
        variable,
        false,
      ]);
  });

  test("knows the names of the parts of the service", () => {
    expect(schema.definitions.node.properties.services.items.enum).toEqual(SERVICE_NAMES);
  });

  test("uses the ports that the service listens on", () => {
    const deployments = read(`${CHART}/templates/deployments.yaml`);
    for (const { fallback } of [VARIABLES.PORT, VARIABLES.METRICS_PORT])
      expect(deployments).toContain(`containerPort: ${fallback} }`);
  });

  test("has the version of the service", () => {
    const { version } = JSON.parse(read("package.json"));
    expect(parse(read(`${CHART}/Chart.yaml`))).toMatchObject({ version, appVersion: version });
  });
});
