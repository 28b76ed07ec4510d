import type { Service, ServiceSchema } from "moleculer";
import DbService from "moleculer-db";
import SequelizeAdapter, { type CountOptions } from "moleculer-db-adapter-sequelize";
import {
  type FindOptions,
  type Model,
  type ModelStatic,
  type Order,
  QueryTypes,
  Utils,
  type WhereOptions,
} from "sequelize";
import { sequelize } from "../models/connections.ts";
import { readOld } from "../models/replica.ts";

type CountFilter = { query: WhereOptions; limit: number };
type ListFilter = CountFilter & { sort: Order };

/**
 * The adapter of moleculer-db, which a service with this mixin uses to read. Writes go through stores, in a
 * transaction.
 */
export type Reader<Entity> = {
  adapter: {
    findOne(options: FindOptions): Promise<Entity | null>;
    /**
     * At most `limit` entities, as they were a few seconds ago or later (models/replica.ts); `sort` is in Sequelize's own
     * form, which can also name expressions.
     */
    find(filter: ListFilter): Promise<Entity[]>;
    /** The number of entities at about the same time. The database counts at most `limit`. */
    count(filter: CountFilter): Promise<number>;
  };
};

/**
 * The Sequelize adapter on the connection that all services of a node share. It gets no constructor argument, because
 * Moleculer would clone it, including its pool. It opens and closes nothing: the node does
 * (lib/postgres/open-database.ts).
 */
class SharedAdapter extends SequelizeAdapter {
  declare service: Service & { schema: { model: ModelStatic<Model> }; model: ModelStatic<Model> };
  declare db: typeof sequelize;
  declare model: ModelStatic<Model>;

  constructor() {
    super({});
  }

  override async connect(): Promise<void> {
    this.db = sequelize;
    this.model = this.service.model = this.service.schema.model;
  }
  override async disconnect(): Promise<void> {}

  override find({ query: where, sort: order, limit }: ListFilter): Promise<Model[]> {
    return readOld((useMaster) => this.model.findAll({ where, order, limit, useMaster }));
  }

  override async count({ query: where, limit }: CountOptions & Partial<CountFilter> = {}): Promise<number> {
    const options = Utils.mapFinderOptions({ attributes: ["id"], where, limit }, this.model);
    const selected = GENERATOR.selectQuery(this.model.tableName, options, this.model);
    const text = `SELECT count(*) FROM (${selected.replace(/;$/, "")}) AS limited`;
    const [row] = await readOld((useMaster) =>
      this.db.query<{ count: number }>(text, { type: QueryTypes.SELECT, useMaster }),
    );
    return row?.count ?? 0;
  }
}

/** Sequelize's own SQL, because its `count` has no limit. */
const GENERATOR = sequelize.getQueryInterface().queryGenerator as {
  selectQuery(table: string, options: FindOptions, model: ModelStatic<Model>): string;
};

/** moleculer-db's own actions are off (contract 12): they would bypass access rules and validation. */
const noActions = Object.fromEntries(
  ["create", "insert", "update", "remove", "find", "list", "count", "get", "resolve"].map((name) => [
    name,
    false,
  ]),
);

/** moleculer-db for one model. A service's own actions replace the disabled ones of the same name. */
export const databaseMixin = (model: ModelStatic<Model>) => {
  const mixin = { mixins: [DbService], adapter: new SharedAdapter(), model, actions: noActions };
  return mixin as Partial<ServiceSchema>;
};
