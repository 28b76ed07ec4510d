import { VERSION } from "../../../lib/contract/events.ts";

/** The information about the service in both documents. */

export const INFO = {
  version: VERSION,
  contact: {
    name: "The User Service authors",
    url: "https://user-service.example",
    email: "authors@user-service.example",
  },
  license: { name: "MIT", url: "https://opensource.org/license/mit" },
};

/** A tag for each service, and one for the nodes that they run on. */
export const TAGS = [
  { name: "users", description: "Profiles and preferences" },
  { name: "stats", description: "Statistics and quotas" },
  { name: "avatars", description: "Avatars" },
  { name: "identities", description: "Status of users, in step with Keycloak" },
  { name: "node", description: "Health and metrics of a node" },
];
