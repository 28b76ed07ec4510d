import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INTERNAL_TOKEN, spawnService } from "../helpers/process.ts";

/**
 * Valid and invalid requests that schemathesis (`st`, from PyPI) generates from the published document: no server error,
 * and no status, content type or body that the document does not have. Exits with its code.
 */

const SECONDS = 60;
/**
 * Rules that JSON Schema cannot express, such as the names of time zones; and a new user has no avatar. Without its
 * Authorization, a request still has the header of a service.
 */
const EXCLUDED = "positive_data_acceptance,ensure_resource_availability,missing_required_header";

const service = await spawnService({});
try {
  await service.ready(60_000);
  const [token] = /^eyJ\S+$/m.exec(service.printed()) ?? [];
  const headers = { Authorization: `Bearer ${token}`, "x-internal-token": INTERNAL_TOKEN };
  const person = {
    keycloakId: "development-admin",
    email: "admin@example.com",
    profile: { fullName: "Admin" },
  };
  await fetch(`${service.url}/api/v1/users`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(person),
  });
  const options = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const checks = ["--exclude-checks", EXCLUDED, "--max-time", String(SECONDS), "--workers", "2"];
  const settings = ["--config-file", join(import.meta.dirname, "schemathesis.toml")];
  const st = spawn("st", [...settings, "run", `${service.url}/openapi.json`, ...options, ...checks], {
    cwd: tmpdir(), // it writes files there
    stdio: "inherit",
  });
  const [code] = await once(st, "exit");
  process.exitCode = code ?? 1;
} finally {
  await service.remove();
}
