import { type CreationOptional, DataTypes, type InferAttributes, Model } from "sequelize";
import type { Counter } from "../services/stats/stats.contract.ts";
import { PROFILE_FIELDS, type PreferencesPatch } from "../services/users/users.fields.ts";
import { sequelize } from "./connections.ts";

/** The table `users` (contract 5). Every service reads it; each column is written by the one service that owns it. */
export class User extends Model<InferAttributes<User>> {
  declare id: CreationOptional<string>;
  declare keycloakId: string;
  declare email: string;
  declare fullName: string;
  declare companyName: string | null;
  declare phone: string | null;
  declare bio: string | null;
  /** Only the values that differ from the defaults. */
  declare preferences: PreferencesPatch;
  /** As it was when the avatar was uploaded: PUBLIC_URL may have changed (models/avatar-url.ts). */
  declare avatarUrl: string | null;
  /** The prefix of the names of the avatar's objects. */
  declare avatarKey: string | null;
  /** In bytes, all sizes of the avatar together. */
  declare avatarSize: number;
  /** Counters may be negative for a while, because events come in any order: they are clamped in results. */
  declare interviewsCreated: number;
  declare interviewsActive: number;
  declare candidatesTotal: number;
  /** In bytes. */
  declare storageUsed: number;
  /** Null is unlimited. */
  declare maxInterviews: number | null;
  /** In bytes; null is unlimited. */
  declare maxStorage: number | null;
  declare status: "active" | "suspended";
  /** Why the user is suspended; null for an active one. */
  declare statusReason: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
  declare deletedAt: Date | null;
  /** Increases with each change of the row. */
  declare version: number;
}

/** A row of `users` as plain data. */
export type UserRow = InferAttributes<User>;

/** The maximum of each counter: an absurd sum must neither fail a request nor block a batch for ever. */
export const HIGHEST: Record<Counter, number> = {
  interviewsCreated: 2 ** 31 - 1,
  interviewsActive: 2 ** 31 - 1,
  candidatesTotal: Number.MAX_SAFE_INTEGER,
  storageUsed: Number.MAX_SAFE_INTEGER,
};

/**
 * Which service writes which columns. `row` columns are written with every change. The quotas that a user begins with
 * are written by `users`.
 */
export const OWNED = {
  users: ["id", "keycloakId", "email", ...PROFILE_FIELDS, "preferences", "createdAt", "deletedAt"],
  stats: [
    "interviewsCreated",
    "interviewsActive",
    "candidatesTotal",
    "storageUsed",
    "maxInterviews",
    "maxStorage",
  ],
  avatars: ["avatarUrl", "avatarKey", "avatarSize"],
  identities: ["status", "statusReason"],
  row: ["updatedAt", "version"],
} as const satisfies Record<string, readonly (keyof UserRow)[]>;

export type Owner = Exclude<keyof typeof OWNED, "row">;

User.init(
  {
    id: { type: DataTypes.UUID, primaryKey: true },
    keycloakId: DataTypes.STRING,
    email: DataTypes.STRING,
    fullName: DataTypes.STRING,
    companyName: DataTypes.STRING,
    phone: DataTypes.STRING(50),
    bio: DataTypes.TEXT,
    preferences: DataTypes.JSONB,
    avatarUrl: DataTypes.TEXT,
    avatarKey: DataTypes.TEXT,
    avatarSize: DataTypes.BIGINT,
    interviewsCreated: DataTypes.INTEGER,
    interviewsActive: DataTypes.INTEGER,
    candidatesTotal: DataTypes.BIGINT,
    storageUsed: DataTypes.BIGINT,
    maxInterviews: DataTypes.INTEGER,
    maxStorage: DataTypes.BIGINT,
    status: DataTypes.TEXT,
    statusReason: DataTypes.TEXT,
    createdAt: DataTypes.DATE,
    updatedAt: DataTypes.DATE,
    deletedAt: DataTypes.DATE,
    version: DataTypes.BIGINT,
  },
  { sequelize, tableName: "users", underscored: true, timestamps: false },
);

const ATTRIBUTES = User.getAttributes();

/** The column of an attribute. */
export const fieldOf = (attribute: keyof UserRow): string => ATTRIBUTES[attribute].field ?? attribute;

/** Every column under its attribute's name, for statements written by hand. */
export const USER_COLUMNS = (Object.keys(ATTRIBUTES) as (keyof UserRow)[])
  .map((attribute) => `${fieldOf(attribute)} AS "${attribute}"`)
  .join(", ");
