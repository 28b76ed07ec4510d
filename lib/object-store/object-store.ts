import { join } from "node:path";
import { config } from "../config/config.ts";
import { folderStore } from "./folder-store.ts";
import { minioStore } from "./minio-store.ts";
import type { ObjectStore } from "./object-store.types.ts";

/** The object store of the node: MinIO (or any S3) if it is configured, else a local folder. */
export const objectStore: ObjectStore = config.minio
  ? minioStore(config.minio)
  : folderStore(join(config.dataDir, "avatars"));
