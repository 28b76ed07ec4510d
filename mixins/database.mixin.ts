import type { Service, ServiceSchema } from "moleculer";
import DbService from "moleculer-db";
import SequelizeAdapter from "moleculer-db-adapter-sequelize";
import type { FindOptions, Model, ModelStatic, Order, WhereOptions } from "sequelize";
import { sequelize } from "../models/database.ts";

/** What a service with this mixin reads through: moleculer-db's adapter. Writes go through stores, in a transaction. */
export type Reader<Entity> = {
  adapter: {
    findOne(options: FindOptions): Promise<Entity | null>;
    /** At most `limit` entities; `sort` in Sequelize's own form, which can name expressions too. */
    find(filter: { query: WhereOptions; sort: Order; limit: number }): Promise<Entity[]>;
  };
};

type Adapter = {
  service: Service & { schema: { model: ModelStatic<Model> }; model: ModelStatic<Model> };
  db: typeof sequelize;
  model: ModelStatic<Model>;
};
const Base = SequelizeAdapter as unknown as new () => Adapter;

/**
 * The sequelize adapter on the connection that all services of a node share. It gets no constructor argument, as
 * Moleculer clones schemas, pools included; it opens and closes nothing: the node does (lib/postgres/open-database.ts).
 */
class SharedAdapter extends Base {
  async connect(): Promise<void> {
    this.db = sequelize;
    this.model = this.service.model = this.service.schema.model;
  }
  async disconnect(): Promise<void> {}
  transformSort = (sort: Order): Order => sort;
}

/** moleculer-db's own actions are off (SPEC 12): they would pass by every access rule and whitelist. */
const noActions = Object.fromEntries(
  ["create", "insert", "update", "remove", "find", "list", "count", "get", "resolve"].map((name) => [
    name,
    false,
  ]),
);

/** moleculer-db for one model; a service's own actions of the same names take the place of those turned off. */
export const databaseMixin = (model: ModelStatic<Model>) => {
  const mixin = { mixins: [DbService], adapter: new SharedAdapter(), model, actions: noActions };
  return mixin as Partial<ServiceSchema>;
};
