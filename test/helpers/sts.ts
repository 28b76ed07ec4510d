import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { MinioConfig } from "../../lib/config/config.ts";

/** A part of an IAM policy. */
export type Statement = { Effect: "Allow"; Action: string[]; Resource: string[]; Condition?: object };

/** Returns temporary MinIO credentials that have only the rights in the statements. curl signs the request. */
export async function restricted(minio: MinioConfig, statements: Statement[]): Promise<MinioConfig> {
  const { useSSL, endPoint, port, accessKey, secretKey } = minio;
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  const form = { Action: "AssumeRole", Version: "2011-06-15", DurationSeconds: "900", Policy };
  const { stdout: xml } = await promisify(execFile)("curl", [
    ...["--silent", "--aws-sigv4", "aws:amz:us-east-1:sts", "--user", `${accessKey}:${secretKey}`],
    ...Object.entries(form).flatMap(([name, value]) => ["--data-urlencode", `${name}=${value}`]),
    `http${useSSL ? "s" : ""}://${endPoint}:${port}`,
  ]);
  const contentOf = (tag: string) => new RegExp(`<${tag}>(.*)</${tag}>`).exec(xml)?.[1] ?? "";
  return {
    ...minio,
    accessKey: contentOf("AccessKeyId"),
    secretKey: contentOf("SecretAccessKey"),
    sessionToken: contentOf("SessionToken"),
  };
}
