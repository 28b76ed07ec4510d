import { literal, Op, type Order, type WhereOptions } from "sequelize";
import type { Reader } from "../../mixins/database.mixin.ts";
import { sequelize } from "../../models/connections.ts";
import { translate } from "../../models/database.errors.ts";
import type { User as UserModel, UserRow } from "../../models/user.ts";
import { type Listing, type SORTS, TOTAL_MAX, type UserPage } from "./users.contract.ts";
import { fromCursor, type Position, toCursor } from "./users.cursor.ts";
import { cutToOneMessage, sizeOfUser } from "./users.message.ts";
import { presentListed } from "./users.presenter.ts";
import { limitSearch } from "./users.search.ts";

/**
 * One page of users. It starts after the last row of the previous page, found in an index, so the cost is the same at
 * any depth. The database cancels a search after its statement timeout (models/database.ts).
 * @throws ValidationFailed for a bad cursor, DependencyUnavailable
 */
export async function listUsers({ adapter }: Reader<UserModel>, listing: Listing): Promise<UserPage> {
  const { limit, sort, cursor, search } = listing;
  const wanted = filters(listing);
  const after = cursor === undefined ? [] : [beyond(fromCursor(cursor, sort))];
  const read = async () => ({
    rows: await adapter.find({
      query: { [Op.and]: [...wanted, ...after] },
      sort: orderBy(sort),
      limit: limit + 1,
    }),
    ...(listing.count && toTotal(await adapter.count({ query: { [Op.and]: wanted }, limit: TOTAL_MAX + 1 }))),
  });
  const { rows, ...total } = await (search === undefined ? read() : limitSearch(search, read)).catch(
    (error) => {
      throw translate(error);
    },
  );
  const page = cutToOneMessage(
    rows.slice(0, limit).map((row) => row.get()),
    sizeOfUser,
  );
  const last = rows.length > page.length ? page.at(-1) : undefined;
  return {
    items: page.map(presentListed),
    nextCursor: last ? toCursor(positionOf(last, sort)) : null,
    ...total,
  };
}

const toTotal = (count: number) =>
  count > TOTAL_MAX ? { total: TOTAL_MAX, totalIsLowerBound: true } : { total: count };

type SortField = (typeof SORTS)[number];

/** What each sort compares, as in its index. */
const COMPARED: Record<SortField, (of: string) => string> = {
  createdAt: (of) => of,
  updatedAt: (of) => of,
  email: (of) => `email_key(${of})`,
  fullName: (of) => `lower(${of})`,
};
const COLUMN: Record<SortField, string> = {
  createdAt: "created_at",
  updatedAt: "updated_at",
  email: "email",
  fullName: "full_name",
};

const fieldOf = (sort: string) => sort.replace(/^-/, "") as SortField;
const isDescending = (sort: string) => sort.startsWith("-");

function orderBy(sort: string): Order {
  const field = fieldOf(sort);
  const direction = isDescending(sort) ? "DESC" : "ASC";
  return [
    [literal(COMPARED[field](COLUMN[field])), direction],
    ["id", direction],
  ];
}

/** The rows after a position: a row comparison, which PostgreSQL answers from the index. */
function beyond({ sort, value, id }: Position): WhereOptions {
  const field = fieldOf(sort);
  const compared = COMPARED[field];
  const order = isDescending(sort) ? "<" : ">";
  const bound = `${compared(sequelize.escape(value))}, ${sequelize.escape(id)}`;
  return literal(`(${compared(COLUMN[field])}, id) ${order} (${bound})`) as WhereOptions;
}

function positionOf(row: UserRow, sort: string): Position {
  const value = row[fieldOf(sort)];
  return { sort, value: value instanceof Date ? value.toISOString() : value, id: row.id };
}

function filters({
  search,
  email,
  keycloakId,
  companyName,
  createdFrom,
  createdTo,
  deleted,
}: Listing): WhereOptions[] {
  const where: WhereOptions[] = [{ deletedAt: deleted ? { [Op.ne]: null } : null }];
  if (email !== undefined) where.push(byEmail(email));
  if (keycloakId !== undefined) where.push({ keycloakId });
  if (companyName !== undefined) where.push({ companyName });
  if (createdFrom !== undefined) where.push({ createdAt: { [Op.gte]: createdFrom } });
  if (createdTo !== undefined) where.push({ createdAt: { [Op.lte]: createdTo } });
  if (search !== undefined) where.push(bySearch(search));
  return where;
}

/** Compared by the rule of the unique index. */
const byEmail = (email: string): WhereOptions =>
  literal(`email_key(email) = email_key(${sequelize.escape(email)})`) as WhereOptions;

/** Matches a part of name, e-mail or company, ignoring case; `%`, `_` and `\` have no special meaning. */
function bySearch(search: string): WhereOptions {
  const contains = { [Op.iLike]: `%${search.replace(/[\\%_]/g, "\\$&")}%` };
  return { [Op.or]: [{ fullName: contains }, { email: contains }, { companyName: contains }] };
}
