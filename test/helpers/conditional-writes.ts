import { uploadOf } from "./form.ts";
import { jpeg } from "./images.ts";
import type { Asked } from "./request.ts";

/** The writes that honour If-Match (contract 20), as requests; an admin may send all of them. */

const users = "/api/v1/users";

type Route = { name: string; asked: (id: string, value?: string) => Asked | Promise<Asked> };
const write =
  (method: string, rest: string, body: (value: string) => object): Route["asked"] =>
  (id, value = "first") => ({ method, path: `${users}/${id}${rest}`, body: body(value) });

const image = await jpeg();

export const WRITES: Route[] = [
  { name: "PATCH /users/:id", asked: write("PATCH", "", (bio) => ({ profile: { bio } })) },
  { name: "PUT /users/:id/profile", asked: write("PUT", "/profile", (bio) => ({ fullName: "Ada", bio })) },
  {
    name: "PUT /users/:id/email",
    asked: (id, value = "first") =>
      write("PUT", "/email", () => ({ email: `${value}-${id}@example.com` }))(id),
  },
  {
    name: "PATCH /users/:id/preferences",
    asked: write("PATCH", "/preferences", (value) => ({ language: value === "first" ? "de" : "fr" })),
  },
  {
    name: "PATCH /users/:id/quotas",
    asked: write("PATCH", "/quotas", (value) => ({ maxInterviews: value.length })),
  },
  {
    name: "POST /users/:id/avatar",
    asked: (id) => uploadOf(id, image),
  },
  { name: "DELETE /users/:id/avatar", asked: write("DELETE", "/avatar", () => ({})) },
  { name: "POST /users/:id/revert", asked: write("POST", "/revert", () => ({ version: 1 })) },
  { name: "DELETE /users/:id", asked: write("DELETE", "", () => ({})) },
];
