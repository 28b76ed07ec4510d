import { literal, Op, type Order, type WhereOptions } from "sequelize";
import type { Reader } from "../../mixins/database.mixin.ts";
import { translate } from "../../models/database.errors.ts";
import { sequelize } from "../../models/database.ts";
import type { User as UserModel, UserRow } from "../../models/user.ts";
import type { Listing, SORTS, UserPage } from "./users.contract.ts";
import { fromCursor, type Position, toCursor } from "./users.cursor.ts";
import { byEmail } from "./users.find.ts";
import { presentUser } from "./users.presenter.ts";
import { limitSearch } from "./users.search.ts";

/**
 * One page of users. A page begins after the last row of the one before, found in an index, so that the cost is flat
 * at any depth. The database ends a search that takes longer than its statement timeout (models/database.ts).
 * @throws ValidationFailed for a bad cursor, DependencyUnavailable
 */
export async function listUsers({ adapter }: Reader<UserModel>, listing: Listing): Promise<UserPage> {
  const { limit, sort, cursor, search } = listing;
  const after = cursor === undefined ? [] : [beyond(fromCursor(cursor, sort))];
  const find = () =>
    adapter.find({
      query: { [Op.and]: [{ deletedAt: null }, ...filters(listing), ...after] },
      sort: orderBy(sort),
      limit: limit + 1,
    });
  const rows = await (search === undefined ? find() : limitSearch(search, find)).catch((error) => {
    throw translate(error);
  });
  const page = cutToOneMessage(rows.slice(0, limit).map((row) => row.get()));
  const last = rows.length > page.length ? page.at(-1) : undefined;
  return {
    items: page.map(presentUser),
    nextCursor: last ? toCursor(positionOf(last, sort)) : null,
  };
}

/** Kafka refuses a message above 1 MiB, and a page may come from another node; in bytes. */
const MAX_PAGE = 900_000;
/** What all fields but the bio take at most, in bytes. */
const MAX_OTHER_FIELDS = 3_000;

/** As many users as one message holds for certain; the next page goes on behind them. */
export function cutToOneMessage<Row extends Pick<UserRow, "bio">>(page: Row[]): Row[] {
  let bytes = 0;
  const fits = ({ bio }: Row) => {
    bytes += MAX_OTHER_FIELDS + Buffer.byteLength(bio ?? "");
    return bytes <= MAX_PAGE;
  };
  const end = page.findIndex((row) => !fits(row));
  return end < 0 ? page : page.slice(0, end);
}

type SortField = (typeof SORTS)[number];

/** What each sort compares, as an index holds it. */
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

/** The rows after a position: a comparison of rows, which PostgreSQL answers from the index. */
function beyond({ sort, value, id }: Position): WhereOptions {
  const field = fieldOf(sort);
  const compared = COMPARED[field];
  const order = isDescending(sort) ? "<" : ">";
  const bound = `${compared(sequelize.escape(value))}, ${sequelize.escape(id)}`;
  return literal(`(${compared(COLUMN[field])}, id) ${order} (${bound})`) as unknown as WhereOptions;
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
}: Listing): WhereOptions[] {
  const where: WhereOptions[] = [];
  if (email !== undefined) where.push(byEmail(email));
  if (keycloakId !== undefined) where.push({ keycloakId });
  if (companyName !== undefined) where.push({ companyName });
  if (createdFrom !== undefined) where.push({ createdAt: { [Op.gte]: createdFrom } });
  if (createdTo !== undefined) where.push({ createdAt: { [Op.lte]: createdTo } });
  if (search !== undefined) where.push(bySearch(search));
  return where;
}

/** A part of name, e-mail or company, in any case; `%`, `_` and `\` are letters. */
function bySearch(search: string): WhereOptions {
  const contains = { [Op.iLike]: `%${search.replace(/[\\%_]/g, "\\$&")}%` };
  return { [Op.or]: [{ fullName: contains }, { email: contains }, { companyName: contains }] };
}
