import { join } from "node:path";
import { config } from "../runtime/config.ts";
import { folderStore } from "./folder-store.ts";
import { minioStore } from "./minio-store.ts";
import type { ObjectStore } from "./object-store.types.ts";

/** The one store of a node: MinIO (any S3) where it is configured, else a folder of this machine. */
export const objectStore: ObjectStore = config.minio
  ? minioStore(config.minio)
  : folderStore(join(config.dataDir, "avatars"));
